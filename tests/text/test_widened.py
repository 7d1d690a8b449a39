"""A workbook with columns more: everything else in it stays."""

import re
import zipfile
from datetime import datetime

import fastexcel
import pytest
import xlsxwriter

from fenlei.text.formats.sheet_xml import column_letters, column_number
from fenlei.text.formats.widened import CannotWidenError, widen
from fenlei.text.formats.workbook import add_columns, open_workbook

SHEET = "xl/worksheets/sheet1.xml"


def workbook(path):
    """Three rows from B3 on: text, day and formula, with formats, a chart, a second sheet, empty bordered cells."""
    with xlsxwriter.Workbook(path) as book:
        sheet, other = book.add_worksheet("数据"), book.add_worksheet("别的")
        bold, border = book.add_format({"bold": True}), book.add_format({"border": 1})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.set_column(1, 1, 60)
        for column, name in enumerate(["内容", "日期", "两倍"], 1):
            sheet.write(2, column, name, bold)
        for row in range(3, 6):
            sheet.write_string(row, 1, f" 第 {row} 行 <&>\n又一行")
            sheet.write_datetime(row, 2, datetime(2026, 1, row), day)
            sheet.write_formula(row, 3, f"=LEN(B{row + 1})*2", None, row * 2)
            for column in range(4, 8):
                sheet.write_blank(row, column, None, border)
        other.write(0, 0, "留着")
        chart = book.add_chart({"type": "column"})
        chart.add_series({"values": "=数据!$D$4:$D$6"})
        other.insert_chart("C3", chart)
    return path


def rewritten(path, change):
    """The same workbook with the XML of its first sheet changed."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    parts[SHEET] = change(parts[SHEET].decode()).encode()
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return path


def cells_of(path, sheet=SHEET):
    """Place -> the cell's XML."""
    content = zipfile.ZipFile(path).read(sheet).decode()
    return {found[1]: found[0] for found in re.finditer(r'<c r="([A-Z]+\d+)"(?:[^>]*/>|.*?</c>)', content)}


ADDED = [["predicted", "scores"], ["甲|乙", " 甲 0.9\r\n"], ["", ""], ["丙\x01", "<丙 & 丁>"]]


def test_what_was_there_stays_to_the_byte_and_answers_stand_beside_it(tmp_path):
    given, out = workbook(tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    add_columns(given, ADDED, 2, out, skipped=())
    before, after = cells_of(given), cells_of(out)
    new = {f"{column}{row}" for column in "EF" for row in range(3, 7)}
    assert {place: cell for place, cell in after.items() if place not in new} == {
        place: cell for place, cell in before.items() if place not in new
    }
    assert list(after) == sorted(after, key=lambda place: (int(place[1:]), place[0]))
    with zipfile.ZipFile(given) as old, zipfile.ZipFile(out) as book:
        assert book.testzip() is None
        assert book.namelist() == old.namelist()
        assert all(book.read(name) == old.read(name) for name in old.namelist() if name != SHEET)
        assert "<cols>" in book.read(SHEET).decode()
        assert "<dimension" not in book.read(SHEET).decode()  # it would end before the new columns
    read = fastexcel.read_excel(out).load_sheet(0, header_row=2).to_polars()
    assert read.columns == ["内容", "日期", "两倍", "predicted", "scores"]
    assert read["日期"].to_list() == [datetime(2026, 1, row) for row in range(3, 6)]
    assert read["两倍"].to_list() == [6, 8, 10]
    assert read["predicted"].to_list() == ["甲|乙", None, "丙\x01"]
    assert read["scores"].to_list() == [" 甲 0.9\r\n", None, "<丙 & 丁>"]


def test_an_answer_takes_the_format_that_stands_in_its_place(tmp_path):
    given, out = workbook(tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    add_columns(given, ADDED, 2, out, skipped=())
    before, after = cells_of(given), cells_of(out)
    border = re.search(r' s="\d+"', before["E4"])[0]
    assert border in after["E4"]
    assert after["E5"] == before["E5"]  # no answer: the empty cell
    header = re.search(r' s="\d+"', before["D3"])[0]
    assert header in after["E3"]  # as the name beside it
    assert header in after["F3"]


def test_skipped_rows_get_no_answer(tmp_path):
    given, out = workbook(tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    add_columns(given, [["predicted"], ["甲"], ["丙"]], 1, out, skipped=[5])
    assert fastexcel.read_excel(out).load_sheet(0, header_row=2).to_polars()["predicted"].to_list() == [
        "甲",
        None,
        "丙",
    ]


def test_the_result_reads_as_what_was_given_and_the_same_twice(tmp_path):
    given, out = workbook(tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    add_columns(given, ADDED, 2, out, skipped=())
    add_columns(given, ADDED, 2, tmp_path / "again.xlsx", skipped=())
    assert out.read_bytes() == (tmp_path / "again.xlsx").read_bytes()
    before, after = list(open_workbook(given)), list(open_workbook(out))
    assert [row.number for row in before] == [row.number for row in after]
    assert all(row.cells.items() <= wider.cells.items() for row, wider in zip(before, after, strict=True))
    # And once more, beside what was added.
    add_columns(out, [["again"], ["1"], ["2"], ["3"]], 1, tmp_path / "third.xlsx", skipped=())
    assert [row.cells["again"] for row in open_workbook(tmp_path / "third.xlsx")] == ["1", "2", "3"]


def test_prefixed_xml_is_widened_too(tmp_path):
    def prefixed(content):
        content = re.sub(r"<(/?)([a-z]\w*)", r"<\1x:\2", content)
        return content.replace("xmlns=", "xmlns:x=")

    given = rewritten(workbook(tmp_path / "in.xlsx"), prefixed)
    widen(given, iter([(4, ["甲"])]), 4, 1, tmp_path / "out.xlsx")
    content = zipfile.ZipFile(tmp_path / "out.xlsx").read(SHEET).decode()
    assert re.search(
        r'<x:c r="E4" s="\d+" t="inlineStr"><x:is><x:t xml:space="preserve">甲</x:t></x:is></x:c><x:c', content
    )


@pytest.mark.parametrize(
    ("change", "first", "message"),
    [
        (str, 3, "row 3 already has a cell"),
        (lambda content: content.replace(' r="B4"', ""), 4, "row 4 has a cell that does not tell its column"),
        (lambda content: content.replace('r="6"', 'r="7"'), 4, "row 6 is not found in it"),
        (lambda content: re.sub('<row r="6".*?</row>', "", content), 4, "row 6 is not found in it"),
        (lambda content: content.replace("</sheetData>", ""), 4, "mismatched tag"),
    ],
)
def test_what_cannot_be_widened_is_refused(tmp_path, change, first, message):
    given = rewritten(workbook(tmp_path / "in.xlsx"), change)
    with pytest.raises(CannotWidenError, match=message):
        widen(given, iter([(3, ["a"]), (4, ["b"]), (6, ["c"])]), first, 1, tmp_path / "out.xlsx")


def test_a_workbook_without_a_sheet_that_is_found_is_refused(tmp_path):
    given = workbook(tmp_path / "in.xlsx")
    with zipfile.ZipFile(given, "w") as book:
        book.writestr("xl/workbook.bin", b"")
    with pytest.raises(CannotWidenError, match="no sheet"):
        widen(given, iter([]), 0, 1, tmp_path / "out.xlsx")


@pytest.mark.parametrize(
    ("number", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16383, "XFD")]
)
def test_columns_have_letters(number, letters):
    assert column_letters(number) == letters
    assert column_number(f"{letters}12") == number

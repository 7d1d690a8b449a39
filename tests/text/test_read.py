"""Reading labelled files as offices have them, written by the real libraries."""

import csv
import json
import math
from datetime import datetime

import pytest
import xlsxwriter

from fenlei.errors import DataError, SettingsError
from fenlei.text import labels as labels_module
from fenlei.text.example import Example, pair_texts
from fenlei.text.read import read_examples, read_parts
from fenlei.text.reader import ReadOptions
from fenlei.text.sources import open_rows
from fenlei.text.write import write_examples

ROWS = [
    ("财经|科技", "芯片公司上市，首日涨两成"),
    ("体育", "门将“零封”，\n对手五次射门"),
    ("", "今天有雾"),
    ("体育|财经", "球队易主"),
]


def expected(ids=("2", "3", "5", "6")):
    return tuple(
        Example(id, text, tuple(label for label in labels.split("|") if label))
        for id, (labels, text) in zip(ids, ROWS, strict=True)
    )


def csv_file(path, rows=ROWS, header=("标签", "文本"), encoding="utf-8", delimiter=","):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_csv_and_tsv_in_every_encoding(tmp_path, encoding, suffix, delimiter):
    path = csv_file(tmp_path / f"新闻 1{suffix}", encoding=encoding, delimiter=delimiter)
    table = read_examples(path)
    assert table.examples == expected()
    assert table.skipped == ()
    assert "labels split on '|'" in table.notes[0]


def test_json_lines_with_lists_and_strings(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [
        {"text": "甲文", "label": ["财经", "体育"]},
        {"text": "乙文", "label": []},
        {"text": "丙\u2028文", "label": "财经"},
    ]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n", encoding="utf-8")
    assert [(row.id, row.text, row.labels) for row in read_examples(path).examples] == [
        ("1", "甲文", ("财经", "体育")),
        ("2", "乙文", ()),
        ("3", "丙\u2028文", ("财经",)),
    ]


def test_xlsx(tmp_path):
    book = xlsxwriter.Workbook(tmp_path / "表.xlsx")
    sheet = book.add_worksheet()
    for number, row in enumerate([("标签", "文本"), *ROWS]):
        sheet.write_row(number, 0, row)
    book.close()
    table = read_examples(tmp_path / "表.xlsx")
    assert table.examples == expected(ids=("2", "3", "4", "5"))


def test_rows_of_xlsx_have_the_numbers_of_the_sheet(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "表.xlsx") as book:
        sheet = book.add_worksheet()
        for number, row in ((3, ("标签", "文本")), (4, ("甲", "文")), (7, ("乙", "书"))):
            sheet.write_row(number - 1, 0, row)
    assert [row.id for row in read_examples(tmp_path / "表.xlsx").examples] == ["4", "7"]
    with xlsxwriter.Workbook(tmp_path / "b.xlsx") as book:
        book.add_worksheet().write_row(3, 0, ("标签", "标签"))
    with pytest.raises(DataError, match=r"b\.xlsx, line 4: the column '标签' occurs more than once"):
        read_examples(tmp_path / "b.xlsx")
    with xlsxwriter.Workbook(tmp_path / "c.xlsx") as book:
        book.add_worksheet()
    with pytest.raises(DataError, match=r"c\.xlsx: the first sheet is empty"):
        read_examples(tmp_path / "c.xlsx")


def test_what_a_cell_of_xlsx_reads_like(tmp_path):
    day = datetime(2024, 1, 2, 3, 4, 5)
    cells = [
        ("007", None, "007"),
        (7, "000", "7"),
        (0.5, "0%", "0.5"),
        (1.0, "0.0", "1"),
        (day.date(), "yyyy/m/d", "2024-01-02"),
        (day, "yyyy/m/d h:mm", "2024-01-02 03:04:05"),
        (day.time(), "h:mm", "03:04:05"),
        (True, None, "true"),
    ]
    with xlsxwriter.Workbook(tmp_path / "a.xlsx", {"strings_to_numbers": False}) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "x")
        for number, (value, shape, _) in enumerate(cells, 1):
            sheet.write(number, 0, value, book.add_format({"num_format": shape} if shape else {}))
    assert [row.cells["x"] for row in open_rows(tmp_path / "a.xlsx")] == [read for *_, read in cells]


def test_a_damaged_xlsx_is_named(tmp_path):
    (tmp_path / "表.xlsx").write_bytes(b"PK\x03\x04 not a workbook")
    with pytest.raises(DataError, match=r"表\.xlsx cannot be read as xlsx"):
        read_examples(tmp_path / "表.xlsx")


@pytest.mark.parametrize("place", [0, 30], ids=["its header", "its content"])
def test_a_damaged_sheet_is_named(tmp_path, place):
    with xlsxwriter.Workbook(tmp_path / "表.xlsx") as book:
        sheet = book.add_worksheet()
        for number, cells in enumerate([("text", "label"), ("文", "甲"), ("书", "乙")]):
            sheet.write_row(number, 0, cells)
    content = bytearray((tmp_path / "表.xlsx").read_bytes())
    start = content.index(b"xl/worksheets/sheet1.xml") + place
    content[start : start + 8] = bytes(8)
    (tmp_path / "表.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=r"表\.xlsx cannot be read as xlsx"):
        read_examples(tmp_path / "表.xlsx")


@pytest.mark.parametrize("separator", ["|", ",", "，", ";", "；", "、"])
def test_separators_are_found_by_their_pieces(tmp_path, separator):
    rows = [(separator.join(labels), "文") for labels in (["财经", "体育"], ["体育"], ["财经"], ["体育", "财经"])]
    path = csv_file(tmp_path / "a.csv", rows)
    assert [row.labels for row in read_examples(path).examples] == [
        ("财经", "体育"),
        ("体育",),
        ("财经",),
        ("体育", "财经"),
    ]


@pytest.mark.parametrize(("narrow", "wide"), [("|", "｜"), (",", "，"), (";", "；")])
def test_both_forms_of_a_separator_may_stand_in_a_table(tmp_path, narrow, wide):
    rows = [(f"财经{narrow}体育", "文"), ("体育", "文"), (f"财经{wide} 体育{narrow}国际", "文"), ("国际", "文")]
    path = csv_file(tmp_path / "a.csv", rows)
    table = read_examples(path)
    assert [row.labels for row in table.examples] == [("财经", "体育"), ("体育",), ("财经", "体育", "国际"), ("国际",)]
    assert f"labels split on {narrow!r} and {wide!r}" in table.notes[0]
    # One that is named is that one alone.
    named = read_examples(path, ReadOptions(label_separator=narrow))
    assert named.examples[2].labels == (f"财经{wide} 体育", "国际")


def test_a_character_inside_names_is_no_separator(tmp_path):
    rows = [("交通、运输", "文"), ("文化、体育", "文"), ("财经", "文"), ("交通、运输", "文")]
    path = csv_file(tmp_path / "a.csv", rows)
    assert [row.labels for row in read_examples(path).examples] == [
        ("交通、运输",),
        ("文化、体育",),
        ("财经",),
        ("交通、运输",),
    ]
    split = read_examples(path, ReadOptions(label_separator="、"))
    assert split.examples[0].labels == ("交通", "运输")


def test_multiclass_cells_stay_whole_unless_told(tmp_path):
    path = csv_file(tmp_path / "a.csv", [("甲|乙", "文"), ("甲", "文"), ("乙", "文")])
    assert read_examples(path, task="multiclass").examples[0].labels == ("甲|乙",)
    assert read_examples(path, ReadOptions(label_separator="|"), task="multiclass").examples[0].labels == ("甲", "乙")


@pytest.mark.parametrize("cell", ["", " ", "无", "None", "没有", "NULL", "N/A", "[]"])
def test_words_for_no_label(tmp_path, cell):
    path = csv_file(tmp_path / "a.csv", [(cell, "文"), ("甲", "文")])
    assert read_examples(path).examples[0].labels == ()


def test_in_a_json_list_a_name_is_a_name(tmp_path):
    cells = ['["无"]', '["没有", "甲"]', '["N/A", " "]', "[]", "无|甲", "甲"]
    path = csv_file(tmp_path / "a.csv", [(cell, "文") for cell in cells])
    table = read_examples(path)
    assert [row.labels for row in table.examples] == [("无",), ("没有", "甲"), ("N/A",), (), ("甲",), ("甲",)]
    assert table.words_for_none == ()


def test_columns_of_zero_and_one_survive_writing_whatever_they_are_called(tmp_path):
    path = csv_file(tmp_path / "a.csv", [("文", 1, 0), ("书", 0, 1)], header=("text", "无", "有"))
    examples = read_examples(path).examples
    assert [row.labels for row in examples] == [("无",), ("有",)]
    write_examples(tmp_path / "b.csv", examples)
    assert read_examples(tmp_path / "b.csv").examples == examples


def test_words_for_no_label_are_counted(tmp_path):
    path = csv_file(tmp_path / "a.csv", [("没有", "文"), ("甲", "文"), ("没有", "文"), ("None", "文"), ("", "文")])
    table = read_examples(path)
    assert table.words_for_none == (("没有", 2), ("None", 1))
    assert table.notes[0].endswith("; '没有' (2) read as no label; 'None' (1) read as no label")
    assert read_examples(path, task="multiclass").words_for_none == ()


def test_a_json_list_in_a_cell_and_repeated_labels(tmp_path):
    path = csv_file(
        tmp_path / "a.csv", [('["A,B", "C"]', "文"), ("C", "文"), ("C|C", "文"), ("C|D", "文"), ("D", "文")]
    )
    assert [row.labels for row in read_examples(path).examples][:3] == [("A,B", "C"), ("C",), ("C",)]


def test_columns_are_found_by_name_or_named(tmp_path):
    path = csv_file(tmp_path / "a.csv", [("x", "甲", "题")], header=("正文内容", "Category", "Title"))
    assert read_examples(path).examples[0].text == "题"
    assert read_examples(path, ReadOptions(text_column="正文内容")).examples[0].text == "x"
    with pytest.raises(DataError, match=r"has no column '正文'; its columns are 正文内容, Category, Title"):
        read_examples(path, ReadOptions(text_column="正文"))
    path = csv_file(tmp_path / "b.csv", [("x", "甲")], header=("a", "b"))
    with pytest.raises(DataError, match="no column looks like the text; its columns are a, b") as caught:
        read_examples(path)
    assert caught.value.hint == "name it with --text-column"


def test_id_and_group_columns(tmp_path):
    path = csv_file(tmp_path / "a.csv", [("7", "文", "甲", "卷1")], header=("id", "text", "label", "doc"))
    assert read_examples(path, ReadOptions(group_column="doc")).examples == (Example("7", "文", ("甲",), "卷1"),)


def test_several_files_are_read_as_one(tmp_path):
    paths = [csv_file(tmp_path / f"{name}.csv", [("甲", name)]) for name in ("a", "b")]
    assert [row.id for row in read_examples(paths).examples] == ["a:2", "b:2"]


BAD = "text,label\n好的,甲\n,甲\n多,一,格\n好,乙\nNUL\0,甲\n"


def test_bad_rows_are_all_reported_with_their_place(tmp_path):
    (tmp_path / "a.csv").write_text(BAD, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_examples(tmp_path / "a.csv", ReadOptions(encoding="utf-8"))
    message = str(caught.value)
    assert "3 of 5 rows cannot be used" in message
    assert "a.csv, line 3, column 'text': the text is empty: ''" in message
    assert "a.csv, line 4: 3 cells where the header has 2" in message
    assert "a.csv, line 6, column 'text': the text holds a NUL character" in message
    assert "--on-bad-row skip" in caught.value.hint


def test_bad_rows_can_be_skipped_and_are_listed(tmp_path):
    (tmp_path / "a.csv").write_text(BAD, encoding="utf-8")
    table = read_examples(tmp_path / "a.csv", ReadOptions(encoding="utf-8", on_bad_row="skip"))
    assert [row.text for row in table.examples] == ["好的", "好"]
    assert [row.line for row in table.skipped] == [3, 4, 6]


@pytest.mark.parametrize("way", ["error", "skip"])
def test_where_every_row_is_bad_the_reasons_are_shown(tmp_path, way):
    (tmp_path / "a.csv").write_text("text,label\n" + "多,一,格\n" * 7, encoding="utf-8")
    with pytest.raises(DataError, match="there are no usable rows in .*, all 7 are bad:\n") as caught:
        read_examples(tmp_path / "a.csv", ReadOptions(encoding="utf-8", on_bad_row=way))
    lines = str(caught.value).splitlines()
    assert lines[1].endswith("a.csv, line 2: 3 cells where the header has 2: '多'")
    assert lines[6:] == ["  and 2 more"]


def test_bad_json_lines(tmp_path):
    lines = [
        '{"text": "好", "label": "甲"}',
        "{broken",
        "[1, 2]",
        '{"text": 5, "label": "甲"}',
        '{"text": "好", "label": {"x": 1}}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    reasons = [row.reason for row in read_examples(tmp_path / "a.jsonl", ReadOptions(on_bad_row="skip")).skipped]
    assert reasons[0].startswith("broken JSON")
    assert reasons[1:] == [
        "not a JSON object",
        "the text is missing or no string",
        "labels are neither a string nor a list of strings",
    ]


def test_records_need_not_have_the_same_columns(tmp_path):
    lines = [{"text": "甲文"}, {"note": "批", "text": "乙文", "label": "财经"}, {"text": "丙文", "label": ["体育"]}]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert open_rows(tmp_path / "a.jsonl").columns == ("text", "note", "label")
    assert [row.labels for row in read_examples(tmp_path / "a.jsonl").examples] == [(), ("财经",), ("体育",)]


def test_half_a_surrogate_pair_is_no_text(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"text": "好\\ud83d", "label": "甲"}\n{"text": "好\\ud83d\\ude00", "label": "甲"}\n'
    )
    table = read_examples(tmp_path / "a.jsonl", ReadOptions(on_bad_row="skip"))
    assert [row.text for row in table.examples] == ["好😀"]
    assert "half a surrogate pair" in table.skipped[0].reason


def test_a_class_may_be_called_none(tmp_path):
    path = csv_file(tmp_path / "a.csv", [("有", "文"), ("无", "文")])
    assert [row.labels for row in read_examples(path, task="multiclass").examples] == [("有",), ("无",)]


def test_a_json_array_is_read_like_json_lines(tmp_path):
    rows = [{"text": "甲文", "label": ["财经"]}, {"text": "乙文", "label": []}, 5]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    table = read_examples(tmp_path / "a.json", ReadOptions(on_bad_row="skip"))
    assert [(row.id, row.labels) for row in table.examples] == [("1", ("财经",)), ("2", ())]
    assert table.skipped[0].reason == "not a JSON object"
    (tmp_path / "b.json").write_text("[{", encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.json is no valid JSON: .* \(line 1, column 3\)"):
        read_examples(tmp_path / "b.json")


def test_a_csv_that_excel_separated_by_tabs(tmp_path):
    path = csv_file(tmp_path / "a.csv", delimiter="\t", encoding="utf-16")
    assert read_examples(path).examples == expected()


def test_a_csv_with_semicolons(tmp_path):
    path = csv_file(tmp_path / "a.csv", delimiter=";")
    assert read_examples(path).examples == expected()
    # A comma in the header is what separates; further semicolons belong to the cells.
    path = csv_file(tmp_path / "b.csv", [("甲", "文；文;文")], header=("标签", "文本;正文", "text"))
    assert open_rows(path).columns == ("标签", "文本;正文", "text")


def test_a_title_above_the_columns_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("2024年标注表,,\n编号,内容,标签\n1,文,甲\n", encoding="utf-8")
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.merge_range(0, 0, 0, 2, "2024年标注表")
        sheet.write_row(1, 0, ["编号", "内容", "标签"])
    for name in ("a.csv", "a.xlsx"):
        with pytest.raises(DataError, match="no column looks like the text") as caught:
            read_examples(tmp_path / name)
        assert caught.value.hint.startswith("the first row looks like a title: delete it")
    (tmp_path / "b.csv").write_text("甲^乙\n文^书\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column looks like the text") as caught:
        read_examples(tmp_path / "b.csv")
    assert caught.value.hint.endswith("put commas, tabs or semicolons between them")


def test_a_repeated_id_is_a_bad_row_where_the_column_was_named(tmp_path):
    path = csv_file(tmp_path / "a.csv", [("1", "文", "甲"), ("1", "书", "无")], header=("id", "text", "label"))
    with pytest.raises(DataError, match="line 3, column 'id': this id occurred before: '1'"):
        read_examples(path, ReadOptions(id_column="id"))
    # A column that only looks like it, such as that of a form's users, names no rows.
    table = read_examples(path)
    assert [example.id for example in table.examples] == ["2", "3"]
    assert "rows named by their line, since 'id' repeats" in table.notes[0]
    assert table.words_for_none == (("无", 1),)


def test_quotes_of_a_file_that_was_written_without_quoting_are_signs(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"他走了\t甲\n"NBA"直播\t乙\n他说"好"\t甲\n没有人。"\t乙\n', encoding="utf-8")
    found = [example.text for example in read_examples(path).examples]
    assert found == ['"他走了', '"NBA"直播', '他说"好"', '没有人。"']
    (tmp_path / "c.csv").write_text('label,text\n体育,球队赢了\n财经,"今天股市\n大涨, 成交破万亿"\n', encoding="utf-8")
    table = read_examples(tmp_path / "c.csv")
    assert [(row.text, row.labels) for row in table.examples][1] == ("今天股市\n大涨, 成交破万亿", ("财经",))
    # Written with quoting: a cell over two lines, quotes that stand twice.
    path.write_text('text\tlabel\n"他走了。\n""真的。"\t甲\n"""好"""\t乙\n', encoding="utf-8")
    assert [example.text for example in read_examples(path).examples] == ['他走了。\n"真的。', '"好"']
    path.write_text('text\tlabel\n一\t甲\n"他\n走了\t甲\n', encoding="utf-8")
    with pytest.raises(DataError, match="is no valid TSV at line 4"):
        read_examples(path)


def test_merged_cells_count_for_all_their_rows_and_errors_are_bad(tmp_path):
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        # Not in the corner: calamine counts columns from the first that is used.
        for row, cells in enumerate(
            [("内容", "标签"), ("一", "甲"), ("二", ""), ("三", "乙"), ("四", "乙"), ("五", "乙")], 3
        ):
            for column, cell in enumerate(cells, 2):
                if cell:
                    sheet.write(row, column, cell)
        sheet.merge_range(4, 3, 5, 3, "甲")
        sheet.merge_range(4, 6, 7, 6, "")  # empty, right of all that is used
        sheet.write_formula(7, 3, "=VLOOKUP(1,A:A,1,0)", None, "#N/A")
    table = read_examples(path, ReadOptions(on_bad_row="skip"))
    assert [(row.text, row.labels) for row in table.examples] == [
        ("一", ("甲",)),
        ("二", ("甲",)),
        ("三", ("乙",)),
        ("五", ("乙",)),
    ]
    [bad] = table.skipped
    assert (bad.line, bad.column, bad.value, bad.reason) == (8, "标签", "#N/A", "Excel shows an error here")


def test_sheets_that_are_not_read_are_named(tmp_path):
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for name, header in (("数据", ["文本", "标签"]), ("数据2", ["文本", "标签"])):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, header)
            sheet.write_row(1, 0, ["文", "甲"])
    assert (
        read_examples(path)
        .notes[0]
        .endswith("; only the first sheet is read (another can be moved to the front), not 数据2")
    )
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("说明").write(0, 0, "本表由舆情组填写")
        book.add_worksheet("数据").write_row(0, 0, ["文本", "标签"])
    with pytest.raises(DataError, match="no column looks like the text") as refused:
        read_examples(path)
    assert "only the first sheet is read (another can be moved to the front), not 数据" in refused.value.hint


def test_columns_of_the_training_are_taken_where_the_file_has_them(tmp_path):
    path = csv_file(tmp_path / "a.csv", [("题", "述", "甲", "乙")], header=("标题", "描述", "类别", "一级"))
    trained = ReadOptions(trained_text=("描述",), trained_labels=("一级",))
    [example] = read_examples(path, trained).examples
    assert (example.text, example.labels) == ("述", ("乙",))
    [example] = read_examples(path, ReadOptions(trained_text=("简介",), trained_labels=("二级",))).examples
    assert (example.text, example.labels) == ("题", ("甲",))
    # One row of 0 and 1 tells by the names of the classifier's labels which columns they are.
    flags = csv_file(tmp_path / "b.csv", [("文", 0, 1, 1)], header=("text", "甲", "乙", "会员"))
    assert read_examples(flags, known=("甲", "乙")).examples[0].labels == ("乙",)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [([1], ("1",)), (1.0, ("1",)), ([2.0, 3], ("2", "3")), ("[重要]财经", ("[重要]财经",)), (float("nan"), ())],
    ids=str,
)
def test_numbers_and_brackets_in_label_cells(tmp_path, cell, labels):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "文", "labels": cell}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_examples(path).examples[0].labels == labels


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.doc", b"x", r"the suffix '\.doc' is not known; accepted are \.csv"),
        ("a.csv", b"", "is empty: it has no header line"),
        ("a.csv", b"text,text\n", "the column 'text' occurs more than once"),
        ("a.csv", b"text,label\n", "there are no usable rows"),
        ("a.csv", b'text,label\n"open\nx,y\n', "is no valid CSV"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_examples(tmp_path / name)


def test_a_missing_file_and_a_wrong_encoding(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_examples(tmp_path / "no.csv")
    path = csv_file(tmp_path / "a.csv", encoding="gbk")
    with pytest.raises(DataError, match="line 1: the names of the columns have bytes of another encoding"):
        read_examples(path, ReadOptions(encoding="utf-8"))
    with pytest.raises(DataError, match="--encoding is 'gbq', which Python does not know"):
        read_examples(path, ReadOptions(encoding="gbq"))
    late = tmp_path / "late.csv"
    late.write_bytes("text,label\n好,甲\n".encode() + b"\xff\xfe,x\n")
    with pytest.raises(DataError, match=r"late\.csv, line 3: it holds bytes that are not utf-8: '\\udcff\\udcfe'"):
        read_examples(late, ReadOptions(encoding="utf-8"))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.tsv"])
def test_a_stray_byte_costs_its_row_and_not_the_file(tmp_path, encoding, name):
    rows = [(f"第{number}条新闻讲了一件事情", "甲" if number % 2 else "乙") for number in range(60)]
    if name == "a.jsonl":
        lines = [json.dumps({"text": text, "labels": [label]}, ensure_ascii=False) for text, label in rows]
    else:
        sign = "," if name == "a.csv" else "\t"
        lines = [sign.join(row) for row in [("text", "label"), *rows]]
    content = [line.encode(encoding) for line in lines]
    content[31] = content[31].replace("新".encode(encoding), b"\xff")
    (tmp_path / name).write_bytes(b"\n".join(content))
    with pytest.raises(DataError, match=rf"(?s)1 of 60 .*{name}, line 32: it holds bytes that are not {encoding}"):
        read_examples(tmp_path / name)
    table = read_examples(tmp_path / name, ReadOptions(on_bad_row="skip"))
    assert len(table.examples) == 59
    # Half a character at the end of a file that was cut off there.
    (tmp_path / name).write_bytes(b"\n".join(content[:31] + content[32:])[:-1])
    assert len(read_examples(tmp_path / name, ReadOptions(on_bad_row="skip")).skipped) == 1


def test_an_unknown_way_with_bad_rows_is_refused():
    with pytest.raises(SettingsError, match="--on-bad-row is 'ignore'; accepted are error, skip"):
        ReadOptions(on_bad_row="ignore")


ONE = [("体育|健康", "门将受伤"), ("国际|娱乐", "电影节开幕")]
MANY = [*(("体育", "文"), ("健康", "文"), ("国际", "文"), ("娱乐", "文")), ("体育|国际", "文")]
JOINED = [("体育", "健康"), ("国际", "娱乐")]


def test_one_separator_is_settled_over_all_files(tmp_path):
    # Alone a file of two rows says nothing of what separates its labels.
    paths = [csv_file(tmp_path / "a.csv", MANY), csv_file(tmp_path / "b.csv", ONE)]
    assert [row.labels for row in read_examples(paths[1]).examples] == [("体育|健康",), ("国际|娱乐",)]
    assert [row.labels for row in read_examples(paths).examples[-2:]] == JOINED
    parts = read_parts({"train": paths[0], "test": paths[1]})
    assert [row.labels for row in parts["test"].examples] == JOINED
    assert "labels split on '|'" in parts["test"].notes[0]
    named = read_parts({"train": paths[0], "test": paths[1]}, ReadOptions(label_separator="none"))
    assert [row.labels for row in named["test"].examples] == [("体育|健康",), ("国际|娱乐",)]


def test_flag_columns_of_another_file_have_no_say(tmp_path):
    flags = csv_file(tmp_path / "a.csv", [("文", 1, 0), ("书", 0, 1)], header=("text", "体育|健康", "b"))
    parts = read_parts({"flags": flags, "cells": csv_file(tmp_path / "b.csv", MANY)})
    assert parts["flags"].examples[0].labels == ("体育|健康",)
    assert "split" not in parts["flags"].notes[0]
    assert parts["cells"].examples[-1].labels == ("体育", "国际")


def test_the_labels_of_a_classifier_tell_the_separator(tmp_path):
    path = csv_file(tmp_path / "a.csv", ONE)
    labels = ("体育", "健康", "国际", "娱乐")
    assert [row.labels for row in read_examples(path, known=labels).examples] == JOINED
    # A whole cell that is a known label stays whole, also where its pieces occur elsewhere.
    path = csv_file(tmp_path / "b.csv", [("A,B", "文"), ("A", "文"), ("B", "文"), ("A,B", "文")])
    assert read_examples(path).examples[0].labels == ("A", "B")
    assert read_examples(path, known=("A,B", "A", "B")).examples[0].labels == ("A,B",)
    assert read_examples(path, ReadOptions(label_separator=","), known=("A", "B")).examples[0].labels == ("A", "B")


def test_a_label_that_a_classifier_does_not_know_makes_a_bad_row(tmp_path):
    path = csv_file(tmp_path / "a.csv", [("体育", "文"), ("体育|财金", "书"), ("", "画")])
    with pytest.raises(DataError, match=r"a\.csv, line 3, column '标签': the label '财金' is not .* one is '财经'"):
        read_examples(path, known=("体育", "财经"))
    table = read_examples(path, ReadOptions(on_bad_row="skip"), known=("体育", "财经"))
    assert [row.labels for row in table.examples] == [("体育",), ()]
    assert [(bad.line, bad.column, bad.value) for bad in table.skipped] == [(3, "标签", "体育|财金")]
    flags = csv_file(tmp_path / "b.csv", [("文", 1, 0, 0), ("书", 0, 1, 0)], header=("text", "体育", "财金", "财经"))
    named = ReadOptions(label_column=("体育", "财金", "财经"), on_bad_row="skip")
    table = read_examples(flags, named, known=("体育", "财经"))
    assert [(bad.line, bad.column, bad.value) for bad in table.skipped] == [(3, "财金", "1")]


def test_a_label_without_its_column_of_0_and_1_is_not_taken_for_false(tmp_path):
    two = csv_file(tmp_path / "a.csv", [("文", 1, 0), ("书", 0, 1)], header=("text", "体育", "财经"))
    three = csv_file(tmp_path / "b.csv", [("文", 1, 0, 0), ("书", 0, 1, 1)], header=("text", "体育", "财经", "健康"))
    with pytest.raises(
        DataError, match=r"a\.csv has its labels in columns of 0 and 1, and none for '健康'$"
    ) as refused:
        read_examples(two, known=("体育", "财经", "健康"))
    assert "add the column" in refused.value.hint
    with pytest.raises(DataError, match=r"a\.csv .* none for '健康'$"):
        read_parts({"train": three, "dev": two})
    with pytest.raises(DataError, match="none for '0', '1', '2', '3', '4' and 2 others"):
        read_examples(two, known=(*map(str, range(7)), "体育", "财经"))
    # The other way round there is no such label, and the column may be anything.
    table = read_examples(three, known=("体育", "财经"))
    assert [row.labels for row in table.examples] == [("体育",), ("财经",)]
    assert "; not read, since the classifier has no such labels: '健康'" in table.notes[0]
    assert "not read" not in read_examples(three, known=("体育", "财经", "健康")).notes[0]


def test_a_text_with_the_sign_of_pairs_is_a_bad_row_but_where_fenlei_wrote_it(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n标题\x1e正文,甲\n文,乙\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 2, column 'text': the text holds U\+001E, which stands between"):
        read_examples(tmp_path / "a.csv")
    write_examples(tmp_path / "b.csv", [Example("1", pair_texts("标题", "正文"), ("甲",))])
    assert read_examples(tmp_path / "b.csv").examples[0].text == pair_texts("标题", "正文")
    joined = read_examples(tmp_path / "b.csv", ReadOptions(text_column=["id", "labels"], label_column="text"))
    assert joined.examples[0].text == '1\n["甲"]'


def test_the_nearest_label_is_looked_for_once_and_for_few(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(labels_module, "nearest_told", lambda name, names: asked.append(name) or "")
    rows = "".join(f"文{number},天文{number % 9}\n" for number in range(90))
    (tmp_path / "a.csv").write_text(f"text,label\n文,甲\n{rows}", encoding="utf-8")
    table = read_examples(tmp_path / "a.csv", ReadOptions(on_bad_row="skip"), known=["甲", "乙"])
    assert len(table.skipped) == 90
    assert all("is not among the 2 labels" in row.reason for row in table.skipped)
    assert asked == [f"天文{number}" for number in range(5)]


def test_merged_cells_right_of_columns_that_only_have_a_format(tmp_path):
    """Calamine counts columns from the first that holds anything, whatever the sheet says of its size."""
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet, grey = book.add_worksheet(), book.add_format({"bg_color": "#eeeeee"})
        for row in range(6):
            sheet.write_blank(row, 0, None, grey)
        for row, cells in enumerate(
            [("部门", "内容", "类别"), ("一部", "甲一", "体育"), ("", "甲二", "财经"), ("", "", "")]
        ):
            sheet.write_row(row, 1, cells)
        sheet.write_row(4, 1, ["二部", "乙", "科技"])
        sheet.merge_range("B2:B3", "一部")
        sheet.write_formula("D6", "=1/0", None, "#DIV/0!")
        sheet.write("C6", "丙")
    table = read_examples(tmp_path / "a.xlsx", ReadOptions(on_bad_row="skip"))
    assert [(row.text, row.labels) for row in table.examples] == [
        ("甲一", ("体育",)),
        ("甲二", ("财经",)),
        ("乙", ("科技",)),
    ]
    assert [(row.line, row.value) for row in table.skipped if row.value] == [(6, "#DIV/0!")]


def test_a_label_merged_over_rows_and_columns_counts_for_the_rows(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate(
            [("文本", "标签", "备注"), ("甲", "体育", ""), ("乙", "", ""), ("丙", "财经", "x")]
        ):
            sheet.write_row(row, 0, cells)
        sheet.merge_range("B2:C3", "体育")
    assert [row.labels for row in read_examples(tmp_path / "a.xlsx").examples] == [("体育",), ("体育",), ("财经",)]


def test_a_group_may_be_called_0_and_one_that_is_missing_is_none(tmp_path):
    lines = [
        json.dumps({"text": f"文{n}", "label": "甲", "doc": doc}) for n, doc in enumerate([0, 0, 1, None, math.nan])
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    examples = read_examples(tmp_path / "a.jsonl", ReadOptions(group_column="doc")).examples
    assert [row.group for row in examples] == ["0", "0", "1", None, None]


def test_records_without_a_name_are_called_by_their_line(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"id": 0, "text": "文", "label": "甲"}\n{"text": "字", "label": "乙"}\n', "utf-8"
    )
    assert [row.id for row in read_examples(tmp_path / "a.jsonl").examples] == ["0", "2"]


def test_rows_whose_labels_have_another_name_are_bad(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "文", "labels": ["甲"]}\n{"text": "字", "label": ["乙"]}\n', "utf-8")
    with pytest.raises(DataError, match="line 2, column 'label': it has no 'labels', but another that looks like the"):
        read_examples(tmp_path / "a.jsonl")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_that_comes_again_is_a_bad_row(tmp_path, mark):
    (tmp_path / "a.csv").write_text(f"text,label\n文,甲\n{mark}text,label\n字,乙\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 3: it is the header again"):
        read_examples(tmp_path / "a.csv")


@pytest.mark.parametrize("cell", ["('体育', '财经')", "('体育',)", "{'体育'}", '("体育",)'])
def test_what_python_prints_of_tuples_and_sets_is_no_label(tmp_path, cell):
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), ("文", cell), ("字", "甲")])
    with pytest.raises(DataError, match="labels are neither a string nor a list of strings"):
        read_examples(tmp_path / "a.csv")


def test_half_a_surrogate_pair_is_no_label(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "文", "label": "\\ud83d"}\n{"text": "字", "label": "乙"}\n', "utf-8")
    with pytest.raises(DataError, match="a label holds half a surrogate pair"):
        read_examples(tmp_path / "a.jsonl")


@pytest.mark.parametrize("columns", [{"text_column": ["a", "a"]}, {"label_column": ["甲", "乙", "甲"]}])
def test_a_column_is_named_once(columns):
    with pytest.raises(SettingsError, match="names '[a甲]' twice"):
        ReadOptions(**columns)


def test_one_json_object_is_no_table(tmp_path):
    (tmp_path / "a.json").write_text('[["文", "甲"], 3]', encoding="utf-8")
    with pytest.raises(
        DataError, match=r"a\.json, line 1: not a JSON object, and no other row has any field"
    ) as refused:
        read_examples(tmp_path / "a.json")
    assert "an array of objects" in refused.value.hint


@pytest.mark.parametrize(
    "cell", [[0, 1, 0], [1, 1], [0.0, 1.0, 0.0], [True, False, True], "[0, 1, 0]", "[0 1 0]", "tensor([0, 1])"]
)
def test_a_row_of_a_table_of_0_and_1_names_no_labels(tmp_path, cell):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "文", "labels": cell}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="0 and 1 do not say which labels they are of; give the names, or a column"):
        read_examples(tmp_path / "a.jsonl")


@pytest.mark.parametrize("cell", [[0, 1], [1], "[1]", "[2024]", [2, 1, 0], "[重要] 1 2"])
def test_numbers_may_be_labels(tmp_path, cell):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "文", "labels": cell}) + "\n", encoding="utf-8")
    [example] = read_examples(tmp_path / "a.jsonl").examples
    assert (
        example.labels == (tuple(map(str, cell)) if isinstance(cell, list) else (cell.strip("[]"),)) or cell[1] == "重"
    )


def test_line_breaks_in_a_cell_of_excel_separate_labels(tmp_path):
    rows = [["文一", "健康\n社会"], ["文二", "健康"], ["文三", "社会"], ["文四", "社会\r\n健康"]]
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet()
        for number, cells in enumerate([["text", "labels"], *rows]):
            sheet.write_row(number, 0, cells)
    found = read_examples(tmp_path / "a.xlsx").examples
    assert [set(row.labels) for row in found] == [{"健康", "社会"}, {"健康"}, {"社会"}, {"健康", "社会"}]


def test_two_signs_between_levels_of_a_label_separate_nothing(tmp_path):
    """PaddleNLP's labels with levels, and doccano's joined by one sign."""
    (tmp_path / "a.txt").write_text("文一\t软##旅游,硬##科技\n文二\t硬##科技\n文三\t软##旅游\n", encoding="utf-8")
    found = read_examples(tmp_path / "a.txt").examples
    assert [row.labels for row in found] == [("软##旅游", "硬##科技"), ("硬##科技",), ("软##旅游",)]
    (tmp_path / "b.csv").write_text(
        "text,label\n文一,软##旅游#硬##科技\n文二,硬##科技\n文三,软##旅游\n", encoding="utf-8"
    )
    assert read_examples(tmp_path / "b.csv").examples[0].labels == ("软##旅游", "硬##科技")

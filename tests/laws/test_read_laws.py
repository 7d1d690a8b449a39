"""What is written is read back exactly; what is damaged is refused or listed, never anything else."""

import csv
import json

import polars as pl
import pytest
import xlsxwriter
from hypothesis import example as always_try
from hypothesis import given, settings
from hypothesis import strategies as st

from fenlei.errors import DataError
from fenlei.text.cells import EXCEL_ERRORS, NO_LABEL, LabelCells, label_cell
from fenlei.text.columns import Columns
from fenlei.text.example import Example
from fenlei.text.read import read_examples
from fenlei.text.reader import ReadOptions
from fenlei.text.write import write_examples

characters = st.characters(exclude_categories=["Cs", "Cc"])
# Readers trim white space; everything else must survive in a list.
odd_words = st.sampled_from(sorted(NO_LABEL | EXCEL_ERRORS))
words = (st.text(characters, min_size=1, max_size=20) | odd_words).map(str.strip).filter(bool)
texts = (
    st.text(characters | st.sampled_from('\r\n,"|\t；'), min_size=1, max_size=60)
    .map(str.strip)
    .filter(lambda text: text and text not in EXCEL_ERRORS)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, st.lists(words, max_size=3, unique=True), st.none() | words), min_size=1, max_size=8))
def test_written_examples_are_read_back(tmp_path_factory, rows):
    grouped = any(group for *_, group in rows)
    examples = tuple(
        Example(f"row {number}", text, tuple(labels), group if grouped else None)
        for number, (text, labels, group) in enumerate(rows)
    )
    path = tmp_path_factory.mktemp("laws") / "例.csv"
    write_examples(path, examples)
    read = read_examples(path, ReadOptions(group_column="group" if grouped else None)).examples
    assert read == examples


CONTENT = 'id,text,label\n1,央行下调利率,财经|社会\n2,“球队”夺冠,体育\n3,"引号,逗号",社会\n'


@settings(max_examples=150, deadline=None)
@always_try(encoding="utf-8", cut=0, flips=[(0, 13)])  # old Mac line end in the header
@given(
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
)
def test_damaged_files_are_refused_or_listed(tmp_path_factory, encoding, cut, flips):
    content = bytearray(CONTENT.encode(encoding))
    for place, value in flips:
        content[place % len(content)] = value
    path = tmp_path_factory.mktemp("damage") / "a.csv"
    path.write_bytes(content[: len(content) - cut] if cut < len(content) else content)
    try:
        table = read_examples(path, ReadOptions(on_bad_row="skip"))
    except DataError:
        return
    assert all(row.text for row in table.examples)


@given(st.lists(st.lists(words, min_size=1, max_size=3, unique=True), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_named_separator_splits_as_csv_writers_joined(tmp_path_factory, label_lists):
    label_lists = [[label.replace("|", "") or "甲" for label in labels] for labels in label_lists]
    label_lists = [labels for labels in label_lists if not labels[0].startswith(("[", '{"'))]
    label_lists = [labels for labels in label_lists if "|".join(labels) not in EXCEL_ERRORS]
    path = tmp_path_factory.mktemp("sep") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["text", "label"], ["文", "甲"], *(["文", "|".join(labels)] for labels in label_lists)]
        )
    examples = read_examples(path, ReadOptions(encoding="utf-8", label_separator="|")).examples[1:]
    for example, labels in zip(examples, label_lists, strict=True):
        kept = [label.strip() for label in labels if label.strip().lower() not in NO_LABEL]
        assert example.labels == tuple(dict.fromkeys(kept))


@given(
    st.lists(words | st.sampled_from(["a|b", "a｜b", '["a"]', '{"x', "a", "None"]), max_size=3, unique=True).map(tuple)
)
def test_a_cell_of_labels_is_taken_apart_again(labels):
    cells = LabelCells(Columns(("text",), ("labels",), None, None), ("|",), NO_LABEL)
    assert cells.labels_of({"labels": label_cell(labels)}) == labels


def write_jsonl(path, rows):
    lines = (json.dumps({"text": text, "labels": labels}) for text, labels in rows)
    path.write_text("\n".join(lines), encoding="utf-8")


def write_parquet(path, rows):
    columns = {"text": [text for text, _ in rows], "labels": [labels for _, labels in rows]}
    pl.DataFrame(columns, schema={"text": pl.String, "labels": pl.List(pl.String)}).write_parquet(path)


def write_xlsx(path, rows):
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet()
        for number, cells in enumerate([("text", "labels"), *((text, json.dumps(labels)) for text, labels in rows)]):
            for column, cell in enumerate(cells):
                sheet.write_string(number, column, cell)


def write_label_studio(path, rows):
    results = [[{"type": "choices", "value": {"choices": labels}}] for _, labels in rows]
    tasks = [
        {"id": number, "data": {"text": text}, "annotations": [{"result": result}]}
        for number, ((text, _), result) in enumerate(zip(rows, results, strict=True))
    ]
    path.write_text(json.dumps(tasks), encoding="utf-8")


FORMATS = {
    "a.jsonl": write_jsonl,
    "a.parquet": write_parquet,
    "a.xlsx": write_xlsx,
    "a.json": write_label_studio,
}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(texts, st.lists(words, max_size=3, unique=True)), min_size=1, max_size=6))
def test_every_format_gives_back_what_its_library_wrote(tmp_path_factory, name, rows):
    # XML knows neither U+FFFE nor U+FFFF, and xlsx writes _x000D_ for control characters.
    rows = [(text, labels) for text, labels in rows if not set("\ufffe\uffff") & set(text + "".join(labels))]
    rows = [(text, labels) for text, labels in rows if "_x" not in text + "".join(labels)] or [("文", ["甲"])]
    path = tmp_path_factory.mktemp("formats") / name
    FORMATS[name](path, rows)
    read = [(row.text, sorted(row.labels)) for row in read_examples(path).examples]
    assert read == [(text, sorted(labels)) for text, labels in rows]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40, deadline=None)
@given(
    cut=st.integers(0, 3000),
    flips=st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), max_size=3),
)
def test_damaged_files_of_every_format_are_refused_or_listed(tmp_path_factory, name, cut, flips):
    path = tmp_path_factory.mktemp("damaged") / name
    FORMATS[name](path, [("央行下调利率", ["财经", "社会"]), ("球队夺冠", ["体育"]), ("今天有雾", [])])
    content = bytearray(path.read_bytes())
    for place, value in flips:
        content[place % len(content)] = value
    path.write_bytes(content[: len(content) - cut] if 0 < cut < len(content) else content)
    try:
        table = read_examples(path, ReadOptions(on_bad_row="skip"))
    except DataError:
        return
    assert all(row.text for row in table.examples)

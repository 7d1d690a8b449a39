"""Labelling a file of any length: killed at any moment and started again, the result has the same bytes."""

import csv
import json
import os
import shutil
from datetime import date, datetime
from pathlib import Path

import fastexcel
import numpy as np
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from fenlei import DataError, FenleiError, ReadOptions, SettingsError
from fenlei.predict import files as module
from fenlei.predict.classifier import Classifier
from fenlei.predict.files import predict_file
from fenlei.predict.prediction import Prediction
from fenlei.predict.results import RowFormat, check_rows, settle_format
from fenlei.text.cells import label_cell
from fenlei.text.unlabelled import TextSource


class Killed(BaseException):
    """What `kill -9` is to a process."""


class Stub(Classifier):
    """Scores that depend on the text alone, so that nothing has to be trained here."""

    task = "multilabel"
    labels = ("甲", "乙")

    def __init__(self, kill_after=None):
        self.left = kill_after

    content = "stub"

    def fingerprint(self):
        return {"content": self.content}

    def scores(self, texts, *, advance=lambda texts: None):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed
        advance(len(texts))
        return np.array([[len(text) % 7 / 7, len(text) % 5 / 5] for text in texts])

    reads_windows = False

    def predict(self, texts, *, top_k=None, advance=lambda texts: None):
        return self.decide(self.scores(texts, advance=advance), top_k=top_k)

    @property
    def decision(self):
        from fenlei.judge.decision import Decision

        return Decision.default("multilabel")


ROWS = [(str(number), f"第{number}行，“{'字' * (number % 11)}”\n换行\r回车", number % 3) for number in range(57)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 10)


def source(folder, rows=ROWS, options=None):
    path = folder / "文本.csv"
    if not path.exists():
        with path.open("w", encoding="gb18030", newline="") as file:
            csv.writer(file).writerows([("编号", "文本", "n"), *rows])
    return TextSource(path, options or ReadOptions())


def run(folder, name="out.csv", kill_after=None, result_format="csv", top_k=2):
    return predict_file(Stub(kill_after), source(folder), folder / name, result_format=result_format, top_k=top_k)


@settings(max_examples=20, deadline=None)
@given(kills=st.lists(st.integers(0, 6), max_size=4), torn=st.binary(max_size=30))
def test_killed_and_started_again_gives_the_same_bytes(tmp_path_factory, kills, torn):
    folder = tmp_path_factory.mktemp("kills")
    run(folder, "whole.csv")
    for kill_after in kills:
        try:
            run(folder, kill_after=kill_after)
        except Killed:
            # The process died while it wrote the next block.
            with (folder / "out.csv.part").open("ab") as part:
                part.write(torn)
    run(folder)
    assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["out.csv", "whole.csv", "文本.csv"]


def changed_file(folder, way):
    with (folder / "文本.csv").open("a", encoding="gb18030") as file:
        file.write("57,又一行,0\n")


ANOTHER_JOB = {
    "top_k": lambda folder, way: way.update(top_k=1),
    "format": lambda folder, way: way.update(result_format="jsonl"),
    "bundle": lambda folder, way: way["classifier"].__dict__.update(content="another"),
    "block": lambda folder, way: setattr(module, "_BLOCK", 15),
    "file": changed_file,
    "name": lambda folder, way: way.update(
        texts=TextSource(Path(shutil.copy2(folder / "文本.csv", folder / "b.csv")), ReadOptions())
    ),
    "encoding": lambda folder, way: way.update(texts=source(folder, options=ReadOptions(encoding="gbk"))),
    "text": lambda folder, way: way.update(texts=source(folder, options=ReadOptions(text_column="编号"))),
    "bad rows": lambda folder, way: way.update(texts=source(folder, options=ReadOptions(on_bad_row="skip"))),
    "pair": lambda folder, way: way.update(
        texts=source(folder, options=ReadOptions(text_column=["编号", "文本"], pair=True))
    ),
}


@pytest.mark.parametrize("change", ANOTHER_JOB)
def test_another_job_begins_anew(tmp_path, change):
    way = {"classifier": Stub(3), "texts": source(tmp_path), "result_format": "csv", "top_k": 2}
    if change == "pair":
        way["texts"] = source(tmp_path, options=ReadOptions(text_column=["编号", "文本"]))
    with pytest.raises(Killed):
        predict_file(out=tmp_path / "out.csv", **way)
    way |= {"classifier": Stub(), "texts": way["texts"]}
    ANOTHER_JOB[change](tmp_path, way)
    if change == "file":
        way["texts"] = source(tmp_path)
    assert predict_file(out=tmp_path / "out.csv", **way) == 0


def test_rows_done_before_are_not_done_again(tmp_path):
    way = {"texts": source(tmp_path), "out": tmp_path / "out.csv", "result_format": "csv", "top_k": 2}
    with pytest.raises(Killed):
        predict_file(Stub(3), **way)
    assert predict_file(Stub(), **way) == 30


def test_half_a_row_behind_what_is_known_to_be_written_is_taken_away(tmp_path):
    run(tmp_path, "whole.csv")
    with pytest.raises(Killed):
        run(tmp_path, kill_after=3)
    with (tmp_path / "out.csv.part").open("ab") as file:
        file.write("31,半".encode() * 5000)  # longer than all that is to come
    assert run(tmp_path, kill_after=None) == 30
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_rows_of_two_jobs_never_mix(tmp_path, monkeypatch):
    """Of a job that begins anew the first rows are written, and it is killed before it says so."""
    with pytest.raises(Killed):
        run(tmp_path, kill_after=3)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module._Part, "_save_state", lambda part: (_ for _ in ()).throw(Killed))
        for _ in range(3):
            run(tmp_path, top_k=1)
    (tmp_path / "out.csv.part").write_bytes((tmp_path / "out.csv.part").read_bytes() * 9)
    assert run(tmp_path) == 0


def test_a_state_that_cannot_be_trusted_begins_anew(tmp_path):
    with pytest.raises(Killed):
        run(tmp_path, kill_after=3)
    (tmp_path / "out.csv.part").write_bytes(b"short")
    assert run(tmp_path) == 0
    (tmp_path / "again.csv.part.json").write_text("{")
    assert run(tmp_path, "again.csv") == 0


def test_what_cannot_be_replaced_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(SettingsError, match=r"out\.csv, which is a folder; a result is a file"):
        run(tmp_path, kill_after=0)
    (tmp_path / "open.csv").write_text("open in Excel")
    opened = Path.open

    def refusing(self, mode="r", *more, **named):
        if self.name == "open.csv" and "+" in mode:
            raise PermissionError(13, "Permission denied")
        return opened(self, mode, *more, **named)

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(SettingsError, match=r"open\.csv cannot be replaced: Permission denied") as caught:
        run(tmp_path, "open.csv", kill_after=0)
    assert "close it in other programs" in caught.value.hint


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_a_result_that_cannot_take_its_name_is_kept(tmp_path, monkeypatch, name):
    def refusing(*paths):
        if str(paths[-1]).endswith(name):
            raise PermissionError(13, "Permission denied")
        renamed(*paths)

    renamed, result_format = os.replace, name.partition(".")[2]
    run(tmp_path, "whole", result_format=result_format)
    monkeypatch.setattr(os, "replace", refusing)
    monkeypatch.setattr(Path, "replace", refusing)
    with pytest.raises(
        FenleiError, match=f"all rows are labelled, but .*{name} cannot be written: Permission"
    ) as caught:
        run(tmp_path, name, result_format=result_format)
    assert f"{name}.part" in caught.value.hint
    monkeypatch.undo()
    monkeypatch.setattr(module, "_BLOCK", 10)
    assert run(tmp_path, name, kill_after=0, result_format=result_format) == len(ROWS)
    assert (tmp_path / name).read_bytes() == (tmp_path / "whole").read_bytes()
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.parametrize("result_format", ["csv", "jsonl", "parquet", "xlsx"])
def test_every_format_holds_the_same_answers(tmp_path, result_format):
    out = tmp_path / f"out.{result_format}"
    run(tmp_path, out.name, result_format=result_format)
    expected = Stub().decide(Stub().scores([text for _, text, _ in ROWS]), top_k=2)
    predicted = ["|".join(prediction.labels) for prediction in expected]
    if result_format == "csv":
        with out.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    elif result_format == "jsonl":
        rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        predicted = [list(prediction.labels) for prediction in expected]
        assert rows[3]["scores"] == {label: round(score, 6) for label, score in expected[3].scores}
    elif result_format == "parquet":
        rows = pl.read_parquet(out).to_dicts()
    else:
        frame = fastexcel.read_excel(out).load_sheet(0, dtypes="string").to_polars()
        rows = [{key: value or "" for key, value in row.items()} for row in frame.to_dicts()]
    assert [row["文本"] for row in rows] == [text for _, text, _ in ROWS]
    assert [row["编号"] for row in rows] == [number for number, _, _ in ROWS]
    assert [row["predicted"] for row in rows] == predicted


def test_columns_of_parquet_stay_what_they_are(tmp_path, monkeypatch):
    given = pl.DataFrame(
        {
            "text": ["甲文", None, "", "丁文"],
            "number": [1, None, 3, 4],
            "share": [0.5, None, 2.0, 1e-9],
            "day": [date(2026, 1, 2), None, None, date(2026, 1, 3)],
            "tags": [["a"], [], None, ["b", "c"]],
        }
    )
    given.write_parquet(tmp_path / "in.parquet")
    monkeypatch.setattr(module, "_BLOCK", 2)
    texts = TextSource(tmp_path / "in.parquet", ReadOptions(on_bad_row="skip"))
    predict_file(Stub(), texts, tmp_path / "out.parquet", result_format="parquet")
    found = pl.read_parquet(tmp_path / "out.parquet")
    kept = given[[0, 2, 3]]
    assert found.drop("predicted").equals(kept)
    assert found.drop("predicted").schema == kept.schema
    expected = [label_cell(one.labels) for one in Stub().decide(Stub().scores(kept["text"].to_list()), top_k=0)]
    assert found["predicted"].to_list() == expected


def test_a_workbook_stays_what_it_is_with_answers_beside_it(tmp_path, monkeypatch):
    with xlsxwriter.Workbook(tmp_path / "in.xlsx") as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate(
            [["text", "day", "number"], ["甲文", "", 1], ["#N/A", "", 2], ["", "", 3], ["丁文", "", 4]]
        ):
            sheet.write_row(row, 0, cells)
        for row in range(1, 5):
            sheet.write_datetime(row, 1, datetime(2026, 1, row), book.add_format({"num_format": "d.m.yy"}))
    monkeypatch.setattr(module, "_BLOCK", 2)
    out = tmp_path / "out.xlsx"

    def label(kill_after=None):
        texts = TextSource(tmp_path / "in.xlsx", ReadOptions(on_bad_row="skip"))
        return predict_file(Stub(kill_after), texts, out, result_format="xlsx", top_k=2)

    with pytest.raises(Killed):
        label(kill_after=1)
    assert label() == 2
    found = fastexcel.read_excel(out).load_sheet(0).to_polars()
    assert found["number"].to_list() == [1, 2, 3, 4]
    assert found["day"].dtype == pl.Datetime("ms")
    expected = [label_cell(one.labels) or None for one in Stub().decide(Stub().scores(["甲文", "", "丁文"]), top_k=0)]
    assert found["predicted"].to_list() == [expected[0], None, *expected[1:]]
    whole = out.read_bytes()
    out.unlink()
    label()
    assert out.read_bytes() == whole


def test_a_workbook_that_cannot_be_widened_gives_a_new_one(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "in.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["text", "number"])
        sheet.write_row(1, 0, ["甲文", 1])
        sheet.write_formula(1, 2, "=B2", None, "")  # no value, so that nobody reads the column that it stands in
    texts = TextSource(tmp_path / "in.xlsx", ReadOptions())
    predict_file(Stub(), texts, tmp_path / "out.xlsx", result_format="xlsx")
    found = fastexcel.read_excel(tmp_path / "out.xlsx").load_sheet(0).to_polars()
    assert found.columns == ["text", "number", "predicted"]
    assert found["number"].to_list() == ["1"]


def test_on_lines_a_label_is_one_field(tmp_path):
    prediction = Prediction(labels=("财\n经", "体\t育"), scores=(), needs_person=False)
    assert RowFormat("lines", (), with_scores=False).row({}, "一\r\n二", prediction) == "财 经|体 育\t一  二\n"


def test_a_text_that_looks_like_a_formula_stays_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("=1+1\n", encoding="utf-8")
    predict_file(Stub(), TextSource(path, ReadOptions()), tmp_path / "out.xlsx", result_format="xlsx")
    frame = fastexcel.read_excel(tmp_path / "out.xlsx").load_sheet(0, dtypes="string").to_polars()
    assert frame["text"].to_list() == ["=1+1"]


def test_the_limits_of_xlsx_are_named(tmp_path):
    with pytest.raises(DataError, match=r"1,048,576 rows are more than an xlsx sheet holds \(1,048,575\)"):
        check_rows("xlsx", 1_048_576)
    check_rows("csv", 10_000_000)
    with pytest.raises(DataError, match="a cell has 32,768 characters and xlsx holds at most 32,767"):
        RowFormat("xlsx", (), with_scores=False).row({"text": "字" * 32_768}, "字", Stub().predict(["字"])[0])
    many = Prediction(("甲",), tuple((f"标签{number}", 0.5) for number in range(3_000)))
    with pytest.raises(DataError, match=r"characters and xlsx holds at most 32,767") as refused:
        RowFormat("xlsx", (), with_scores=True).row({"text": "字"}, "字", many)
    assert "--top-k" in refused.value.hint


def test_a_label_that_holds_the_separator_can_be_read_back():
    rows = RowFormat("csv", ("text",), with_scores=False)
    assert rows.row({"text": "字"}, "字", Prediction(("a|b", "c"), ())) == '字,"[""a|b"", ""c""]"\n'
    assert rows.row({"text": "字"}, "字", Prediction(("a", "c"), ())) == "字,a|c\n"


def test_no_column_of_any_record_is_lost(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "甲文"}\n{"text": "乙文", "note": "批"}\n', encoding="utf-8")
    predict_file(Stub(), TextSource(path, ReadOptions()), tmp_path / "out.csv", result_format="csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["note"] for row in csv.DictReader(file)] == ["", "批"]
    path.write_text('{"text": "甲文"}\n{"text": "乙文", "predicted": "旧"}\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="the input already has the column 'predicted'"):
        predict_file(Stub(), TextSource(path, ReadOptions()), tmp_path / "out.jsonl", result_format="jsonl")


def test_what_cannot_be_streamed(tmp_path):
    with pytest.raises(ValueError, match="xlsx cannot be streamed"):
        module.predict_to_stream(Stub(), source(tmp_path), None, result_format="xlsx")


def test_the_format_is_settled_by_name_file_or_input(tmp_path):
    assert settle_format(None, tmp_path / "a.XLSX", "csv") == "xlsx"
    assert settle_format("jsonl", tmp_path / "a.out", "csv") == "jsonl"
    assert settle_format(None, None, "lines") == "lines"
    assert settle_format(None, None, "tsv") == "csv"
    with pytest.raises(SettingsError, match="the format of .* is not known from its name"):
        settle_format(None, tmp_path / "a.out", "csv")


def test_half_a_surrogate_pair_in_another_column_stops_nothing(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "央行降息", "note": "\\ud83d"}\n', encoding="utf-8")
    for name in ("out.jsonl", "out.csv"):
        predict_file(
            Stub(), TextSource(tmp_path / "a.jsonl", ReadOptions()), tmp_path / name, result_format=name.split(".")[1]
        )
    assert json.loads((tmp_path / "out.jsonl").read_text("utf-8"))["note"] == "\ud83d"
    assert "\\ud83d" in (tmp_path / "out.csv").read_text("utf-8-sig")


def test_a_full_disk_keeps_the_rows_of_a_workbook(tmp_path, monkeypatch):
    close = xlsxwriter.Workbook.close

    def full(book):
        close(book)
        raise xlsxwriter.exceptions.FileCreateError("No space left on device")

    monkeypatch.setattr(xlsxwriter.Workbook, "close", full)
    with pytest.raises(FenleiError, match=r"all rows are labelled, but .*out\.xlsx cannot be written: No space left"):
        run(tmp_path, "out.xlsx", result_format="xlsx")
    monkeypatch.undo()
    monkeypatch.setattr(module, "_BLOCK", 10)
    assert run(tmp_path, "out.xlsx", result_format="xlsx") == len(ROWS)


@pytest.mark.parametrize("scores", [np.full((1, 3), 0.5), [0.5, 0.5], [[0.5, np.nan]], [[0.5, 1.01]], [[-4.0, 0.5]]])
def test_scores_of_other_labels_or_beyond_0_and_1_are_refused(scores):
    with pytest.raises(DataError, match="a row has 2 numbers from 0 to 1, one a label"):
        Stub().decide(scores)
    with pytest.raises(SettingsError, match="top_k is -1; it must be 0 or more"):
        Stub().decide(np.full((1, 2), 0.5), top_k=-1)

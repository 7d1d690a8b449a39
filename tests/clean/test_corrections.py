"""What people answer comes back into the data: from the sheet, Label Studio and doccano, and never into another row."""

import csv
import json
from dataclasses import replace

import pytest
import xlsxwriter

from fenlei.clean.corrections import apply_corrections
from fenlei.clean.evidence import evidence_of_folds
from fenlei.clean.suspect_files import write_suspects
from fenlei.clean.suspects import find_suspects
from fenlei.errors import DataError
from fenlei.text.example import Example, pair_texts

ROWS = [
    Example("001", "央行下调利率，\n股票大涨", ("财经",)),
    Example("1-2", "球队赢得冠军", ("财经",)),
    Example("c", "医院引进新药", ("健康", "财经")),
    Example("d", "今天没有消息", (), group="g"),
]


def by_id(corrected):
    return {row.id: row.labels for row in corrected.examples}


def write_csv(path, rows, columns=("rank", "id", "text", "corrected"), encoding="utf-8-sig"):
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerows([columns, *rows])
    return path


@pytest.fixture
def suspects(tmp_path):
    """All rows as a list: the texts stand twice with other labels."""
    rows = [*ROWS, *(Example(f"{row.id}x", row.text, ("体育",)) for row in ROWS)]
    findings = find_suspects(rows, evidence_of_folds(rows, "multilabel", folds=2, seed=0))
    assert len(findings.suspects) == len(rows)
    write_suspects(tmp_path / "list", findings, "multilabel")
    return tmp_path / "list", rows


ANSWERS = {"001": ["财经", "健康"], "1-2": ["体育"], "c": ["财经", "健康"], "d": []}
"""Another label, an exchange, the same in another order, and none as before."""


def check(corrected, still_open):
    assert by_id(corrected) | {f"{id}x": ("体育",) for id in ANSWERS} == by_id(corrected)
    assert {id: by_id(corrected)[id] for id in ANSWERS} == {
        "001": ("财经", "健康"),
        "1-2": ("体育",),
        "c": ("健康", "财经"),
        "d": (),
    }
    assert [(change.row, change.before, change.after) for change in corrected.changes] == [
        ("001", "财经", "财经|健康"),
        ("1-2", "财经", "体育"),
    ]
    assert (corrected.confirmed, corrected.open) == (2, still_open)
    assert [row.group for row in corrected.examples if row.group] == ["g"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_round_trip_of_the_sheet_as_csv(suspects, encoding):
    folder, rows = suspects
    with (folder / "suspects.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = list(csv.DictReader(file))
    for row in cells:
        if row["id"] in ANSWERS:
            row["corrected"] = "、".join(ANSWERS[row["id"]]) or "无"
        row["text"] = row["text"].replace("\n", "\r\n")  # as Excel saves it
    with (folder / "filled.csv").open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, cells[0])
        writer.writeheader()
        writer.writerows(cells)
    check(apply_corrections(rows, folder / "filled.csv", "multilabel"), still_open=4)


def test_round_trip_of_the_workbook(suspects):
    import fastexcel

    folder, rows = suspects
    cells = fastexcel.read_excel(folder / "suspects.xlsx").load_sheet(0, dtypes="string").to_polars().to_dicts()
    with xlsxwriter.Workbook(folder / "filled.xlsx") as book:
        sheet = book.add_worksheet()
        for column, name in enumerate(cells[0]):
            sheet.write_string(0, column, name)
            for number, row in enumerate(cells, 1):
                answered = name == "corrected" and row["id"] in ANSWERS
                value = ("|".join(ANSWERS[row["id"]]) or "none") if answered else row[name]
                sheet.write_string(number, column, value or "")
    check(apply_corrections(rows, folder / "filled.xlsx", "multilabel"), still_open=4)


def exported_by_label_studio(folder):
    """Tasks get numbers of its own; only those that somebody submitted have an annotation."""
    tasks = json.loads((folder / "label_studio.json").read_text("utf-8"))
    for number, task in enumerate(tasks, 5001):
        answer = ANSWERS.get(task["data"]["fenlei_id"])
        value = {"from_name": "labels", "to_name": "text", "type": "choices", "value": {"choices": answer}}
        annotation = {"id": number, "was_cancelled": False, "result": [value] if answer else []}
        task |= {"id": number, "annotations": [] if answer is None else [annotation]}
    return tasks


def test_round_trip_of_label_studio(suspects):
    folder, rows = suspects
    (folder / "export.json").write_text(json.dumps(exported_by_label_studio(folder)), "utf-8")
    check(apply_corrections(rows, folder / "export.json", "multilabel"), still_open=4)


def test_label_studio_without_some_answers_or_with_two_of_them(suspects):
    folder, rows = suspects
    tasks = exported_by_label_studio(folder)
    first = next(task for task in tasks if task["data"]["fenlei_id"] == "001")
    other = {"from_name": "labels", "to_name": "text", "type": "choices", "value": {"choices": ["体育"]}}
    first["annotations"].append({"id": 1, "result": [other]})
    (folder / "export.json").write_text(json.dumps(tasks), "utf-8")
    with pytest.raises(DataError, match=r"line \d: its annotators disagree \(体育 / 健康\|财经\)") as caught:
        apply_corrections(rows, folder / "export.json", "multilabel")
    assert caught.value.hint == "settle it there, and export or save again"


def test_label_studios_short_export(tmp_path):
    records = [
        {"id": 9, "fenlei_id": "001", "text": ROWS[0].text, "labels": {"choices": ["体育", "健康"]}},
        {"id": 10, "fenlei_id": "1-2", "text": ROWS[1].text, "labels": "健康"},
        {"id": 11, "fenlei_id": "c", "text": ROWS[2].text},
    ]
    (tmp_path / "min.json").write_text(json.dumps(records), "utf-8")
    corrected = apply_corrections(ROWS, tmp_path / "min.json", "multilabel", new_labels=True)
    assert by_id(corrected) == {"001": ("体育", "健康"), "1-2": ("健康",), "c": ("健康", "财经"), "d": ()}
    assert corrected.open == 1


@pytest.mark.parametrize("early", [False, True])
def test_round_trip_of_doccano(suspects, early):
    """It numbers the texts itself; extra fields come back beside them, in its early versions under `meta`."""
    folder, rows = suspects
    lines = []
    for number, line in enumerate((folder / "doccano.jsonl").read_text("utf-8").splitlines(), 1):
        record = json.loads(line)
        label = ANSWERS.get(record["fenlei_id"], record.pop("label"))
        text = record.pop("text")
        rest = {"meta": record} if early else record
        lines.append(json.dumps({"id": number, "text": text, "label": label, "Comments": [], **rest}))
    (folder / "all.jsonl").write_text("\n".join(lines), "utf-8")
    corrected = apply_corrections(rows, folder / "all.jsonl", "multilabel")
    assert corrected.confirmed == 6  # the four others are there, and as they were
    check(type(corrected)(corrected.examples, corrected.changes, 2, 0), still_open=0)


def refused(path, match, rows=ROWS, task="multilabel", **more):
    with pytest.raises(DataError, match=match) as caught:
        apply_corrections(rows, path, task, **more)
    return caught.value.hint


def test_an_answer_for_another_text_is_never_applied(tmp_path):
    path = write_csv(tmp_path / "filled.csv", [(1, "c", "医院引进新药", "财经"), (2, "001", "球队赢得冠军", "财经")])
    hint = refused(
        path,
        r"(?s)nothing was corrected, since 1 answers cannot be used:.*filled.csv, line 3: row 001 has another text "
        r"in the data: '央行下调利率，\\n股票大涨', and here '球队赢得冠军'",
    )
    assert "make a new list with `fenlei clean`" in hint


def test_an_answer_for_an_unknown_row_is_refused(tmp_path):
    path = write_csv(tmp_path / "filled.csv", [(1, "1", ROWS[0].text, "财经")])
    assert "ids such as 007 or 1-2: use the xlsx" in refused(path, "line 2: the data have no row '1'")


def test_an_unknown_label_is_refused_with_the_nearest_name_unless_it_may_be_new(tmp_path):
    path = write_csv(tmp_path / "filled.csv", [(1, "1-2", ROWS[1].text, "健康，财金")])
    hint = refused(path, "no row of the data has the label '财金'; the nearest known one is '财经'")
    assert hint == "mend the answer, or allow new labels with --new-labels"
    path = write_csv(tmp_path / "new.csv", [(1, "1-2", ROWS[1].text, "健康|体育、娱乐")])
    corrected = apply_corrections(ROWS, path, "multilabel", new_labels=True)
    assert by_id(corrected)["1-2"] == ("健康", "体育、娱乐")
    for answer in ("财经，体育，宏观", "体育;宏观;财经", "体育｜财经｜宏观"):
        path = write_csv(tmp_path / "several.csv", [(1, "1-2", ROWS[1].text, answer)])
        corrected = apply_corrections(ROWS, path, "multilabel", new_labels=True)
        assert set(by_id(corrected)["1-2"]) == {"财经", "体育", "宏观"}
    path = write_csv(tmp_path / "class.csv", [(1, "1-2", ROWS[1].text, "交通、运输")])
    classes = [replace(row, labels=("财经",)) for row in ROWS]
    assert by_id(apply_corrections(classes, path, "multiclass", new_labels=True))["1-2"] == ("交通、运输",)


def test_a_class_is_exactly_one_label(tmp_path):
    rows = [Example("a", "甲", ("无",)), Example("b", "乙", ("A|B",))]
    path = write_csv(tmp_path / "one.csv", [(1, "a", "甲", "A|B"), (2, "b", "乙", "无")])
    assert by_id(apply_corrections(rows, path, "multiclass")) == {"a": ("A|B",), "b": ("无",)}
    rows.append(Example("c", "丙", ("C",)))
    for answer, count in (("C|无", 2), ("none", 0)):
        path = write_csv(tmp_path / f"{count}.csv", [(1, "c", "丙", answer)])
        hint = refused(path, f"{count} labels for row c; a multiclass task has exactly one a row", rows, "multiclass")
        assert hint == "give one label, or name --task multilabel"


def test_two_answers_for_one_row_must_agree(tmp_path):
    twice = [(1, "001", ROWS[0].text, "财经|健康"), (2, "001", ROWS[0].text, "健康|财经")]
    assert by_id(apply_corrections(ROWS, write_csv(tmp_path / "a.csv", twice), "multilabel"))["001"] == ("财经", "健康")
    path = write_csv(tmp_path / "b.csv", [*twice, (3, "001", ROWS[0].text, "无")])
    assert refused(path, r"row 001 is corrected twice, to 财经\|健康 and to no label") == "leave one of the two"


def test_a_file_without_answers_or_of_another_kind_is_refused(tmp_path):
    path = write_csv(tmp_path / "empty.csv", [(1, "001", ROWS[0].text, " ")])
    assert "fill in the column 'corrected'" in refused(path, "has no answers: all of its 1 rows are still open")
    path = write_csv(tmp_path / "other.csv", [("001", "x")], columns=("id", "labels"))
    assert "give the filled-in sheet" in refused(path, "neither a column 'corrected' nor a field 'fenlei_id'")
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps({"fenlei_id": "001", "text": ROWS[0].text, "label": [[0, 2, "财经"]]}), "utf-8")
    assert refused(path, "labels are neither a string nor a list of strings") == "mend the answer"
    many = write_csv(tmp_path / "many.csv", [(n, f"no{n}", "", "财经") for n in range(7)])
    refused(many, r"(?s)since 7 answers cannot be used.*no4'\n  and 2 more$")
    short = write_csv(tmp_path / "short.csv", [(1, "001", "财经")])
    refused(short, "line 2: 3 cells where the header has 4")


def test_pairs_long_texts_and_control_characters_are_recognised(tmp_path):
    rows = [
        Example("p", pair_texts("标题", "正文"), ("A",)),
        Example("l", "长" * 50_000, ("A",)),
        Example("c", "响铃\x07 声", ("B",)),
    ]
    write_suspects(
        tmp_path / "list",
        find_suspects(twice := [*rows, *(Example(f"{r.id}2", r.text, ("C",)) for r in rows)],
                      evidence_of_folds(twice, "multiclass", folds=2, seed=0)),
        "multiclass",
    )  # fmt: skip
    import fastexcel

    cells = fastexcel.read_excel(tmp_path / "list" / "suspects.xlsx").load_sheet(0, dtypes="string").to_polars()
    filled = [(1, row["id"], row["text"], "C") for row in cells.to_dicts()]
    corrected = apply_corrections(twice, write_csv(tmp_path / "filled.csv", filled), "multiclass")
    assert {row.labels for row in corrected.examples} == {("C",)}


def test_a_name_that_begins_like_json_is_a_name(tmp_path):
    rows = [Example("a", "甲", ("[重要",)), Example("b", "乙", ("平常",))]
    path = write_csv(tmp_path / "a.csv", [(1, "a", "甲", '["平常"]'), (2, "b", "乙", "[重要")])
    assert by_id(apply_corrections(rows, path, "multilabel")) == {"a": ("平常",), "b": ("[重要",)}

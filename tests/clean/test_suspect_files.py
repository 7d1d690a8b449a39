import csv
import json
from xml.etree import ElementTree

import fastexcel
import pytest

from fenlei.clean.suspect_files import sheet_text, write_suspects
from fenlei.clean.suspects import Findings, Suspect
from fenlei.errors import DataError


def suspect(rank=1, **more):
    plain = {
        "id": "007",
        "text": "大众汽车召回部分车型",
        "kinds": ("wrong_label", "missing_label"),
        "labels": ("财经", "体育"),
        "wrong": ("体育",),
        "suggested": ("汽车",),
        "score": 0.01234,
        "others": (),
    }
    return Suspect(rank=rank, **(plain | more))


def findings(*suspects, labels=("体育", "汽车", "财经")):
    kinds = {"same_text": 0, "wrong_label": 1, "missing_label": 1, "similar_text": 0}
    return Findings(suspects, len(suspects), 10, kinds, 0, 0, True, "5 folds", labels)


def sheet(folder):
    with (folder / "suspects.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def workbook(folder, name="suspects"):
    book = fastexcel.read_excel(folder / "suspects.xlsx").load_sheet(name, dtypes="string")
    return book.to_polars().to_dicts()


def test_the_sheet_is_the_same_in_csv_and_excel(tmp_path):
    others = tuple((f"o{number}", ("财经",)) for number in range(7))
    found = findings(suspect(), suspect(2, id="8", labels=(), wrong=(), score=None, others=others))
    write_suspects(tmp_path / "list", found, "multilabel")
    rows = sheet(tmp_path / "list")
    assert rows[0] == {
        "rank": "1",
        "id": "007",
        "kind": "wrong_label+missing_label",
        "text": "大众汽车召回部分车型",
        "labels": "财经|体育",
        "suspected": "体育",
        "suggested": "汽车",
        "score": "0.0123",
        "same_as": "",
        "corrected": "",
    }
    assert rows[1]["same_as"] == "o0: 财经; o1: 财经; o2: 财经; o3: 财经; o4: 财经; …"
    assert (rows[1]["labels"], rows[1]["score"]) == ("", "")
    assert (tmp_path / "list" / "suspects.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    in_excel = [{name: cell or "" for name, cell in row.items()} for row in workbook(tmp_path / "list")]
    assert in_excel == rows
    assert [row["label"] for row in workbook(tmp_path / "list", "labels")] == ["体育", "汽车", "财经"]


def test_a_text_that_looks_like_a_formula_or_fills_a_cell_stays_a_text(tmp_path):
    texts = ["=1+1", "https://example.org", "长" * 40_000, "响铃\x07\n第二行"]
    write_suspects(tmp_path / "list", findings(*(suspect(text=text) for text in texts)), "multilabel")
    shown = [row["text"] for row in workbook(tmp_path / "list")]
    assert shown == ["=1+1", "https://example.org", "长" * 16_000, "响铃\n第二行"]
    assert [row["text"] for row in sheet(tmp_path / "list")] == shown
    assert sheet_text("a\tb\x00c") == "a\tbc"


def test_labels_are_joined_by_what_no_name_has(tmp_path):
    for labels, joined in ((("a|b", "c"), "a|b,c"), (("|,，;；、#｜\n号", "c"), '["|,，;；、#｜\\n号", "c"]')):
        folder = tmp_path / joined[:4].replace("|", "-")
        write_suspects(folder, findings(suspect(labels=labels), labels=labels), "multilabel")
        assert sheet(folder)[0]["labels"] == joined


def test_label_studio_gets_tasks_with_the_given_labels_and_a_config_that_fits_them(tmp_path):
    found = findings(suspect(), suspect(2, labels=()), labels=("体育", '"甲" & <乙>', "财经"))
    write_suspects(tmp_path / "list", found, "multilabel")
    first, second = json.loads((tmp_path / "list" / "label_studio.json").read_text("utf-8"))
    assert first["data"]["fenlei_id"] == "007"
    assert first["data"]["text"] == "大众汽车召回部分车型"
    assert first["data"]["suggested"] == "汽车"
    [result] = first["predictions"][0]["result"]
    assert result["value"] == {"choices": ["财经", "体育"]}
    assert second["predictions"][0]["result"] == []
    view = ElementTree.parse(tmp_path / "list" / "label_studio.xml").getroot()
    choices = view.find("Choices")
    assert (choices.get("name"), choices.get("toName"), choices.get("choice")) == ("labels", "text", "multiple")
    assert (result["from_name"], result["to_name"]) == ("labels", view.find("Text").get("name"))
    assert [choice.get("value") for choice in choices] == ["体育", '"甲" & <乙>', "财经"]
    write_suspects(tmp_path / "classes", found, "multiclass")
    assert 'choice="single"' in (tmp_path / "classes" / "label_studio.xml").read_text("utf-8")


def test_doccano_gets_a_line_a_text_with_the_given_labels(tmp_path):
    write_suspects(tmp_path / "list", findings(suspect(), suspect(2)), "multilabel")
    lines = (tmp_path / "list" / "doccano.jsonl").read_text("utf-8").splitlines()
    first = json.loads(lines[0])
    assert (first["text"], first["label"], first["fenlei_id"]) == ("大众汽车召回部分车型", ["财经", "体育"], "007")
    assert "id" not in first
    assert len(lines) == 2


def test_the_summary_is_told_in_numbers(tmp_path):
    write_suspects(tmp_path / "list", findings(suspect()), "multilabel")
    summary = json.loads((tmp_path / "list" / "clean.json").read_text("utf-8"))
    assert (summary["task"], summary["rows"], summary["found"], summary["scores"]) == ("multilabel", 10, 1, "5 folds")


def test_a_list_that_may_hold_corrections_is_not_written_over(tmp_path):
    (tmp_path / "list").mkdir()
    write_suspects(tmp_path / "list", findings(), "multiclass")
    assert sheet(tmp_path / "list") == []
    with pytest.raises(DataError, match="list exists and may hold corrections") as caught:
        write_suspects(tmp_path / "list", findings(suspect()), "multilabel")
    assert caught.value.hint == "name another --out"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="file exists"):
        write_suspects(tmp_path / "file", findings(), "multilabel")
    assert (tmp_path / "file").read_text() == "mine"

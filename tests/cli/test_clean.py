"""`fenlei clean` as a user types it: rows broken on purpose are found, answered in the sheet, and mended."""

import csv
import json

import fastexcel
import numpy as np
import pytest

from fenlei import Classifier
from fenlei.text.example import Example

TOPICS = {
    "财经": ["股票", "涨跌", "银行", "利率"],
    "体育": ["球队", "比赛", "决赛", "冠军"],
    "健康": ["新药", "临床", "医院", "疫苗"],
}


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["编号", "内容", "标签"], *rows])
    return path


def table(count, seed=0):
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = list(TOPICS)[number % 3]
        words = random.permutation([*random.choice(TOPICS[label], 3), "今天", "的", "消息", f"{seed}x{number:03}"])
        rows.append([f"{seed}-{number:03}", "".join(words), label])
    return rows


@pytest.fixture
def broken(tmp_path):
    """90 rows of three classes, four of them under another's name; ids -> their classes."""
    rows = table(90)
    rows[10][2], rows[20][2], rows[30][2], rows[31][2] = "财经", "财经", "健康", "健康"
    true = {"0-010": "体育", "0-020": "健康", "0-030": "财经", "0-031": "体育"}
    return write(tmp_path / "新闻.csv", rows), true


def test_from_broken_labels_to_mended_data(fenlei, broken, tmp_path):
    data, true = broken
    done = fenlei("clean", data, "--out", tmp_path / "suspects", "--folds", 4)
    assert "of 90 rows are suspects (wrong_label" in done.out
    assert "scores by 4 folds, TF-IDF + linear" in done.out
    assert "fill in the column `corrected`" in done.err
    names = {path.name for path in (tmp_path / "suspects").iterdir()}
    assert names == {
        "suspects.csv",
        "suspects.xlsx",
        "label_studio.json",
        "label_studio.xml",
        "doccano.jsonl",
        "clean.json",
    }
    cells = fastexcel.read_excel(tmp_path / "suspects" / "suspects.xlsx").load_sheet(0, dtypes="string").to_polars()
    rows = cells.to_dicts()
    assert {row["id"]: row["suggested"] for row in rows[:4]} == true
    filled = tmp_path / "filled.csv"
    with filled.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "corrected": true.get(row["id"], "")} for row in rows)
    done = fenlei("clean", data, "--corrections", filled, "--out", tmp_path / "mended.csv")
    assert done.out == f"4 rows changed, 0 confirmed as they were, {len(rows) - 4} still open\n"
    with (tmp_path / "mended.csv").open(encoding="utf-8-sig", newline="") as file:
        mended = [(row["id"], row["text"], json.loads(row["labels"])) for row in csv.DictReader(file)]
    assert mended == [(id, text, [label]) for id, text, label in table(90)]
    log = (tmp_path / "mended.changes.csv").read_text("utf-8-sig")
    assert log.splitlines()[:2] == ["row,change,before,after", "0-010,labels corrected,财经,体育"]
    assert len(log.splitlines()) == 5
    done = fenlei("clean", data, "--corrections", filled, "--out", tmp_path / "again.csv", "--json")
    assert json.loads(done.out) == {"rows": 90, "changed": 4, "confirmed": 0, "open": len(rows) - 4}


def test_the_summary_as_json_and_a_short_list(fenlei, broken, tmp_path):
    data, _ = broken
    done = fenlei("clean", data, "--out", tmp_path / "suspects", "--most", 2, "--json", "--no-near")
    printed = json.loads(done.out)
    assert (printed["listed"], printed["task"], printed["near_duplicates_searched"]) == (2, "multiclass", False)
    assert printed["found"] > 2
    assert json.loads((tmp_path / "suspects" / "clean.json").read_text("utf-8")) == printed
    assert len((tmp_path / "suspects" / "doccano.jsonl").read_text("utf-8").splitlines()) == 2


def test_a_bundle_judges_the_rows_that_it_was_not_made_of(fenlei, tmp_path, tiny_encoder):
    train = [Example(id, text, (label,)) for id, text, label in table(240, seed=1)]
    dev = [Example(id, text, (label,)) for id, text, label in table(60, seed=2)]
    settings = {"epochs": 12, "max_tokens": 40, "learning_rate": 3e-3, "head_learning_rate": 3e-3}
    classifier = Classifier.train(train, dev=dev, encoder=str(tiny_encoder), **settings)
    classifier.save(tmp_path / "bundle")
    seen = table(240, seed=1)[:20]
    seen[0][2] = "健康"  # a training row, broken since: nobody judges it
    new = table(60, seed=3)
    new[7][2] = "健康"
    data = write(tmp_path / "new.csv", [*seen, *new])
    quick = ["--threads", 1, "--precision", "float32"]
    done = fenlei("clean", data, "--bundle", tmp_path / "bundle", "--out", tmp_path / "suspects", *quick)
    assert "20 rows made the classifier: it cannot judge them" in done.out
    assert f"scores by {tmp_path / 'bundle'}" in done.out
    with (tmp_path / "suspects" / "suspects.csv").open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert (found[0]["id"], found[0]["suspected"], found[0]["suggested"]) == ("3-007", "健康", "体育")
    assert "1-000" not in [row["id"] for row in found]
    data = write(tmp_path / "seen.csv", table(240, seed=1))
    refused = fenlei("clean", data, "--bundle", tmp_path / "bundle", "--out", tmp_path / "no", *quick, expect=1)
    assert "all 240 rows helped to make" in refused.err
    assert "hint: judge by folds: leave out --bundle" in refused.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--most", 0], "--most is 0; it must be 1 or more"),
        (["--folds", 1], "--folds is 1; it must be 2 or more"),
        (["--new-labels"], "--new-labels is for --corrections"),
        (["--bundle", "b", "--folds", 3], "--folds and --bundle do not go together"),
        (["--bundle", "b", "--task", "multilabel"], "--task and --bundle do not go together"),
        (["--corrections", "a.csv", "--most", 3], "--most is for finding, --corrections for putting back"),
        (["--corrections", "a.csv"], "the corrected rows are written as CSV"),
    ],
)
def test_options_that_make_no_sense_are_refused(fenlei, broken, tmp_path, arguments, message):
    assert message in fenlei("clean", broken[0], "--out", tmp_path / "out", *arguments, expect=1).err
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(fenlei, broken, tmp_path):
    data, _ = broken
    content = data.read_bytes()
    filled = write(tmp_path / "filled.csv", [])
    for out in (data, filled):
        refused = fenlei("clean", data, "--corrections", filled, "--out", out, expect=1)
        assert f"error: {out} exists" in refused.err
        assert "hint: name another --out" in refused.err
    (tmp_path / "new.changes.csv").write_text("mine")
    refused = fenlei("clean", data, "--corrections", filled, "--out", tmp_path / "new.csv", expect=1)
    assert "new.changes.csv exists" in refused.err
    assert data.read_bytes() == content
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "suspects.xlsx").write_text("filled in")
    assert "may hold corrections" in fenlei("clean", data, "--out", tmp_path / "list", expect=1).err

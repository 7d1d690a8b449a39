"""`fenlei check` and `fenlei split` as a user types them."""

import csv
import json
import shutil
import subprocess
import sys

import pytest

from fenlei import read_examples

BASE = "市场监管总局今日公布一批召回信息，涉及多家汽车企业的缺陷车型，车主可到店免费更换电池组件并登记信息。"


def write(path, rows, encoding="gb18030"):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([["文本", "标签"], *rows])
    return path


@pytest.fixture
def files(tmp_path):
    train = write(
        tmp_path / "训练.csv",
        [
            (BASE, "汽车"),
            ("门将扑出点球，球队夺冠", "体育"),
            ("", "体育"),
            (BASE, "财经"),
            ("央行下调利率", "财经|体育"),
        ],
    )
    return train, write(tmp_path / "测试.csv", [(BASE.replace("今日", "昨日"), "汽车"), ("别的", "财经")])


def test_check_prints_tables_and_findings(fenlei, files, tiny_encoder):
    done = fenlei("check", *files, "--encoder", tiny_encoder, "--max-tokens", 20)
    assert "财经     3  50.0%" in done.out
    assert "cut by the limit" in done.out
    assert "problem  1 rows cannot be used; the first:" in done.out
    assert "problem  1 text stands more than once, with different labels" in done.out
    assert "训练 row 2; 训练 row 5" in done.out
    assert "problem  2 rows of 训练 stand in 测试 too, 0 of them exactly" in done.out
    assert "of the characters are unknown to the encoder" in done.out
    assert "训练.csv: csv gb18030, 4 rows, 1 bad rows" in done.err


def test_check_prints_json(fenlei, files):
    told = json.loads(fenlei("check", *files, "--encoder", "none", "--json").out)
    assert told["rows"] == {"训练": 4, "测试": 2}
    assert told["tokens"] is None
    assert {finding["kind"] for finding in told["findings"]} == {
        "bad_rows",
        "contradicting_labels",
        "exact_duplicates",
        "near_duplicates",
        "rare_labels",
        "shared_texts",
    }
    told = json.loads(fenlei("check", *files, "--encoder", "none", "--json", "--no-near").out)
    assert "shared_texts" not in {finding["kind"] for finding in told["findings"]}


def test_check_mends_what_needs_no_judgement(fenlei, files, tmp_path):
    done = fenlei("check", files[0], "--encoder", "none", "--fix", tmp_path / "修好" / "训练.csv")
    assert len(read_examples(tmp_path / "修好" / "训练.csv").examples) == 4
    with (tmp_path / "修好" / "训练.changes.csv").open(encoding="utf-8-sig", newline="") as file:
        changes = list(csv.reader(file))
    assert [change[1] for change in changes] == [
        "change",
        "removed: the text is empty",
        "left: row 2 has the same text as 汽车",
    ]
    assert "4 rows; 1 change, 1 left for a person; all listed in" in done.err
    refused = fenlei("check", *files, "--encoder", "none", "--fix", tmp_path / "x.csv", expect=1)
    assert "--fix mends one file at a time, and 2 are given" in refused.err


def test_what_is_there_is_never_mended_over(fenlei, files, tmp_path):
    before = files[0].read_bytes()
    refused = fenlei("check", files[0], "--encoder", "none", "--fix", files[0], expect=1)
    assert "训练.csv exists" in refused.err
    assert "name another --fix" in refused.err
    assert files[0].read_bytes() == before
    (tmp_path / "x.changes.csv").write_text("mine")
    refused = fenlei("check", files[0], "--encoder", "none", "--fix", tmp_path / "x.csv", expect=1)
    assert "x.changes.csv exists" in refused.err
    assert not (tmp_path / "x.csv").exists()


def test_many_labels_are_cut_short(fenlei, tmp_path):
    path = write(tmp_path / "a.csv", [(f"第{number}条消息", f"类{number % 130}") for number in range(260)])
    assert "and 30 rarer labels, all with --json" in fenlei("check", path, "--encoder", "none").out
    assert "and 30 rarer labels" in fenlei("split", path, "--out", tmp_path / "parts").out


def test_a_small_part_is_read_like_the_large_one(fenlei, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n文一,体育\n文二,健康\n文三,体育|健康\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("text,label\n文四,体育|健康\n", encoding="utf-8")
    done = fenlei("check", tmp_path / "a.csv", tmp_path / "b.csv", "--encoder", "none", "--json")
    assert list(json.loads(done.out)["labels"]) == ["体育", "健康"]


@pytest.mark.parametrize(("others", "severity"), [(["体育"], "problem"), (["体育", "体育|健康", "健康"], "remark")])
def test_a_class_that_reads_like_no_label_is_told(fenlei, tmp_path, others, severity):
    data = write(tmp_path / "a.csv", [(f"文{number}", label) for number, label in enumerate([*others, "没有", "没有"])])
    done = fenlei("check", data, "--encoder", "none")
    assert f"{severity:<8} 2 cells say 没有 (2), which is read as no label" in done.out
    assert "which is read as no label" not in fenlei("check", data, "--task", "multiclass", "--encoder", "none").out


def test_an_unknown_task_is_refused(fenlei, files):
    refused = fenlei("check", files[0], "--task", "binary", expect=1)
    assert "--task is 'binary'; accepted are multilabel, multiclass" in refused.err


def rows_for_split(count=200):
    return [
        (f"第{number}条消息说的是{'甲乙丙丁'[number % 4] * 5}", "财经|体育" if number % 5 == 0 else "财经")
        for number in range(count)
    ]


def test_split_writes_parts_and_tells_the_balance(fenlei, tmp_path):
    data = write(tmp_path / "a.csv", rows_for_split())
    done = fenlei("split", data, "--out", tmp_path / "parts", "--ratios", "8:1:1", "--seed", 3)
    train, dev, test = (tmp_path / "parts" / f"{name}.csv" for name in ("train", "dev", "test"))
    assert f"next       fenlei train {train} --dev {dev} --test {test} --out runs/NAME\n" in done.err
    parts = {name: read_examples(tmp_path / "parts" / f"{name}.csv").examples for name in ("train", "dev", "test")}
    assert sorted(row.id for part in parts.values() for row in part) == sorted(str(number) for number in range(2, 202))
    assert "farthest from its share of all rows:" in done.out
    assert "财经   200  100.0%  100.0%  100.0%" in done.out
    refused = fenlei("split", data, "--out", tmp_path / "parts", expect=1)
    assert "train.csv exists" in refused.err
    again = fenlei("split", data, "--out", tmp_path / "parts", "--seed", 3, "--overwrite")
    assert again.out == done.out


def test_folds_and_named_parts(fenlei, tmp_path):
    data = write(tmp_path / "a.csv", rows_for_split(60))
    fenlei("split", data, "--out", tmp_path / "folds", "--folds", 4)
    assert sorted(path.name for path in (tmp_path / "folds").iterdir()) == [f"fold-{n}.csv" for n in (1, 2, 3, 4)]
    fenlei("split", data, "--out", tmp_path / "named", "--ratios", "标注=3,留存=1")
    assert len(read_examples(tmp_path / "named" / "标注.csv").examples) > 35
    for wrong in ("8", "8:x", "8:0", "a=1,a=1", "1:1:1:1"):
        refused = fenlei("split", data, "--out", tmp_path / "x", "--ratios", wrong, expect=1)
        assert f"--ratios is {wrong!r}; accepted are such as 8:1:1" in refused.err
    refused = fenlei("split", data, "--out", tmp_path / "x", "--folds", 1, expect=1)
    assert "--folds is 1; it must be 2 or more" in refused.err


@pytest.mark.parametrize("more", [[], ["--folds", 3]], ids=str)
def test_rows_without_any_label_are_split_too(fenlei, tmp_path, more):
    data = write(
        tmp_path / "a.csv", [(f"第{number}条消息说的是{'甲乙丙丁'[number % 4] * 5}", "") for number in range(30)]
    )
    done = fenlei("split", data, "--out", tmp_path / "parts", *more)
    assert "no row has a label" in done.out
    assert len(list((tmp_path / "parts").iterdir())) == 3


def test_a_seed_that_is_too_high_is_refused(fenlei, tmp_path):
    data = write(tmp_path / "a.csv", rows_for_split(20))
    refused = fenlei("split", data, "--out", tmp_path / "parts", "--seed", 2**32, expect=1)
    assert "the seed is 4294967296; it must be from 0 to 4294967295" in refused.err


@pytest.mark.parametrize("encoding", ["gbk", "cp936", "ascii"])
def test_consoles_that_lack_characters(tmp_path, encoding):
    path = write(tmp_path / "带 空格 的 文件.csv", [("好😀的𠮷消息", "𠮷类"), ("别的消息", "甲")], "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from fenlei.cli import main; main()", "check", path, "--encoder", "none"],
        capture_output=True,
        env={"PYTHONIOENCODING": encoding, "PATH": "", "SYSTEMROOT": ""},
    )
    assert done.returncode == 0, done.stderr
    assert "\\U00020bb7" in done.stdout.decode(encoding)


def test_errors_of_the_system_are_told_without_a_traceback(fenlei, tmp_path):
    (tmp_path / "file").write_text("x")
    path = write(tmp_path / "a.csv", [("央行降息", "财经"), ("球队夺冠", "财经")])
    refused = fenlei("split", path, "--ratios", "1:1", "--out", tmp_path / "file" / "parts", expect=1)
    assert refused.err.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "", ".a", ".."])
def test_parts_are_files_in_the_folder_that_was_named(fenlei, files, tmp_path, name):
    done = fenlei("split", files[0], "--out", tmp_path / "o" / "parts", "--ratios", f"{name}=1,b=1", expect=1)
    assert f"--ratios calls a part {name!r}; each part becomes a file of its name" in done.err
    assert not (tmp_path / "o").exists()


def test_a_split_with_an_empty_part_is_none(fenlei, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n股票涨,甲\n球队赢,乙\n新药上市,丙\n", encoding="utf-8")
    done = fenlei("split", tmp_path / "a.csv", "--out", tmp_path / "x", expect=1)
    assert "the part dev would have none of the 3 rows" in done.err
    assert not (tmp_path / "x").exists()


def test_nothing_is_written_among_classes_that_are_read(fenlei, tmp_path):
    for label in ("财经", "体育"):
        (tmp_path / "c" / label).mkdir(parents=True)
        (tmp_path / "c" / label / "1.txt").write_text(f"{label}新闻", encoding="utf-8")
    for command in ("split", "train", "losses"):
        done = fenlei(command, tmp_path / "c", "--out", tmp_path / "c" / "out", expect=1)
        assert "whose folders are read as classes" in done.err
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"财经", "体育"}


def test_a_split_does_not_replace_what_it_reads(fenlei, files, tmp_path):
    shutil.copy(files[0], tmp_path / "train.csv")
    before = (tmp_path / "train.csv").read_bytes()
    done = fenlei("split", tmp_path / "train.csv", "--out", tmp_path, "--overwrite", "--ratios", "1:1", expect=1)
    assert "train.csv is read, and would be replaced by a part of itself" in done.err
    assert (tmp_path / "train.csv").read_bytes() == before


def test_folds_and_ratios_are_one_or_the_other(fenlei, files, tmp_path):
    done = fenlei("split", files[0], "--folds", 3, "--ratios", "1:1", "--out", tmp_path / "x", expect=1)
    assert "--folds makes equal parts, and --ratios names others" in done.err

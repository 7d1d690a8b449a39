"""The commands as a user types them, on a tiny encoder: files in, files out, words on stderr and data on stdout."""

import csv
import hashlib
import importlib.metadata
import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from fenlei import Classifier, pair_texts, read_examples
from fenlei.cli import app

TOPICS = {
    "财经": ["股票", "涨跌", "银行", "利率"],
    "体育": ["球队", "比赛", "决赛", "冠军"],
    "健康": ["新药", "临床", "医院", "疫苗"],
}


def write_rows(path, count, seed, encoding="gb18030"):
    random = np.random.default_rng(seed)
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["编号", "内容", "标签"])
        for number in range(count):
            labels = random.choice(list(TOPICS), size=random.integers(0, 3), replace=False)
            words = [word for label in labels for word in random.choice(TOPICS[label], 2)]
            text = "".join(random.permutation([*words, "今天", "的", "消息", f"{seed}x{number}"]))
            writer.writerow([f"{seed}-{number}", text, "|".join(labels)])
    return path


def write_titled_rows(path):
    """90 rows of one class each, which the title alone tells."""
    random = np.random.default_rng(0)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["标题", "正文", "标签"])
        for number in range(90):
            label = random.choice(list(TOPICS))
            writer.writerow([random.choice(TOPICS[label]), f"今天的消息{number}", label])
    return path


QUICK = ["--threads", 1, "--precision", "float32"]
SETTINGS = [*QUICK, "--max-tokens", 40, "--learning-rate", 3e-3, "--head-learning-rate", 3e-3]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, tiny_encoder):
    """A bundle trained by the command line, in a folder with Chinese and spaces."""
    folder = tmp_path_factory.mktemp("run") / "我的 模型"
    data = write_rows(folder.with_name("训练 数据.csv"), 400, seed=1)
    arguments = ["train", data, "--encoder", tiny_encoder, "--out", folder, "--epochs", 8, *SETTINGS]
    done = subprocess.run(
        [sys.executable, "-c", "from fenlei.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    folder.with_name("stdout").write_text(done.stdout, encoding="utf-8")
    folder.with_name("stderr").write_text(done.stderr, encoding="utf-8")
    return folder


def test_train_says_what_it_does_and_prints_the_report(bundle):
    out = bundle.with_name("stdout").read_text(encoding="utf-8")
    err = bundle.with_name("stderr").read_text(encoding="utf-8")
    assert "micro-F1" in out
    assert "TF-IDF + linear" in out
    assert "epoch" not in out
    for part in ("csv gb18030, 400 rows", "split      train", "encoder ", "epoch  1/8", "bundle ", "report "):
        assert part in err
    run = bundle.with_name(f"{bundle.name}.run")
    assert [path.name for path in sorted((run / "split").iterdir())] == ["dev.csv", "test.csv", "train.csv"]
    events = [json.loads(line)["event"] for line in (run / "journal.jsonl").read_text("utf-8").splitlines()]
    assert events == ["start", *["epoch"] * (len(events) - 2), "end"]
    assert not list(run.glob("checkpoint-*"))
    report = bundle / "report" / "test"
    assert {path.name for path in report.iterdir()} == {
        *("report.html", "report.txt", "report.json", "report.csv"),
        "errors.csv",
    }
    assert (report / "report.txt").read_text("utf-8") == out
    assert (report / "report.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_evaluate_finds_the_same_figures_as_train_and_python(fenlei, bundle):
    test = bundle.with_name(f"{bundle.name}.run") / "split" / "test.csv"
    done = fenlei("evaluate", bundle, test, "--json", *QUICK)
    printed = json.loads(done.out)
    trained = json.loads((bundle / "report" / "test" / "report.json").read_text("utf-8"))
    assert printed["figures"] == trained["figures"]
    assert printed["details"]["label_groups"]["by"] == "training"
    origin = printed["origin"]
    assert origin["command"][:2] == ["fenlei", "evaluate"]
    assert [one["epoch"] for one in origin["history"]] == list(range(len(origin["history"])))
    [file] = origin["data"]
    assert (file["name"], file["sha256"]) == (str(test), hashlib.sha256(test.read_bytes()).hexdigest())
    assert origin["bundle"] == trained["origin"]["bundle"]
    page = (bundle / "report" / "test" / "report.html").read_text("utf-8")
    assert 'data-language="zh"' in page
    assert file["sha256"] in page
    assert str(printed["rows"]) in page
    from fenlei import read_examples

    classifier = Classifier.load(bundle, precision="float32", threads=1)
    evaluation = classifier.evaluate(read_examples(test).examples)
    assert evaluation.report.figures["micro_f1"].value == printed["figures"]["micro_f1"]["value"]


def test_the_labels_of_the_bundle_tell_what_separates_those_of_a_few_rows(fenlei, bundle, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n银行的球队今天夺冠,财经|体育\n", encoding="utf-8")
    done = fenlei("evaluate", bundle, tmp_path / "a.csv", "--out", tmp_path / "r", *QUICK)
    assert "labels split on '|'" in done.err
    done = fenlei("evaluate", bundle, tmp_path / "a.csv", "--label-separator", "none", *QUICK, expect=1)
    assert "line 2, column 'label': the label '财经|体育' is not among the 3 labels" in done.err
    (tmp_path / "a.csv").write_text("text,label\n银行的球队今天夺冠,财经\n彗星掠过,天文\n", encoding="utf-8")
    done = fenlei("evaluate", bundle, tmp_path / "a.csv", "--out", tmp_path / "s", "--on-bad-row", "skip", *QUICK)
    assert "line 3, column 'label': the label '天文' is not" in done.err
    assert "\n1 rows; " in done.out


def test_a_report_is_called_after_the_file_that_a_pattern_fits(fenlei, copy, tmp_path):
    write_rows(tmp_path / "新_1.csv", 20, seed=5)
    done = fenlei("evaluate", copy, tmp_path / "新_*.csv", *QUICK)
    assert f"report     {copy / 'report' / '新_1'}" in done.err
    assert (copy / "report" / "新_1" / "report.html").exists()


def test_a_report_of_other_data_is_not_replaced(fenlei, copy, tmp_path):
    own = json.loads((copy / "report" / "test" / "report.json").read_text("utf-8"))
    assert [Path(file["name"]).name for file in own["origin"]["data"]] == ["test.csv"]
    for _ in range(2):
        done = fenlei("evaluate", copy, write_rows(tmp_path / "test.csv", 20, seed=5), *QUICK)
        assert f"report     {copy / 'report' / 'test-2'}\n" in done.err
    assert json.loads((copy / "report" / "test" / "report.json").read_text("utf-8")) == own
    (copy / "report" / "test-2" / "report.json").write_text("[]")
    done = fenlei("evaluate", copy, tmp_path / "test.csv", *QUICK)
    assert f"report     {copy / 'report' / 'test-3'}\n" in done.err


def test_predict_replaces_no_file_unasked_and_never_what_it_reads(fenlei, bundle, tmp_path):
    data = tmp_path / "a.csv"
    data.write_text("text\n好\n", encoding="utf-8")
    predict = ["predict", bundle, data, *QUICK, "--out"]
    assert "the file that is read" in fenlei(*predict, data, "--overwrite", expect=1).err
    (tmp_path / "other.csv").write_text("kept", encoding="utf-8")
    assert "other.csv is there already" in fenlei(*predict, tmp_path / "other.csv", expect=1).err
    assert (tmp_path / "other.csv").read_text("utf-8") == "kept"
    fenlei(*predict, tmp_path / "other.csv", "--overwrite")
    assert (tmp_path / "other.csv").read_text("utf-8-sig").startswith("text,predicted")
    assert data.read_text("utf-8") == "text\n好\n"


def test_named_columns_are_remembered(fenlei, tmp_path, tiny_encoder):
    data, random = tmp_path / "a.csv", np.random.default_rng(0)
    rows = [(f"标题{number}", random.choice(list(TOPICS)), f"乙{number % 2}") for number in range(90)]
    lines = [f"{title},{label}的{number},{other},{label}" for number, (title, label, other) in enumerate(rows)]
    data.write_text("标题,描述,类别,一级\n" + "\n".join(lines) + "\n", encoding="utf-8")
    named = ["--text-column", "描述", "--label-column", "一级"]
    fenlei("train", data, "--out", tmp_path / "o", "--encoder", tiny_encoder, "--epochs", 1, *SETTINGS, *named)
    assert "text in '描述', labels in '一级'" in fenlei("evaluate", tmp_path / "o", data, *QUICK).err
    answers = [fenlei("predict", tmp_path / "o", data, *QUICK, *more).out for more in ([], named[:2])]
    assert answers[0] == answers[1]


def test_a_row_with_two_labels_settles_the_task_whichever_part_it_falls_into(fenlei, tmp_path, tiny_encoder):
    data = tmp_path / "a.csv"
    lines = [f"第{number}条{label},{label}" for number in range(30) for label in TOPICS]
    data.write_text("text,labels\n" + "\n".join([*lines, "都有,财经|体育"]) + "\n", encoding="utf-8")
    more = ["--encoder", tiny_encoder, "--epochs", 0, *SETTINGS]
    for seed in range(12):
        done = fenlei("train", data, "--out", tmp_path / "o", "--overwrite", "--seed", seed, *more)
        assert "task       multilabel" in done.err


def test_ctrl_c_says_how_to_go_on(fenlei, tmp_path, tiny_encoder, monkeypatch):
    def interrupt(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("fenlei.train.loop.greedy_mean", interrupt)
    train = ["train", write_rows(tmp_path / "a.csv", 80, seed=3), "--encoder", tiny_encoder, "--epochs", 1]
    done = fenlei(*train, "--checkpoint-every", 2, "--out", tmp_path / "o", *SETTINGS, expect=130)
    assert "the same command with --resume goes on from the last checkpoint" in done.err
    assert done.err.endswith("interrupted\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_one_that_nobody_reads(bundle, tmp_path, closed):
    (tmp_path / "a.csv").write_text("text\n好\n", encoding="utf-8")
    program = f"'{sys.executable}' -c 'from fenlei.cli import main; main()' predict '{bundle}' '{tmp_path / 'a.csv'}'"
    done = subprocess.run(f"{program} --threads 1 {closed}", shell=True, capture_output=True, encoding="utf-8")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_a_report_on_training_rows_says_so(fenlei, bundle, tmp_path):
    rows = bundle.with_name(f"{bundle.name}.run") / "split" / "train.csv"
    done = fenlei("evaluate", bundle, rows, "--out", tmp_path / "r", *QUICK)
    assert "of these rows were in the train part when the classifier was made" in done.out


def test_the_page_opens_in_the_language_that_is_named(fenlei, bundle, tmp_path):
    rows = bundle.with_name(f"{bundle.name}.run") / "split" / "test.csv"
    fenlei("evaluate", bundle, rows, "--out", tmp_path / "r", "--language", "en", *QUICK)
    assert 'data-language="en"' in (tmp_path / "r" / "report.html").read_text("utf-8")
    done = fenlei("evaluate", bundle, rows, "--language", "fr", *QUICK, expect=1)
    assert "--language is 'fr'; accepted are zh and en" in done.err


def test_predict_keeps_rows_and_columns(fenlei, bundle, tmp_path):
    data = write_rows(tmp_path / "新.csv", 30, seed=9)
    done = fenlei("predict", bundle, data, "--out", tmp_path / "标好.csv", "--top-k", 2, *QUICK)
    assert done.out == ""
    with (tmp_path / "标好.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["编号", "内容", "标签", "predicted", "scores"]
    assert [row["编号"] for row in rows] == [f"9-{number}" for number in range(30)]
    classifier = Classifier.load(bundle, precision="float32", threads=1)
    expected = classifier.predict([row["内容"] for row in rows], top_k=2)
    assert [row["predicted"] for row in rows] == ["|".join(prediction.labels) for prediction in expected]
    assert rows[0]["scores"].split("|")[0] == "{} {:.4f}".format(*expected[0].scores[0])
    assert sum(set(row["predicted"].split("|")) == set(row["标签"].split("|")) for row in rows) > 20


def test_predict_lines_and_json_lines(fenlei, bundle, tmp_path):
    (tmp_path / "a.txt").write_text("球队今天进决赛\n\n银行利率\n", encoding="utf-8")
    done = fenlei("predict", bundle, tmp_path / "a.txt", *QUICK)
    assert "remark     1 row has no text" in done.err
    lines = done.out.split("\n")
    assert [line.split("\t")[1] for line in lines[:-1]] == ["球队今天进决赛", "", "银行利率"]
    assert lines[0].split("\t")[0] == "体育"
    (tmp_path / "a.jsonl").write_text('{"text": "银行利率", "n": 1}\n', encoding="utf-8")
    answer = json.loads(fenlei("predict", bundle, tmp_path / "a.jsonl", "--top-k", 1, *QUICK).out)
    assert answer["n"] == 1
    assert answer["predicted"] == ["财经"]
    assert list(answer["scores"]) == ["财经"]
    as_csv = fenlei("predict", bundle, tmp_path / "a.txt", "--format", "csv", *QUICK).out
    assert as_csv.startswith("text,predicted\n")


def test_predict_from_a_pipe(bundle):
    done = subprocess.run(
        [sys.executable, "-c", "from fenlei.cli import main; main()", "predict", str(bundle), "--threads", "1"],
        input="球队进决赛\n".encode("gbk"),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == "体育\t球队进决赛\n"


def test_answers_through_a_pipe_are_utf_8_whatever_the_locale_says(bundle):
    done = subprocess.run(
        [sys.executable, "-c", "from fenlei.cli import main; main()", "predict", str(bundle), "--format", "jsonl"],
        input="球队😀进决赛\n".encode(),
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": "gbk"},
    )
    assert json.loads(done.stdout.decode())["text"] == "球队😀进决赛"


def test_an_interrupted_predict_leaves_nothing(fenlei, bundle, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "好"}\n{"x": 1}\n', encoding="utf-8")
    (tmp_path / "out.jsonl").write_text("precious")
    predict = ["predict", bundle, tmp_path / "a.jsonl", "--out", tmp_path / "out.jsonl", "--overwrite", *QUICK]
    done = fenlei(*predict, expect=1)
    assert "error: " in done.err
    assert "line 2, column 'text'" in done.err
    assert "hint: mend it, or leave it out with --on-bad-row skip" in done.err
    assert (tmp_path / "out.jsonl").read_text() == "precious"
    assert not (tmp_path / "out.jsonl.part.json").exists()
    done = fenlei(*predict, "--on-bad-row", "skip")
    assert "skipped " in done.err
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--out", "x.pdf"],
            "the format of x.pdf is not known from its name; known are .csv, .jsonl, .txt, .parquet, .xlsx",
        ),
        (["--format", "xlsx"], "--format xlsx cannot be written to stdout"),
        (["--format", "xml"], "--format is 'xml'; accepted are csv, jsonl, lines, parquet, xlsx"),
    ],
)
def test_an_unknown_result_format_is_refused_before_the_work(fenlei, bundle, tmp_path, arguments, message):
    (tmp_path / "a.txt").write_text("好\n", encoding="utf-8")
    assert message in fenlei("predict", bundle, tmp_path / "a.txt", *arguments, expect=1).err


def test_a_column_that_predict_would_add_twice(fenlei, bundle, tmp_path):
    (tmp_path / "a.csv").write_text("text,predicted\n好,甲\n", encoding="utf-8")
    done = fenlei("predict", bundle, tmp_path / "a.csv", *QUICK, expect=1)
    assert "the input already has the column 'predicted', which predict would add" in done.err


def test_a_bundle_is_not_overwritten_and_the_refusal_comes_first(fenlei, bundle, tmp_path, tiny_encoder):
    done = fenlei("train", tmp_path / "no such file.csv", "--out", bundle, expect=1)
    assert "already holds a bundle" in done.err


def test_settings_of_another_task_are_refused(fenlei, tmp_path, tiny_encoder):
    data = write_rows(tmp_path / "a.csv", 60, seed=3)
    command = ["train", data, "--out", tmp_path / "o", "--encoder", tiny_encoder]
    done = fenlei(*command, "--loss", "ce", *SETTINGS, expect=1)
    assert "--loss is 'ce'; for multilabel accepted are zlpr, bce" in done.err
    done = fenlei(*command, *QUICK, expect=1)
    assert "--max-tokens is 300; this encoder has 64 positions" in done.err
    done = fenlei(*command, "--task", "multiclass", *SETTINGS, expect=1)
    assert "a multiclass task has exactly one" in done.err
    assert not (tmp_path / "o").exists()


def test_binary_cross_entropy_starts_at_the_labels_shares(fenlei, tmp_path, tiny_encoder):
    data = write_rows(tmp_path / "a.csv", 80, seed=3)
    fenlei("train", data, "--out", tmp_path / "o", "--encoder", tiny_encoder, "--loss", "bce", "--epochs", 1, *SETTINGS)
    assert json.loads((tmp_path / "o" / "fenlei.json").read_text("utf-8"))["training"]["loss"] == "bce"


def test_a_file_whose_name_is_no_utf_8_is_read_and_told_of(fenlei, monkeypatch, tmp_path, tiny_encoder):
    """As a Windows zip unpacked on Linux has them, and folders on old servers."""
    folder = tmp_path / os.fsdecode("模型".encode("gbk"))
    try:
        shutil.copytree(tiny_encoder, folder / "encoder")
    except OSError:
        pytest.skip("this file system takes no such name")
    data = write_rows(folder / os.fsdecode("新闻.csv".encode("gbk")), 120, seed=3)
    train = ["train", data, "--encoder", "encoder", "--epochs", 1, *SETTINGS, "--out"]
    assert "not UTF-8, and the libraries that read weights" in fenlei(*train, folder / "o", expect=1).err
    monkeypatch.chdir(folder)
    fenlei(*train, "o")
    fenlei("evaluate", "o", data, "--out", folder / "r", *QUICK)
    fenlei("predict", "o", data, "--out", folder / "p.csv", *QUICK)
    for absolute in (["predict", folder / "o", data], [*train, "p", "--encoder", folder / "encoder"]):
        assert (
            "hint: rename the folder, or go into it and give a path relative to it" in fenlei(*absolute, expect=1).err
        )
    origin = json.loads((folder / "r" / "report.json").read_text("utf-8"))["origin"]
    assert origin["data"][0]["name"] == str(data)


def test_rows_that_leak_leave_training(fenlei, tmp_path, tiny_encoder):
    data, test = write_rows(tmp_path / "a.csv", 80, seed=3), write_rows(tmp_path / "t.csv", 5, seed=3)
    done = fenlei(
        "train", data, "--test", test, "--out", tmp_path / "o", "--encoder", tiny_encoder, "--epochs", 1, *SETTINGS
    )
    assert "5 training rows stand in dev or test too (5 exactly)" in done.err
    assert "they are left out of training" in done.err
    assert (tmp_path / "o.run" / "leaks.csv").read_text("utf-8-sig").count("\n") == 6
    assert "when the classifier was made" not in done.out
    kept = fenlei(
        "train", data, "--test", test, "--out", tmp_path / "k", "--encoder", tiny_encoder, "--epochs", 1, *SETTINGS,
        "--leaks", "keep",
    )  # fmt: skip
    assert "they are kept" in kept.err
    assert "when the classifier was made" in kept.out
    refused = fenlei("train", data, "--test", test, "--out", tmp_path / "e", "--leaks", "error", expect=1)
    assert "leave such rows out with --leaks drop" in refused.err
    refused = fenlei("train", data, "--out", tmp_path / "e", "--leaks", "ignore", expect=1)
    assert "--leaks is 'ignore'; accepted are drop, keep, error" in refused.err


def test_labels_that_dev_has_not_are_told(fenlei, tmp_path):
    data, dev = write_rows(tmp_path / "a.csv", 60, seed=3), tmp_path / "dev.csv"
    dev.write_text("text,labels\n球队比赛,体育\n球队夺冠,体育\n", encoding="utf-8")
    done = fenlei("train", data, "--dev", dev, "--out", tmp_path / "o", "--encoder", "nowhere", expect=1)
    assert "no dev row has 2 of 3 labels, and neither calibration nor thresholds can be fitted to them: " in done.err
    assert "every dev row has 1 of 3 labels" in done.err


def test_two_commands_do_not_work_on_one_folder_or_file(fenlei, bundle, tmp_path, tiny_encoder):
    data = write_rows(tmp_path / "a.csv", 60, seed=3)
    commands = {
        "o.run": ["train", data, "--out", tmp_path / "o", "--encoder", "nowhere"],
        "l": ["losses", data, "--out", tmp_path / "l", "--encoder", tiny_encoder],
        "p.csv": ["predict", bundle, data, "--out", tmp_path / "p.csv"],
    }
    for name, command in commands.items():
        before = set(tmp_path.iterdir())
        with FileLock(tmp_path / f".{name}.lock"):
            done = fenlei(*command, *QUICK, expect=1)
        assert f"another command works on {tmp_path / name} now" in done.err
        assert set(tmp_path.iterdir()) - before <= {tmp_path / f".{name}.lock"}
    assert "another command" not in fenlei(*commands["o.run"], expect=1).err
    assert not (tmp_path / ".o.run.lock").exists()


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_test_part_that_does_not_fit_is_refused_before_the_work(fenlei, tmp_path, seeds):
    data, test = write_rows(tmp_path / "a.csv", 60, seed=3), tmp_path / "t.csv"
    command = ["train", data, "--test", test, "--out", tmp_path / "o", "--encoder", "nowhere", "--seeds", seeds]
    test.write_text("text,labels\n球队比赛,天文\n", encoding="utf-8")
    done = fenlei(*command, expect=1)
    assert "the test part does not fit: row 2: the label '天文' is not among the 3 labels" in done.err
    classes = tmp_path / "classes.csv"
    classes.write_text("text,label\n" + "".join(f"文{n},{'甲乙'[n % 2]}\n" for n in range(40)), encoding="utf-8")
    test.write_text("text,labels\n球队比赛,甲|乙\n新药,甲\n", encoding="utf-8")
    done = fenlei("train", classes, *command[2:], expect=1)
    assert "the test part does not fit: row 2 has 2 labels (甲, 乙); a multiclass task has exactly one" in done.err
    assert not (tmp_path / "o.run").exists()


def test_a_part_without_rows_is_refused_before_the_work(fenlei, tmp_path):
    few = tmp_path / "few.csv"
    few.write_text("text,labels\n球队比赛,甲\n股票涨跌,乙\n新药临床,丙\n", encoding="utf-8")
    done = fenlei("train", few, "--out", tmp_path / "o", "--encoder", "nowhere", expect=1)
    assert "the dev part has no rows" in done.err
    assert "some with --dev" in done.err


def test_parts_that_share_no_text_are_trained_on_in_a_new_folder(fenlei, tmp_path, tiny_encoder):
    train, dev, test = (write_rows(tmp_path / f"{seed}.csv", 40, seed=seed) for seed in range(3))
    given = [train, "--dev", dev, "--test", test]
    out = tmp_path / "new" / "o"
    done = fenlei(
        "train", *given, "--encoder", tiny_encoder, "--out", out, "--epochs", 0, "--leaks", "error", *SETTINGS
    )
    assert (out / "report" / "test" / "report.json").exists(), done.err
    assert [path.name for path in out.with_name("o.run").iterdir()] == ["journal.jsonl"]


def test_a_new_run_leaves_nothing_of_another(fenlei, tmp_path, tiny_encoder):
    data, out = write_rows(tmp_path / "a.csv", 80, seed=3), tmp_path / "o"
    run = out.with_name("o.run")
    more = ["--encoder", tiny_encoder, "--out", out, "--epochs", 1, *SETTINGS, "--overwrite"]
    test = write_rows(tmp_path / "t.csv", 5, seed=3)
    fenlei("train", data, "--test", test, *more, "--seeds", 2)
    assert {path.name for path in run.iterdir()} == {"journal.jsonl", "leaks.csv", "seeds", "seeds.json", "split"}
    other, dev = write_rows(tmp_path / "b.csv", 80, seed=4), write_rows(tmp_path / "d.csv", 20, seed=5)
    fenlei("train", other, "--dev", dev, *more)
    assert [path.name for path in run.rglob("*") if path.is_file()] == ["journal.jsonl"]


def test_a_split_can_be_trained_on_again(fenlei, tmp_path, tiny_encoder):
    data, split = write_rows(tmp_path / "a.csv", 80, seed=3), tmp_path / "o.run" / "split"
    more = ["--encoder", tiny_encoder, "--out", tmp_path / "o", "--epochs", 1, *SETTINGS, "--overwrite"]
    fenlei("train", data, *more)
    before = {path.name: path.read_bytes() for path in split.iterdir()}
    fenlei("train", split / "train.csv", "--dev", split / "dev.csv", "--test", split / "test.csv", *more)
    refused = fenlei("train", split / "train.csv", *more, expect=1)
    assert "train.csv lies where the parts would be written" in refused.err
    assert {path.name: path.read_bytes() for path in split.iterdir()} == before


def test_a_comparison_of_probes_takes_one_seed(fenlei, tmp_path, tiny_encoder):
    data = write_rows(tmp_path / "a.csv", 40, seed=1)
    more = ["--encoder", tiny_encoder, "--out", tmp_path / "l", "--epochs", 0, "--seeds", 2]
    assert "every seed gives the same" in fenlei("losses", data, *more, expect=1).err
    assert not (tmp_path / "l").exists()


def test_several_seeds_leave_the_best_on_dev(fenlei, tmp_path, tiny_encoder):
    data, out = write_rows(tmp_path / "训练.csv", 200, seed=1), tmp_path / "m"
    arguments = [data, "--encoder", tiny_encoder, "--out", out, "--epochs", 2, *SETTINGS, "--seeds", 2, "--seed", 7]
    done = fenlei("train", *arguments)
    run = out.with_name("m.run")
    told = json.loads((run / "seeds.json").read_text("utf-8"))
    assert [one["seed"] for one in told["runs"]] == [7, 8]
    scores = [(one["dev_score"], -one["dev_loss"]) for one in told["runs"]]
    assert told["best"] == 7 + scores.index(max(scores))
    # The table of seeds, then the report of the one that is kept.
    assert done.out.index("kept: best on dev") < done.out.index("TF-IDF + linear")
    record = json.loads((out / "fenlei.json").read_text("utf-8"))
    assert record["training"]["seed"] == told["best"]
    report = json.loads((out / "report" / "test" / "report.json").read_text("utf-8"))
    kept = next(one for one in told["runs"] if one["seed"] == told["best"])
    assert report["figures"]["micro_f1"]["value"] == kept["test"]["micro_f1"]
    before = (run / "seeds" / "seed-7" / "fenlei.json").stat().st_mtime_ns
    fenlei("train", *arguments, "--resume", "--overwrite")
    assert (run / "seeds" / "seed-7" / "fenlei.json").stat().st_mtime_ns == before
    assert json.loads((run / "seeds.json").read_text("utf-8")) == told


def test_nothing_to_resume(fenlei, tmp_path, tiny_encoder):
    data = write_rows(tmp_path / "a.csv", 60, seed=3)
    done = fenlei("train", data, "--out", tmp_path / "o", "--encoder", tiny_encoder, "--resume", *SETTINGS, expect=1)
    assert "there is no checkpoint to resume from" in done.err
    assert not (tmp_path / "o.run").exists()


@pytest.mark.parametrize(
    ("moment", "more"),
    [("encoder", []), ("probe", []), ("probe", ["--folds", 2]), ("probe", ["--seeds", 2])],
    ids=str,
)
def test_a_run_without_a_checkpoint_is_resumed_from_the_start(
    fenlei, tmp_path, tiny_encoder, monkeypatch, more, moment
):
    data = write_rows(tmp_path / "a.csv", 80, seed=3)
    train = ["train", data, "--encoder", tiny_encoder, *SETTINGS, *more]

    def interrupt(*arguments, **named):
        raise KeyboardInterrupt

    # Ctrl-C while the encoder is loaded, or in the first probe.
    place = {"encoder": "job.open_encoder", "probe": "loop.fit_head"}[moment]
    with monkeypatch.context() as interrupted:
        interrupted.setattr(f"fenlei.train.{place}", interrupt)
        fenlei(*train, "--out", tmp_path / "o", "--epochs", 1, expect=130)
    split = {path: path.read_bytes() for path in (tmp_path / "o.run" / "split").iterdir()}
    if moment != "encoder":
        refused = fenlei(*train, "--out", tmp_path / "o", "--epochs", 2, "--seed", 7, "--resume", expect=1)
        assert "epochs was 1 and is now 2" in refused.err
        assert len(refused.err) < 3000
        assert split == {path: path.read_bytes() for path in split}
    done = fenlei(*train, "--out", tmp_path / "o", "--epochs", 1, "--resume")
    assert "resumed    from the start" in done.err
    fenlei(*train, "--out", tmp_path / "whole", "--epochs", 1)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("o", "whole")]
    assert weights[0] == weights[1]
    assert {path.name for path in (tmp_path / "o.run").iterdir()} <= {"journal.jsonl", "split", "seeds", "seeds.json"}


def test_the_list_of_flags_changes_only_on_purpose():
    frozen = {
        "train": "average_best awp batch_size checkpoint_every clip_norm data dev device ema encoder encoding "
        "epochs fgm fingerprints folds freeze_layers gradient_checkpointing group_column "
        "head_learning_rate head_samples id_column label_column label_separator layer_decay leaks learning_rate "
        "linear_probe loss "
        "max_tokens max_windows normalize on_bad_row out overwrite pair patience pooling precision rdrop recipe resume "
        "schedule seed seeds task test text_column threads tokens_per_batch truncation warmup weight_decay window_join "
        "window_overlap",
        "compare": "as_json data device encoding first group_column id_column label_column label_separator "
        "on_bad_row out pair precision second text_column threads",
        "evaluate": "as_json bundle data device encoding group_column id_column label_column label_separator language "
        "on_bad_row out pair precision text_column threads",
        "decide": "at_least_one at_most blend bundle calibration data device encoding exclusive goal label_column "
        "label_separator needs_person on_bad_row pair parents precision restore show text_column threads thresholds",
        "predict": "bundle device encoding file on_bad_row out out_format overwrite pair precision text_column threads "
        "top_k",
    }
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        if name in frozen:
            assert sorted(inspect.signature(command.callback).parameters) == frozen[name].split(), name
        assert inspect.getdoc(command.callback), name


def test_the_version(fenlei):
    assert fenlei("--version").out.strip() == importlib.metadata.version("fenlei")


def test_the_package_itself_is_the_command():
    ran = subprocess.run([sys.executable, "-m", "fenlei", "--help"], capture_output=True, encoding="utf-8", check=True)
    assert "python -m fenlei" in ran.stdout
    assert "predict" in ran.stdout


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "模型")


def test_decide_without_rows_loads_no_network(copy):
    program = (
        "import sys; from fenlei.cli import main; sys.argv = ['fenlei', 'decide', *sys.argv[1:]]\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )
    for flags in (["--show"], ["--at-most", "1"], ["--restore"]):
        done = subprocess.run([sys.executable, "-c", program, copy, *flags], capture_output=True, encoding="utf-8")
        assert "thresholds" in done.stdout, done.stderr
        assert done.stderr.splitlines()[-1] == "False"


def test_decide_changes_the_rule_everywhere_and_restores_it(fenlei, copy, tmp_path):
    test = write_rows(tmp_path / "测试.csv", 60, seed=7)
    lines = [line["内容"] for line in csv.DictReader(test.read_text("gb18030").splitlines())]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines), "utf-8")
    shown = fenlei("decide", copy, "--show", *QUICK).out
    assert "fitted on    dev: 38 rows" in shown
    assert "thresholds   global, for micro-f1" in shown
    before = (copy / "fenlei.json").read_bytes()
    assert fenlei("decide", copy, *QUICK).out == shown
    assert (copy / "fenlei.json").read_bytes() == before

    options = ["--for", "macro-f1", "--at-least-one", "--at-most", 1, "--needs-person", 0.2, "--exclusive", "体育|财经"]
    told = fenlei("decide", copy, *options, *QUICK)
    for part in ("shrunk, for macro-f1", "at least     one label", "at most      1 labels", "exclusive    体育 | 财经"):
        assert part in told.out
    assert "--restore" in told.err

    # The same rule from Python, in predict and in evaluate.
    classifier = Classifier.load(copy, precision="float32", threads=1)
    answers = classifier.predict(lines)
    assert all(len(answer.labels) == 1 for answer in answers)
    assert 0 < sum(answer.needs_person for answer in answers) < 40
    predicted = fenlei("predict", copy, tmp_path / "a.jsonl", *QUICK).out.splitlines()
    assert [json.loads(line)["predicted"] for line in predicted] == [list(answer.labels) for answer in answers]
    assert [json.loads(line)["needs_person"] for line in predicted] == [answer.needs_person for answer in answers]
    report = json.loads(fenlei("evaluate", copy, test, "--json", "--out", tmp_path / "r", *QUICK).out)
    assert report["rows_given_no_label"] == 0
    assert report["rows_for_a_person"] == sum(answer.needs_person for answer in answers)
    named = {label["label"]: label["predicted"] for label in report["labels"]}
    assert named == {label: sum(label in answer.labels for answer in answers) for label in classifier.labels}

    # What is not named stays; nothing but the decision has changed.
    again = fenlei("decide", copy, "--for", "precision=0.9", *QUICK).out
    assert "global, for precision=0.9" in again
    assert "at least     one label" in again
    assert "shrunk, for macro-f1" in fenlei("decide", copy, "--restore", *QUICK).out
    assert "for precision=0.9" in fenlei("decide", copy, "--restore", *QUICK).out
    lifted = fenlei("decide", copy, "--exclusive", "none", "--at-most", 0, "--no-at-least-one", *QUICK).out
    for part in ("exclusive", "at most", "at least"):
        assert part not in lifted


def test_decide_fits_on_given_rows_and_remembers_them(fenlei, copy, tmp_path):
    rows = write_rows(tmp_path / "新.csv", 50, seed=8)
    shown = fenlei("decide", copy, rows, "--thresholds", "label", "--calibration", "temperature", *QUICK).out
    assert "fitted on    新.csv: 50 rows" in shown
    assert "thresholds   label, for micro-f1" in shown
    told = fenlei("evaluate", copy, rows, "--out", tmp_path / "r", *QUICK).out
    assert "50 of these rows served to fit its decision" in told
    done = fenlei("decide", copy, tmp_path / "none.csv", *QUICK, expect=1)
    assert "none.csv" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--for", "f1"], "--for is 'f1'; accepted are micro-f1"),
        (["--thresholds", "own"], "--thresholds is 'own'; accepted are fixed, global, label, shrunk"),
        (["--calibration", "isotonic"], "--calibration is 'isotonic'; for multilabel accepted are"),
        (["--needs-person", "7"], "--needs-person is 7.0; it is a share between 0 and 1"),
        (["--encoding", "gbk"], "--encoding says how rows are read, and none are given"),
        (["--exclusive", "体育|健身"], "'健身' is not a label; the nearest is '健康'"),
        (["--parents"], "no label is the parent of another"),
        (["--show", "--at-least-one"], "--show and --restore each stand alone"),
        (["--restore"], "there is no earlier decision to go back to"),
    ],
)
def test_a_wrong_decide_changes_nothing(fenlei, copy, arguments, message):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert message in fenlei("decide", copy, *arguments, *QUICK, expect=1).err
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_two_columns_are_a_pair_from_training_to_prediction(fenlei, tmp_path, tiny_encoder):
    data = write_titled_rows(tmp_path / "a.csv")
    columns = ["--text-column", "标题", "--text-column", "正文", "--pair"]
    fenlei("train", data, "--out", tmp_path / "o", "--encoder", tiny_encoder, "--epochs", 1, *SETTINGS, *columns)
    # The bundle remembers columns and pair.
    answered = fenlei("predict", tmp_path / "o", data, "--format", "jsonl", "--top-k", 3, *QUICK).out
    first = json.loads(answered.splitlines()[0])
    classifier = Classifier.load(tmp_path / "o", precision="float32", threads=1)
    assert classifier.text_columns == ("标题", "正文")
    [prediction] = classifier.predict([pair_texts(first["标题"], first["正文"])])
    assert first["scores"] == pytest.approx(dict(prediction.scores), abs=1e-5)
    # Plain transformers, given the two texts as a pair, agrees.
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "o")
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "o").eval()
    logits = network(**tokenizer(first["标题"], first["正文"], return_tensors="pt")).logits[0].detach()
    own = classifier.logits([pair_texts(first["标题"], first["正文"])])[0]
    assert own.tolist() == pytest.approx(logits.tolist(), abs=1e-5)
    assert "\x1e" not in (tmp_path / "o" / "report" / "test" / "errors.csv").read_text("utf-8-sig")
    # The part that train wrote holds the same pairs, in one column.
    part = tmp_path / "o.run" / "split" / "test.csv"
    trained = json.loads((tmp_path / "o" / "report" / "test" / "report.json").read_text("utf-8"))
    for named in ([], ["--text-column", "text"]):
        again = json.loads(fenlei("evaluate", tmp_path / "o", part, *named, "--json", *QUICK).out)
        assert again["figures"] == trained["figures"]
    # So do the parts of a split that was told of pairs, and others are refused.
    for pair, expect in ((["--pair"], 0), ([], 1)):
        fenlei("split", data, "--out", tmp_path / "parts", "--overwrite", "--ratios", "1:1", *columns[:4], *pair)
        train = [tmp_path / "parts" / "train.csv", "--test", tmp_path / "parts" / "test.csv", "--epochs", 0, *SETTINGS]
        done = fenlei(
            "train", *train, "--out", tmp_path / f"p{expect}", "--encoder", tiny_encoder, *columns, expect=expect
        )
    assert "train.csv was written without --pair: no text in it is a pair" in done.err
    assert all("\x1e" in row.text for row in read_examples(tmp_path / "o.run" / "split" / "test.csv").examples)
    refused = fenlei("train", data, "--out", tmp_path / "e", "--text-column", "标题", "--pair", expect=1)
    assert "--pair takes two text columns, and 1 are named" in refused.err


def test_decide_on_classes(fenlei, tmp_path, tiny_encoder):
    random = np.random.default_rng(0)
    data = tmp_path / "a.csv"
    lines = ["内容,标签"]
    for number in range(120):
        label = random.choice(list(TOPICS))
        lines.append(f"{''.join(random.choice(TOPICS[label], 2))}的消息{number},{label}")
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    folder = tmp_path / "o"
    fenlei("train", data, "--out", folder, "--encoder", tiny_encoder, "--epochs", 2, *SETTINGS)
    told = fenlei("decide", folder, "--needs-person", 0.3, *QUICK).out
    assert "labels       the highest score; slope" in told
    assert "calibration  temperature" in told
    assert "a person     looks where" in told
    fenlei("predict", folder, data, "--out", tmp_path / "out.csv", *QUICK)
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        needed = [row["needs_person"] for row in csv.DictReader(file)]
    assert set(needed) == {"yes", ""}
    for arguments, message in [
        (["--for", "macro-f1"], "a multiclass decision takes the highest score: it has no thresholds to fit"),
        (["--at-least-one"], "a multiclass decision gives exactly one label"),
        (["--calibration", "platt"], "for multiclass accepted are none, temperature"),
    ]:
        assert message in fenlei("decide", folder, *arguments, *QUICK, expect=1).err


def test_compare_says_what_a_change_of_the_decision_did(fenlei, bundle, copy, tmp_path):
    test = write_rows(tmp_path / "测试.csv", 80, seed=11)
    fenlei("decide", copy, "--at-least-one", *QUICK)
    told = fenlei("compare", bundle, copy, test, "--out", tmp_path / "o", *QUICK)
    assert "rows are answered otherwise" in told.out
    assert "helped to make" not in told.err
    found = json.loads((tmp_path / "o" / "compare.json").read_text("utf-8"))
    old, new = (
        json.loads(fenlei("evaluate", one, test, "--json", "--out", tmp_path / "r", *QUICK).out)
        for one in (bundle, copy)
    )
    assert found["first"]["micro_f1"] == old["figures"]["micro_f1"]["value"]
    assert found["second"]["micro_f1"] == new["figures"]["micro_f1"]["value"]
    with (tmp_path / "o" / "changed.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    # Only rows that had no label before can have changed.
    assert len(rows) == old["rows_given_no_label"] > 0
    assert all(not row["first"] and row["second"] for row in rows)
    train = bundle.with_name(f"{bundle.name}.run") / "split" / "train.csv"
    assert "of these rows helped to make" in fenlei("compare", bundle, copy, train, *QUICK).err


def test_compare_lets_each_bundle_read_the_columns_it_was_trained_on(fenlei, tmp_path, tiny_encoder):
    data = write_titled_rows(tmp_path / "a.csv")
    figures = {}
    for name, columns in {"one": ["正文"], "two": ["标题", "正文"]}.items():
        named = [argument for column in columns for argument in ("--text-column", column)]
        more = ["--encoder", tiny_encoder, "--epochs", 2, *SETTINGS, *named]
        fenlei("train", data, "--out", tmp_path / name, *more)
        told = fenlei("evaluate", tmp_path / name, data, *named, "--json", *QUICK).out
        figures[name] = json.loads(told)["figures"]["accuracy"]["value"]
    for first, second in (("one", "two"), ("two", "one")):
        found = json.loads(fenlei("compare", tmp_path / first, tmp_path / second, data, "--json", *QUICK).out)
        assert (found["first"]["accuracy"], found["second"]["accuracy"]) == (figures[first], figures[second])
    with data.open("a", encoding="utf-8") as file:
        file.write("只有标题,,财经\n")
    compare = ["compare", tmp_path / "one", tmp_path / "two", data, "--on-bad-row", "skip", *QUICK]
    assert "not the same rows have both" in fenlei(*compare, expect=1).err


def test_compare_refuses_classifiers_of_other_labels(fenlei, bundle, tmp_path, tiny_encoder):
    data = write_rows(tmp_path / "a.csv", 60, seed=3)
    data.write_text(data.read_text("gb18030").replace("体育", "运动"), "gb18030")
    fenlei("train", data, "--out", tmp_path / "o", "--encoder", tiny_encoder, "--epochs", 1, *SETTINGS)
    assert "answer different questions" in fenlei("compare", bundle, tmp_path / "o", data, *QUICK, expect=1).err


def test_a_bundle_that_cannot_be_written_costs_no_training(fenlei, tmp_path, tiny_encoder, monkeypatch):
    data = write_rows(tmp_path / "a.csv", 80, seed=3)
    train = ["train", data, "--encoder", tiny_encoder, "--epochs", 2, "--checkpoint-every", 3, *SETTINGS]

    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("fenlei.bundle.Bundle.write", full)
        fenlei(*train, "--out", tmp_path / "o", expect=1)
    # The same command again, with --resume forgotten, does not throw the work away.
    refused = fenlei(*train, "--out", tmp_path / "o", expect=1)
    assert "an interrupted training left" in refused.err
    assert "--resume" in refused.err
    done = fenlei(*train, "--out", tmp_path / "o", "--resume")
    assert "resumed    in epoch 2" in done.err
    fenlei(*train, "--out", tmp_path / "whole")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("o", "whole")]
    assert weights[0] == weights[1]
    assert not list((tmp_path / "o.run").glob("checkpoint-*"))


def test_a_folder_for_results_is_not_a_file_and_has_a_name(fenlei, bundle, tmp_path, monkeypatch):
    data = write_rows(tmp_path / "a.csv", 30, seed=3)
    there = tmp_path / "there"
    there.write_text("precious")
    for command in (["evaluate", bundle, data], ["compare", bundle, bundle, data], ["split", data], ["losses", data]):
        assert "is a file" in fenlei(*command, "--out", there, expect=2).err
    assert there.read_text() == "precious"
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    refused = fenlei("train", data, "--out", ".", *SETTINGS, expect=1).err
    assert "--out is '.', a folder that has no name of its own" in refused


def test_fixed_thresholds_reach_no_goal_and_can_be_let_go(fenlei, copy):
    fixed = fenlei("decide", copy, "--thresholds", "fixed").out
    assert "thresholds   fixed at 0.5" in fixed
    refused = fenlei("decide", copy, "--for", "recall=0.9", expect=1).err
    assert "hint: --thresholds auto lets them follow it" in refused
    assert (
        "thresholds   shrunk, for macro-f1" in fenlei("decide", copy, "--for", "macro-f1", "--thresholds", "auto").out
    )


def test_predict_says_which_side_of_a_tab_it_reads(fenlei, bundle, tmp_path):
    lines = tmp_path / "cnews.txt"
    lines.write_text("体育\t球队进决赛\n", encoding="utf-8")
    done = fenlei("predict", bundle, lines, "--format", "jsonl", *QUICK)
    assert json.loads(done.out)["text"] == "球队进决赛"
    assert f"read       {lines}: labels<TAB>text lines utf-8, text in 'text'" in done.err
    lines.write_text("n1\t球队进决赛\n", encoding="utf-8")
    assert "neither holds labels of the classifier" in fenlei("predict", bundle, lines, *QUICK, expect=1).err

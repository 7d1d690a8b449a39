"""What a long text says at its end: read in windows it is found, named with its place, and kept in result files."""

import csv
import io
import json

import fastexcel
import numpy as np
import polars as pl
import pytest
from rich.console import Console

from fenlei import BundleError, Classifier, Example, ReadOptions, SettingsError, open_runtime
from fenlei.bundle import Bundle
from fenlei.journal import Journal
from fenlei.predict import files
from fenlei.predict.files import predict_file, predict_to_stream
from fenlei.text.example import pair_texts
from fenlei.text.unlabelled import TextSource

TOPICS = {
    "财经": ["股票", "涨跌", "银行", "利率"],
    "体育": ["球队", "比赛", "决赛", "冠军"],
    "健康": ["新药", "临床", "医院", "疫苗"],
}
FILLER = list("的了在是今天昨日消息报道")


def evidence_of(label, random):
    return "".join(random.choice(TOPICS[label], 3, replace=False))


def rows(count, seed, shortest=0, longest=30):
    """Filler, and at its end what one or two labels are told by."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        labels = random.choice(list(TOPICS), size=random.integers(1, 3), replace=False)
        filler = "".join(random.choice(FILLER, random.integers(shortest, longest)))
        text = filler + "".join(evidence_of(label, random) for label in labels)
        made.append(Example(str(number), text, tuple(str(label) for label in labels)))
    return made


def trained(encoder, truncation, journal=None):
    return Classifier.train(
        rows(240, 1),
        dev=rows(60, 2),
        runtime=open_runtime(device="cpu", precision="float32", threads=1),
        journal=journal,
        encoder=str(encoder),
        max_tokens=26,
        truncation=truncation,
        epochs=15,
        learning_rate=3e-3,
        head_learning_rate=3e-3,
    )


@pytest.fixture(scope="module")
def classifier(tiny_encoder):
    return trained(tiny_encoder, "windows")


@pytest.fixture(scope="module")
def folder(classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "windows"
    classifier.save(folder)
    return folder


LONG = rows(60, 3, shortest=40, longest=70)
TEXTS = [row.text for row in LONG]


def share_right(classifier):
    """Of the encoder alone, at its loss's border between right and wrong."""
    labels = np.array(classifier.labels)
    given = [set(labels[row > 0]) for row in classifier.logits(TEXTS)]
    return np.mean([one == set(row.labels) for one, row in zip(given, LONG, strict=True)])


def test_evidence_at_the_end_is_found_by_windows_and_not_by_the_head(classifier, tiny_encoder):
    assert share_right(classifier) > 0.9
    told = io.StringIO()
    head = trained(tiny_encoder, "head", Journal(console=Console(file=told, width=200)))
    assert "of their tokens; --truncation windows or --max-tokens lets the encoder read more" in told.getvalue()
    assert share_right(head) < 0.3
    assert not any(answer.windows for answer in head.predict(TEXTS))
    # The linear model has no limit.
    [text, *_] = TEXTS
    whole, cut = head._scorer.baseline_logits([text, text[:26]])
    assert not np.allclose(whole, cut, atol=0.1)


def test_the_deciding_window_points_at_the_evidence(classifier):
    found = pointed = 0
    for row, answer in zip(LONG, classifier.predict(TEXTS), strict=True):
        assert [label for label, _, _ in answer.windows] == list(answer.labels)
        for label, begin, end in answer.windows:
            assert 0 <= begin < end <= len(row.text)
            assert end - begin <= 24
            found += 1
            pointed += any(word in row.text[begin:end] for word in TOPICS[label])
    assert found > 60
    assert pointed / found > 0.95
    assert classifier.predict(["球队比赛冠军"])[0].windows == ()


def test_order_and_company_change_no_answer(classifier):
    together = classifier.predict(TEXTS)
    assert [answer.windows for answer in classifier.predict(TEXTS[::-1])][::-1] == [one.windows for one in together]
    alone = np.concatenate([classifier.scores([text]) for text in TEXTS])
    np.testing.assert_allclose(classifier.scores(TEXTS), alone, atol=1e-5)
    np.testing.assert_array_equal(
        classifier.scores(TEXTS), [[dict(a.scores)[name] for name in classifier.labels] for a in together]
    )


def test_any_iterable_of_texts_gets_its_own_windows(classifier):
    class Series:
        """A column whose rows are named by numbers, as that of a filtered pandas table: [5] is the row named 5."""

        def __iter__(self):
            return iter(TEXTS)

        def __len__(self):
            return len(TEXTS)

        def __getitem__(self, name):
            return TEXTS[::-1][name]

    expected = classifier.predict(TEXTS)
    assert classifier.predict(Series()) == expected
    assert classifier.predict(text for text in TEXTS) == expected


def test_a_reloaded_classifier_names_the_same_windows(classifier, folder):
    reloaded = Classifier.load(folder, device="cpu", precision="float32", threads=1)
    np.testing.assert_allclose(reloaded.scores(TEXTS), classifier.scores(TEXTS), atol=1e-6)
    assert [answer.windows for answer in reloaded.predict(TEXTS)] == [one.windows for one in classifier.predict(TEXTS)]
    assert reloaded.reads_windows


def test_a_bundle_from_before_there_were_windows_is_read(folder, tmp_path):
    manifest = json.loads((folder / "fenlei.json").read_text("utf-8"))
    assert manifest["text"]["truncation"] == "windows"
    old = tmp_path / "old"
    Classifier.load(folder).save(old)
    manifest = json.loads((old / "fenlei.json").read_text("utf-8"))
    manifest["text"] = {"max_tokens": 26, "truncation": "head", "normalize": "none"}
    (old / "fenlei.json").write_text(json.dumps(manifest), "utf-8")
    assert not Classifier.load(old).reads_windows
    assert Bundle.read(old).text.max_windows == 8
    manifest["text"]["truncation"] = "sentences"
    (old / "fenlei.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BundleError, match="--truncation is 'sentences'; accepted are head, head\\+tail, windows"):
        Bundle.read(old)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "新闻.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("编号", "正文"), *((row.id, row.text) for row in LONG), ("短", "球队比赛冠军")])
    return TextSource(path, ReadOptions())


@pytest.mark.parametrize("result_format", ["csv", "jsonl", "parquet", "xlsx"])
def test_result_files_keep_the_deciding_windows(classifier, source, tmp_path, result_format):
    out = tmp_path / f"out.{result_format}"
    predict_file(classifier, source, out, result_format=result_format, top_k=2)
    answers = classifier.predict([*TEXTS, "球队比赛冠军"])
    if result_format == "jsonl":
        found = [json.loads(line)["windows"] for line in out.read_text("utf-8").splitlines()]
        assert found == [{label: [begin, end] for label, begin, end in answer.windows} for answer in answers]
        assert found[-1] == {}
        return
    if result_format == "csv":
        with out.open(encoding="utf-8-sig", newline="") as file:
            made = list(csv.DictReader(file))
    elif result_format == "parquet":
        made = pl.read_parquet(out).to_dicts()
    else:
        made = fastexcel.read_excel(out).load_sheet(0, dtypes="string").to_polars().to_dicts()
    assert list(made[0]) == ["编号", "正文", "predicted", "scores", "windows"]
    assert [row["windows"] or "" for row in made] == [
        "|".join(f"{label} {begin}-{end}" for label, begin, end in answer.windows) for answer in answers
    ]


def test_plain_lines_stay_as_they_are(classifier, source):
    stream = io.StringIO()
    predict_to_stream(classifier, source, stream, result_format="lines", top_k=1)
    assert all(line.count("\t") == 2 for line in stream.getvalue().splitlines())


def test_a_killed_run_goes_on_to_the_same_bytes(classifier, source, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_BLOCK", 16)
    predict_file(classifier, source, tmp_path / "whole.jsonl", result_format="jsonl")
    append = files._Part.append

    def killed(part, lines, count):
        append(part, lines, count)
        raise KeyboardInterrupt

    for _ in range(2):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(files._Part, "append", killed)
            predict_file(classifier, source, tmp_path / "out.jsonl", result_format="jsonl")
    assert predict_file(classifier, source, tmp_path / "out.jsonl", result_format="jsonl") == 32
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_an_input_that_has_the_column_already_is_refused(classifier, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,windows\n球队,1\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="the input already has the column 'windows'"):
        predict_file(classifier, TextSource(path, ReadOptions()), tmp_path / "out.csv", result_format="csv")


def test_of_a_pair_the_span_lies_in_the_second_text(classifier):
    [answer] = classifier.predict([pair_texts("昨日", "的了在是" * 12 + "新药临床医院")])
    assert answer.labels == ("健康",)
    [(_, begin, end)] = answer.windows
    assert "医院" in ("的了在是" * 12 + "新药临床医院")[begin:end]


def test_one_class_by_the_mean_of_windows(tiny_encoder):
    """Evidence near the end of texts of two or three windows, one class each."""
    random = np.random.default_rng(5)

    def one_class(count):
        made = []
        for number in range(count):
            label = str(random.choice(list(TOPICS)))
            filler = "".join(random.choice(FILLER, random.integers(0, 40)))
            made.append(Example(str(number), filler + evidence_of(label, random), (label,)))
        return made

    classifier = Classifier.train(
        one_class(240),
        dev=one_class(60),
        runtime=open_runtime(device="cpu", precision="float32", threads=1),
        encoder=str(tiny_encoder),
        max_tokens=26,
        truncation="windows",
        epochs=15,
        learning_rate=3e-3,
        head_learning_rate=3e-3,
    )
    assert classifier.task == "multiclass"
    assert classifier._bundle.text.window_join == "mean"
    test = one_class(80)
    answers = classifier.predict([row.text for row in test])
    assert np.mean([answer.labels == row.labels for answer, row in zip(answers, test, strict=True)]) > 0.9
    assert all(len(answer.windows) == (len(row.text) > 24) for answer, row in zip(answers, test, strict=True))

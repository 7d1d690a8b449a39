"""From rows to a bundle and back: the same answers from Python, after a reload, and from transformers alone."""

import io
import json
import pickle
import shutil
from copy import deepcopy as copy_of
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from rich.console import Console
from safetensors import SafetensorError
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from fenlei import (
    BundleError,
    Classifier,
    DataError,
    Example,
    SettingsError,
    TrainSettings,
    examples_from,
    open_runtime,
)
from fenlei.bundle import Bundle
from fenlei.decided import Decided
from fenlei.journal import Journal
from fenlei.judge.blend import Blend
from fenlei.judge.decision import Decision
from fenlei.predict.evaluate import groups_of
from fenlei.text.labels import LabelSet
from fenlei.text.split import split_examples

TOPICS = {
    "财经": ["股票", "涨跌", "银行", "利率"],
    "体育": ["球队", "比赛", "决赛", "冠军"],
    "健康": ["新药", "临床", "医院", "疫苗"],
}


def rows(count, seed, single=False):
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        labels = random.choice(list(TOPICS), size=1 if single else random.integers(0, 3), replace=False)
        words = [word for label in labels for word in random.choice(TOPICS[label], 2)]
        text = "".join(random.permutation([*words, "今天", "的", "消息", str(number)]))
        made.append(Example(str(number), text, tuple(str(label) for label in labels)))
    return made


@pytest.fixture(scope="module")
def trained(tiny_encoder):
    runtime = open_runtime(device="cpu", precision="float32", threads=1)
    return Classifier.train(
        rows(300, 1),
        dev=rows(60, 2),
        runtime=runtime,
        encoder=str(tiny_encoder),
        max_tokens=40,
        epochs=10,
        learning_rate=3e-3,
        head_learning_rate=3e-3,
    )


def test_scikit_learns_metrics_say_what_the_report_says(trained):
    test = rows(80, 3)
    texts, binarizer = [row.text for row in test], MultiLabelBinarizer(classes=trained.labels)
    truth = binarizer.fit_transform([row.labels for row in test])
    report = trained.evaluate(examples_from(texts, truth, names=binarizer.classes_)).report
    predicted = trained.decision.apply(trained.scores(texts))
    assert report.figures["micro_f1"].value == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert report.figures["macro_f1"].value == pytest.approx(f1_score(truth, predicted, average="macro"))


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "新闻 模型"
    trained.save(folder)
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def load(folder):
    return Classifier.load(folder, device="cpu", precision="float32", threads=1)


TEXTS = ["球队今天进决赛", "银行利率涨跌的消息", "", "医院报道[MASK]新药和股票" + "了" * 100]


def test_it_learned_and_says_so_honestly(trained):
    evaluation = trained.evaluate(rows(80, 3))
    figure = evaluation.report.figures["micro_f1"]
    assert figure.value > 0.9
    assert figure.interval.low <= figure.value <= figure.interval.high
    assert evaluation.report.comparison.name == "TF-IDF + linear"
    again = trained.evaluate(rows(300, 1)[:50])
    assert any("were in the train part" in note for note in again.report.notes())


def test_a_reloaded_classifier_answers_alike_to_the_bit(trained, folder):
    np.testing.assert_array_equal(load(folder).scores(TEXTS), trained.scores(TEXTS))
    assert load(folder).predict(TEXTS) == trained.predict(TEXTS)
    assert load(folder).decision == trained.decision


def test_a_bundle_from_before_pooling_was_stored_still_loads(trained, copy):
    manifest = json.loads((copy / "fenlei.json").read_text("utf-8"))
    assert manifest.pop("pooling") == "first"
    (copy / "fenlei.json").write_text(json.dumps(manifest), "utf-8")
    np.testing.assert_array_equal(load(copy).scores(TEXTS), trained.scores(TEXTS))


def test_transformers_alone_gives_the_same_logits(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    batch = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        logits = network(**batch).logits.numpy()
    classifier = load(folder)
    np.testing.assert_allclose(logits, classifier.logits(TEXTS), rtol=1e-5, atol=1e-5)
    assert [network.config.id2label[i] for i in range(3)] == list(classifier.labels)
    assert network.config.problem_type == "multi_label_classification"


def test_order_and_company_change_no_answer(folder):
    classifier = load(folder)
    many = [row.text for row in rows(50, 4)]
    together = classifier.scores(many)
    np.testing.assert_allclose(classifier.scores(many[::-1])[::-1], together, atol=1e-5)
    alone = np.concatenate([classifier.scores([text]) for text in many])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_predictions_follow_the_saved_decision(folder):
    classifier = load(folder)
    scores = classifier.scores(TEXTS)
    for row, prediction in zip(scores, classifier.predict(TEXTS, top_k=2), strict=True):
        expected = [
            label
            for label, score in zip(classifier.labels, row, strict=True)
            if score >= classifier.decision.thresholds
        ]
        assert list(prediction.labels) == expected
        assert [label for label, _ in prediction.scores] == [classifier.labels[i] for i in np.argsort(-row)[:2]]


def test_a_multiclass_task_gives_exactly_one_label(tiny_encoder, tmp_path):
    classifier = Classifier.train(
        rows(300, 5, single=True),
        runtime=open_runtime(device="cpu", precision="float32", threads=1),
        encoder=str(tiny_encoder),
        max_tokens=40,
        epochs=12,
        learning_rate=3e-3,
        head_learning_rate=3e-3,
    )
    assert classifier.task == "multiclass"
    classifier.save(tmp_path / "bundle")
    reloaded = load(tmp_path / "bundle")
    np.testing.assert_allclose(reloaded.scores(TEXTS).sum(axis=1), 1)
    assert all(len(prediction.labels) == 1 for prediction in reloaded.predict(TEXTS))
    evaluation = reloaded.evaluate(rows(60, 6, single=True))
    assert evaluation.report.figures["accuracy"].value > 0.9


def test_settings_and_more_beside_them_are_refused():
    with pytest.raises(SettingsError, match="settings= is given, and epochs, seed beside it") as caught:
        Classifier.train(rows(10, 1), settings=TrainSettings(), epochs=5, seed=1)
    assert "dataclasses.replace(settings, …)" in caught.value.hint
    with pytest.raises(SettingsError, match="runtime= is given, and threads beside it"):
        Classifier.train(rows(10, 1), runtime=open_runtime(), threads=1)


def test_training_computes_where_it_is_told_as_loading_does(tiny_encoder):
    where = {"device": "cpu", "precision": "float32", "threads": 1}
    found = Classifier.train(rows(40, 1), encoder=str(tiny_encoder), epochs=0, max_tokens=40, **where)
    assert {name: found.fingerprint()[name] for name in where} == where


def test_a_dev_part_that_was_trained_on_is_refused_or_told(tiny_encoder):
    quick = {"encoder": str(tiny_encoder), "epochs": 0, "max_tokens": 40}
    runtime = open_runtime(device="cpu", precision="float32", threads=1)
    with pytest.raises(DataError, match="every dev row is a training row too"):
        Classifier.train(rows(60, 1), dev=rows(20, 1), runtime=runtime, **quick)
    told = io.StringIO()
    with Journal(console=Console(file=told, width=200)) as journal:
        mixed = [*rows(20, 2), *(replace(row, id=f"again {row.id}") for row in rows(5, 1))]
        Classifier.train(rows(60, 1), dev=mixed, runtime=runtime, journal=journal, **quick)
    assert "warning: 5 of the 25 dev rows are training rows too" in told.getvalue()


def test_one_string_is_no_list_of_texts(trained):
    with pytest.raises(DataError, match="a list of texts is needed"):
        trained.predict("球队今天进决赛")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([TEXTS[0], None], r"text 2 of 2 is 'None' of the type NoneType; a text is a str"),
        ([float("nan")], r"text 1 of 1 is 'nan' of the type float"),
        ([5], r"text 1 of 1 is '5' of the type int"),
        (b"abc", r"text 1 of 3 is '97' of the type int"),
        (["\ud800坏"], r"text 1 of 1 has half a character, '\\ud800', at 0"),
        (pl.DataFrame({"text": TEXTS}), "a list of texts is needed, and this is a DataFrame"),
        ({"text": TEXTS}, "a list of texts is needed, and this is a dict"),
    ],
    ids=str,
)
@pytest.mark.parametrize("ask", ["predict", "scores", "logits"])
def test_what_is_no_text_is_named(trained, ask, texts, message):
    with pytest.raises(DataError, match=message):
        getattr(trained, ask)(texts)


def test_any_iterable_will_do(trained):
    examples = rows(60, 2)
    expected = trained.predict(TEXTS)
    assert trained.predict(iter(TEXTS)) == trained.predict(np.array(TEXTS)) == trained.predict(tuple(TEXTS)) == expected
    assert trained.predict(pl.Series(TEXTS)) == expected
    assert trained.has_seen(row.text for row in examples).all()
    assert trained.evaluate(iter(examples)).report.to_dict() == trained.evaluate(examples).report.to_dict()
    again, listed = (trained.refit_decision(examples=few) for few in (iter(examples), examples))
    assert again.fitted_decision.decision == listed.fitted_decision.decision
    parts = [split_examples(few, ratios={"train": 0.8, "test": 0.2}, seed=1) for few in (iter(examples), examples)]
    assert parts[0] == parts[1]


def test_no_rows_are_no_evaluation(trained):
    with pytest.raises(DataError, match="there are no rows to evaluate"):
        trained.evaluate([])


def test_an_unknown_label_is_named_with_its_row_and_the_nearest(trained):
    with pytest.raises(
        DataError, match="row 7: the label '体育界' is not among the 3 labels.*nearest known one is '体育'"
    ):
        trained.evaluate([Example("7", "球队", ("体育界",))])


def test_a_bundle_is_not_overwritten_unasked(trained, copy):
    with pytest.raises(BundleError, match="already holds a bundle") as caught:
        trained.save(copy)
    assert "--overwrite" in caught.value.hint
    trained.save(copy, overwrite=True)
    assert load(copy).predict(TEXTS) == trained.predict(TEXTS)


def test_a_folder_that_is_no_bundle_is_never_overwritten(trained, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("precious")
    with pytest.raises(BundleError, match="exists and is not a bundle"):
        trained.save(tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "precious"


def test_no_bundle_there(tmp_path):
    with pytest.raises(BundleError, match="there is no bundle at"):
        Bundle.read(tmp_path / "nothing")
    with pytest.raises(BundleError, match=r"is not a bundle: it has no fenlei\.json"):
        Bundle.read(tmp_path)


def test_an_unknown_format_is_refused(copy):
    manifest = json.loads((copy / "fenlei.json").read_text("utf-8"))
    (copy / "fenlei.json").write_text(json.dumps(manifest | {"format": 99}), "utf-8")
    with pytest.raises(BundleError, match="has bundle format 99; this fenlei .* reads format 1"):
        Bundle.read(copy)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json has 2 bytes instead of"),
        (lambda f: (f / "fenlei.json").write_text("{"), "fenlei.json is damaged"),
        (lambda f: flip(f / "model.safetensors"), "the content of model.safetensors has changed"),
    ],
)
def test_a_damaged_bundle_is_refused_with_the_file_named(copy, damage, message):
    damage(copy)
    with pytest.raises(BundleError, match=message):
        Bundle.read(copy)


def test_a_decision_whose_rows_are_missing_says_so_alone(copy):
    [held_out] = copy.glob("held-out-*")
    held_out.unlink()
    with pytest.raises(BundleError, match=rf"^{copy} is damaged: {held_out.name} is missing$") as refused:
        Decided.read(copy)
    assert refused.value.hint == "copy the whole folder again"


def test_a_manifest_that_does_not_fit_is_refused(copy):
    manifest = json.loads((copy / "fenlei.json").read_text("utf-8"))
    del manifest["task"]
    (copy / "fenlei.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BundleError, match=r"fenlei\.json does not describe this bundle: KeyError\('task'\)"):
        Bundle.read(copy)
    manifest["task"] = "multilabel"
    for wrong in (3, {}, [1]):
        (copy / "fenlei.json").write_text(json.dumps(manifest | {"files": {"a": wrong}}), "utf-8")
        with pytest.raises(BundleError, match=r"fenlei\.json is damaged: it names no files"):
            Bundle.read(copy)
    del manifest["files"]
    (copy / "fenlei.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BundleError, match=r"fenlei\.json is damaged: it names no files"):
        Bundle.read(copy)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (["labels"], ["财经", "体育", "健康"], "the classifier has no label '财经' in that place"),
        (["labels"], ["体育", "健康"], "the classifier has no label|the classifier has 3 labels and not 2"),
        (["labels"], ["健康", "体育", "财经", "新"], "the classifier has no label"),
        (["text", "max_tokens"], "300", "--max-tokens is '300'"),
        (["decision", "rule", "thresholds"], True, "the decision cannot be right: the threshold True"),
        (["decision", "rule", "rules", "at_least_one"], "false", "would be read as"),
        (["decision", "rule", "rules", "at_most"], 1.9, "would be read as"),
        (["decision", "rule", "rules", "exclusives"], [[0, 1]], "would be read as"),
        (["decision", "held_out"], "nowhere.safetensors", "No such file"),
    ],
)
def test_what_was_edited_by_hand_and_cannot_be_is_refused(copy, place, value, reason):
    manifest = json.loads((copy / "fenlei.json").read_text("utf-8"))
    *way, last = place
    inner = manifest
    for name in way:
        inner = inner[name]
    inner[last] = value
    (copy / "fenlei.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BundleError, match=f"does not describe this bundle: .*({reason})"):
        Bundle.read(copy)


def test_a_manifest_saved_by_notepad_is_read(copy):
    content = (copy / "fenlei.json").read_bytes()
    (copy / "fenlei.json").write_bytes(b"\xef\xbb\xbf" + content)
    assert Bundle.read(copy).labels.names


def test_rows_are_examples_and_no_file(trained):
    for use in (trained.evaluate, lambda rows: trained.refit_decision(examples=rows)):
        with pytest.raises(DataError, match="examples are needed, and this is a str: 'test.csv'"):
            use("test.csv")


def changed_tokenizer(bundle):
    tokenizer = copy_of(bundle.tokenizer)
    tokenizer.tokenizer.no_padding()
    tokenizer.tokenizer.add_tokens(["新词"])
    return {"tokenizer": tokenizer}


def changed_config(bundle):
    classifier = copy_of(bundle.classifier)
    classifier.network.config.hidden_act = "relu"
    return {"classifier": classifier}


def changed_weight(bundle):
    classifier = copy_of(bundle.classifier)
    with torch.no_grad():
        next(classifier.parameters()).view(-1)[0] += 1
    return {"classifier": classifier}


CHANGES = {
    "weight": changed_weight,
    "config": changed_config,
    "tokenizer": changed_tokenizer,
    "text": lambda bundle: {"text": replace(bundle.text, max_tokens=39)},
    "labels": lambda bundle: {"labels": LabelSet(bundle.labels.names[::-1])},
    "decision": lambda bundle: {"decision": replace(bundle.decision, decision=Decision.default("multilabel"))},
    "blend": lambda bundle: {"decision": replace(bundle.decision, blend=Blend(encoder=0.5, baseline=0.25))},
    "idf": lambda bundle: {"baseline": replace(bundle.baseline, idf=bundle.baseline.idf + 1)},
    "bias": lambda bundle: {"baseline": replace(bundle.baseline, bias=bundle.baseline.bias + 1)},
    "linear weights": lambda bundle: {"baseline": replace(bundle.baseline, weights=bundle.baseline.weights + 1)},
    "vocabulary": lambda bundle: {"baseline": replace(bundle.baseline, vocabulary=bundle.baseline.vocabulary[::-1])},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_decides_an_answer_changes_the_fingerprint(folder, change):
    bundle = Bundle.read(folder)
    bundle = replace(bundle, decision=replace(bundle.decision, blend=Blend(encoder=0.5, baseline=0.5)))
    assert replace(bundle, **CHANGES[change](bundle)).fingerprint() != bundle.fingerprint()


def test_a_fingerprint_is_that_of_the_content_wherever_it_lies(trained, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert Bundle.read(tmp_path / "elsewhere").fingerprint() == trained.fingerprint()["content"]


def test_nothing_in_a_bundle_is_a_pickle(folder):
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".json", ".safetensors", ".txt", ".csv"}


def flip(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def test_a_classifier_that_has_answered_can_be_copied_and_sent(folder):
    classifier = load(folder)
    expected = classifier.scores(["股票涨跌", "球队决赛"])
    for again in (copy_of(classifier), pickle.loads(pickle.dumps(classifier))):
        np.testing.assert_array_equal(again.scores(["股票涨跌", "球队决赛"]), expected)


def test_a_full_disk_is_told(trained, tmp_path, monkeypatch):
    def full(*_, **__):
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("fenlei.bundle.save_classifier", full)
    with pytest.raises(BundleError, match="cannot be written: No space left on device") as refused:
        trained.save(tmp_path / "b")
    assert "disk" in refused.value.hint
    assert not (tmp_path / "b").exists()


def test_rows_without_a_group_are_drawn_each_alone():
    rows = [Example("1", "一", ("甲",), "文"), Example("7", "二", ("甲",)), Example("7", "三", ("甲",))]
    assert len(set(groups_of([*rows, Example("2", "四", ("乙",), "文")]))) == 3
    assert groups_of(rows[1:]) is None

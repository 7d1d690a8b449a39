import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from fenlei.errors import BundleError, DataError
from fenlei.model import linear
from fenlei.model.linear import LinearModel

WORDS = {
    0: ["球队", "进球", "联赛", "教练"],
    1: ["股价", "涨停", "基金", "央行"],
    2: ["芯片", "手机", "系统", "Update"],
}


@pytest.fixture(scope="module")
def rows():
    """120 made-up texts of three topics, some of none, some of two: texts and (120, 3) truth."""
    rng = np.random.default_rng(0)
    truth = (rng.random((120, 3)) < 0.4).astype(np.uint8)
    texts = []
    for row in truth:
        words = [rng.choice(WORDS[topic]) for topic in np.flatnonzero(row) for _ in range(3)]
        words += list(rng.choice(["今天", "记者", "报道", "表示", "  Ａ  "], size=4))
        texts.append("".join(rng.permutation(words)))
    return texts, truth


@pytest.fixture(scope="module")
def model(rows):
    return LinearModel.fit(*rows, "multilabel")


def test_equals_scikit_learns_own_pipeline(rows, model):
    texts, truth = rows
    pipeline = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True),
        OneVsRestClassifier(LinearSVC(C=1, random_state=0)),
    ).fit(texts[:90], truth[:90])
    ours = LinearModel.fit(texts[:90], truth[:90], "multilabel")
    assert ours.logits(texts) == pytest.approx(pipeline.decision_function(texts), abs=2e-3)
    assert ((ours.logits(texts) > 0) == pipeline.predict(texts)).all()


def test_multiclass_equals_scikit_learns_own_pipeline(rows):
    texts, truth = rows
    classes = truth.argmax(axis=1)
    pipeline = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True),
        LinearSVC(C=1, random_state=0),
    ).fit(texts, classes)
    ours = LinearModel.fit(texts, np.eye(3)[classes], "multiclass").logits(texts)
    assert (ours.argmax(axis=1) == pipeline.predict(texts)).all()


def test_a_loaded_model_gives_the_same_scores_to_the_bit(rows, model, tmp_path):
    model.save(tmp_path)
    loaded = LinearModel.load(tmp_path)
    unseen = [*rows[0], "", "全新的文字 never seen", "ＵＰＤＡＴＥ\n\n球队"]
    assert (loaded.logits(unseen) == model.logits(unseen)).all()
    assert loaded.task == "multilabel"
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_neither_order_nor_batch_changes_a_score(rows, model):
    texts = rows[0]
    together = model.logits(texts)
    assert (model.logits(texts[::-1])[::-1] == together).all()
    assert (np.concatenate([model.logits([text]) for text in texts]) == together).all()
    assert model.logits([]).shape == (0, 3)


def test_the_same_rows_give_the_same_model(rows, model):
    again = LinearModel.fit(*rows, "multilabel")
    assert (again.weights == model.weights).all()


def test_labels_of_no_or_every_text_are_answered_not_fitted(rows):
    texts, truth = rows
    constant = np.column_stack([truth[:, 0], np.zeros(120), np.ones(120)])
    logits = LinearModel.fit(texts, constant, "multilabel").logits(["球队进球", "别的"])
    assert (logits[:, 1:] > 0).tolist() == [[False, True], [False, True]]
    classes = np.eye(4)[truth[:, 1]]  # two of four classes never occur
    assert LinearModel.fit(texts, classes, "multiclass").logits(texts).argmax(axis=1).max() < 2


def test_most_frequent_ngrams_stay_where_there_are_many_labels(rows, monkeypatch):
    monkeypatch.setattr(linear, "_MOST_WEIGHTS", 3 * 20)
    model = LinearModel.fit(*rows, "multilabel")
    assert model.weights.shape == (3, 20)
    assert "记者" in model.vocabulary


def test_texts_with_nothing_in_common_are_refused():
    with pytest.raises(DataError, match="no character occurs in two of the 2 training texts"):
        LinearModel.fit(["甲", "乙"], np.eye(2), "multilabel")


def test_lone_surrogates_survive(tmp_path):
    model = LinearModel.fit(["坏\ud800字", "坏\ud800字符", "好"], np.array([[1], [1], [0]]), "multilabel")
    model.save(tmp_path)
    assert LinearModel.load(tmp_path).vocabulary == model.vocabulary


def test_damaged_files_are_refused(model, tmp_path):
    with pytest.raises(BundleError, match="cannot be read"):
        LinearModel.load(tmp_path)
    model.save(tmp_path)
    record = json.loads((tmp_path / "linear.json").read_text())
    (tmp_path / "linear.json").write_text(json.dumps(record | {"format": 9}))
    with pytest.raises(BundleError, match=r"has format 9; this fenlei reads 1"):
        LinearModel.load(tmp_path)
    (tmp_path / "linear.json").write_text(json.dumps(record | {"vocabulary": ["a"]}))
    with pytest.raises(BundleError, match="does not fit together: 1 n-grams"):
        LinearModel.load(tmp_path)
    (tmp_path / "linear.json").write_text(json.dumps(record))
    (tmp_path / "linear.safetensors").write_bytes(b"\x01\x02")
    with pytest.raises(BundleError, match="cannot be read"):
        LinearModel.load(tmp_path)
    model.save(tmp_path)
    tensors = load_file(tmp_path / "linear.safetensors")
    save_file({"idf": tensors["idf"]}, tmp_path / "linear.safetensors")
    with pytest.raises(BundleError, match="weights"):
        LinearModel.load(tmp_path)


def test_published_figure_on_long_news():
    data = Path(__file__).resolve().parents[3] / "shared" / "data" / "sogou_mini"
    if not data.exists():
        pytest.skip("the optional data folder beside the project is absent")
    labels = (data / "labels.txt").read_text(encoding="utf-8").split()
    parts = []
    for part in ("train", "test"):
        rows = [json.loads(line) for line in (data / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()]
        truth = np.eye(len(labels))[[labels.index(row["labels"][0]) for row in rows]]
        parts.append(([row["text"][:300] for row in rows], truth))
    (texts, truth), (test_texts, test_truth) = parts
    predicted = LinearModel.fit(texts, truth, "multiclass").logits(test_texts).argmax(axis=1)
    assert (predicted == test_truth.argmax(axis=1)).mean() == pytest.approx(0.94, abs=0.002)

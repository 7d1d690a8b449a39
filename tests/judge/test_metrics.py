import numpy as np
import pytest
from sklearn import metrics as reference

from fenlei.judge import metrics
from fenlei.judge.metrics import Counts
from fenlei.judge.ranking import average_precision


def test_a_worked_example():
    truth = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]])
    predicted = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0]])
    counts = Counts.of(truth, predicted)
    assert counts.tp.tolist() == [1, 1, 0]
    assert counts.fp.tolist() == [0, 0, 1]
    assert counts.fn.tolist() == [1, 1, 0]
    assert counts.support.tolist() == [2, 2, 0]
    assert counts.micro().f1 == pytest.approx(2 * 2 / (3 + 4))
    assert counts.macro().f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert counts.weighted().f1 == pytest.approx(2 / 3)
    assert counts.samples().f1 == pytest.approx((2 / 3 + 2 / 3 + 0 + 0) / 4)
    assert counts.subset_accuracy() == 1 / 4
    assert counts.hamming_loss() == 3 / 12


DEGENERATE = {
    "nothing true, nothing predicted": (np.zeros((3, 2)), np.zeros((3, 2))),
    "nothing true": (np.zeros((3, 2)), np.ones((3, 2))),
    "nothing predicted": (np.ones((3, 2)), np.zeros((3, 2))),
    "everything": (np.ones((3, 2)), np.ones((3, 2))),
    "one row": (np.array([[1, 0, 0]]), np.array([[0, 0, 1]])),
    "an absent label predicted, another one not": (
        np.array([[1, 0, 0], [1, 0, 0]]),
        np.array([[1, 1, 0], [0, 0, 0]]),
    ),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_tables_equal_scikit_learn(name):
    truth, predicted = (table.astype(np.uint8) for table in DEGENERATE[name])
    counts = Counts.of(truth, predicted)
    for average in ("micro", "macro", "weighted", "samples"):
        expected = reference.precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)
        ours = getattr(counts, average)()
        assert (ours.precision, ours.recall, ours.f1) == pytest.approx(expected[:3])
    assert counts.subset_accuracy() == reference.accuracy_score(truth, predicted)
    assert counts.hamming_loss() == pytest.approx(reference.hamming_loss(truth, predicted))


def test_no_rows_give_zeros():
    counts = Counts.of(np.zeros((0, 3)), np.zeros((0, 3)))
    assert counts.rows == 0
    for value in (counts.micro().f1, counts.macro().f1, counts.samples().f1, counts.subset_accuracy()):
        assert value == 0
    assert counts.hamming_loss() == 0


def test_multiclass_accuracy_is_micro_f1():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(5, size=40), rng.integers(4, size=40)
    counts = Counts.of(np.eye(5)[truth], np.eye(5)[predicted])
    assert counts.subset_accuracy() == pytest.approx(reference.accuracy_score(truth, predicted))
    assert counts.micro().f1 == pytest.approx(counts.subset_accuracy())
    for average in ("macro", "weighted"):
        expected = reference.f1_score(truth, predicted, average=average, labels=list(range(5)), zero_division=0)
        assert getattr(counts, average)().f1 == pytest.approx(expected)


def test_size_of_the_blocks_changes_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(2, size=(2, 50, 7))
    whole = Counts.of(truth, predicted)
    monkeypatch.setattr(metrics, "_BLOCK", 3 * 7)
    blocks = Counts.of(truth, predicted)
    assert (whole.tp == blocks.tp).all()
    assert whole.exact == blocks.exact
    assert whole.row_f1 == pytest.approx(blocks.row_f1)


def test_tables_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"truth \(3, 2\) and predictions \(3, 4\) must both be \(rows, labels\)"):
        Counts.of(np.zeros((3, 2)), np.zeros((3, 4)))


def test_labels_a_resample_missed_keep_their_value():
    truth = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    predicted = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]])
    whole, resample = Counts.of(truth, predicted), Counts.of(truth[[0, 1, 1]], predicted[[0, 1, 1]])
    assert resample.macro().f1 == 1 / 4
    assert resample.per_label().f1.tolist() == [1, 0, 0, 0]
    assert resample.per_label(drawn_from=whole).f1.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("scale", [3, 1000])
def test_average_precision_equals_scikit_learn(scale):
    rng = np.random.default_rng(scale)
    truth = rng.random((60, 12)) < rng.random(12) * 0.6
    truth[0] = True
    scores = rng.integers(scale, size=truth.shape) / scale  # with few values: many ties
    expected = [reference.average_precision_score(truth[:, i], scores[:, i]) for i in range(12)]
    assert average_precision(truth, scores) == pytest.approx(expected)
    weights = rng.integers(3, size=(60, 4))
    weights[0] = 1
    for r, ours in enumerate(average_precision(truth, scores, weights)):
        expected = [
            reference.average_precision_score(truth[:, i], scores[:, i], sample_weight=weights[:, r]) for i in range(12)
        ]
        assert ours == pytest.approx(expected)


def test_average_precision_of_an_absent_label_is_zero():
    truth, scores = np.array([[1, 0], [0, 0]]), np.array([[0.9, 0.1], [0.2, 0.3]])
    per_label = average_precision(truth, scores)
    assert per_label.tolist() == [1.0, 0.0]

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from fenlei.judge.curves import MOST_CURVES, calibration_bins, curves, score_histogram
from fenlei.judge.metrics import Counts
from fenlei.judge.reliability import Reliability


@pytest.fixture
def truth():
    return (np.random.default_rng(0).random((150, 20)) < np.linspace(0.5, 0, 20)).astype(np.uint8)


@pytest.fixture
def scores(truth):
    return 1 / (1 + np.exp(-np.random.default_rng(1).normal(5 * truth - 3, 2)))


def test_points_are_exact_at_their_thresholds(truth, scores):
    predicted = (scores > 0.5).astype(np.uint8)
    found = curves(truth, scores, Counts.of(truth, predicted), [str(i) for i in range(20)], "multilabel")
    assert len(found.precision_recall) == 1 + MOST_CURVES
    micro, first = found.precision_recall[:2]
    assert (micro.label, micro.support) == (None, truth.sum())
    support = truth.sum(axis=0)
    assert first.support == support.max()
    assert [curve.support for curve in found.precision_recall[1:]] == sorted(support, reverse=True)[:MOST_CURVES]
    column = int(first.label)
    for curve, true, score in ((micro, truth, scores), (first, truth[:, column], scores[:, column])):
        assert len(curve.threshold) == len(curve.precision) == len(curve.recall) > 50
        assert list(curve.threshold) == sorted(curve.threshold)
        for i in range(0, len(curve.threshold), 7):
            given = (score >= curve.threshold[i]).ravel()
            assert curve.precision[i] == pytest.approx(precision_score(true.ravel(), given, zero_division=0))
            assert curve.recall[i] == pytest.approx(recall_score(true.ravel(), given))
    assert found.calibration_before == ()


def test_scores_of_exactly_0_and_1_are_counted():
    truth, scores = np.array([[1, 0], [0, 1]]), np.array([[1.0, 0.0], [0.0, 0.0]])
    micro, *_ = curves(truth, scores, Counts.of(truth, scores > 0.5), ["a", "b"], "multilabel").precision_recall
    assert micro.precision == (1.0,)  # nothing else reaches a threshold
    assert micro.recall == (0.5,)


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_the_bins_add_up_to_the_calibration_error(truth, scores, task):
    if task == "multiclass":
        truth, scores = np.eye(20)[np.arange(150) % 20], scores / scores.sum(axis=1, keepdims=True)
    bins = calibration_bins(truth, scores, task)
    total = sum(one.forecasts for one in bins)
    assert total == (3000 if task == "multilabel" else 150)
    error = sum(abs(one.score - one.right) * one.forecasts for one in bins) / total
    assert error == pytest.approx(float(Reliability.of(truth, scores, task).figures()["calibration_error"]))
    assert all(one.low <= one.score <= one.high for one in bins)


def test_histograms_count_each_forecast_once(truth, scores):
    found = score_histogram(truth, scores, "multilabel")
    for counted, own in ((found.true, truth == 1), (found.other, truth == 0)):
        assert list(counted) == np.histogram(scores[own], bins=20, range=(0, 1))[0].tolist()
    classes, share = np.eye(20)[np.arange(150) % 20], scores / scores.sum(axis=1, keepdims=True)
    found = score_histogram(classes, share, "multiclass")
    right = share.argmax(axis=1) == np.arange(150) % 20
    assert (sum(found.true), sum(found.other)) == (right.sum(), (~right).sum())


def test_scores_before_calibration_are_drawn_too(truth, scores):
    found = curves(truth, scores, Counts.of(truth, scores > 0.5), [str(i) for i in range(20)], "multilabel", scores**2)
    assert found.calibration_before == calibration_bins(truth, scores**2, "multilabel")

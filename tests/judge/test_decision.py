import json

import numpy as np
import pytest

from fenlei.errors import BundleError, SettingsError
from fenlei.judge.decision import Decision, fit_decision, fit_global_threshold
from fenlei.judge.metrics import Counts


def test_multilabel_gives_every_label_that_reaches_its_threshold():
    scores = np.array([[0.5, 0.2, 0.49], [0.1, 0.3, 0.2]])
    assert Decision(task="multilabel", thresholds=0.5).apply(scores).tolist() == [[1, 0, 0], [0, 0, 0]]
    each = Decision(task="multilabel", thresholds=(0.6, 0.2, 0.2))
    assert each.apply(scores).tolist() == [[0, 1, 1], [0, 1, 1]]
    assert each.apply(scores).dtype == np.uint8


def test_multiclass_gives_the_highest_score_and_of_equals_the_first():
    decision = Decision(task="multiclass", thresholds=None)
    assert decision.apply(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])).tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    "decision",
    [
        Decision.default("multilabel"),
        Decision.default("multiclass"),
        Decision(task="multilabel", thresholds=0.1 + 0.2),
        Decision(task="multilabel", thresholds=(0.25, 1 / 3)),
    ],
)
def test_json_brings_back_the_same_decision(decision):
    assert Decision.from_dict(json.loads(json.dumps(decision.to_dict()))) == decision


def test_decisions_that_contradict_themselves_are_refused():
    with pytest.raises(SettingsError, match=r"unknown task 'ranking'; it is one of multilabel, multiclass"):
        Decision(task="ranking", thresholds=0.5)
    with pytest.raises(SettingsError, match=r"a multiclass decision cannot have the threshold 0\.5"):
        Decision(task="multiclass", thresholds=0.5)
    with pytest.raises(SettingsError, match=r"a multilabel decision cannot have the threshold None"):
        Decision(task="multilabel", thresholds=None)
    for threshold in (1.5, -0.1, float("nan"), (0.5, 2.0)):
        with pytest.raises(SettingsError, match=r"lies outside \[0, 1\]"):
            Decision(task="multilabel", thresholds=threshold)


def test_thresholds_for_other_labels_are_refused():
    with pytest.raises(ValueError, match="2 thresholds for 3 labels"):
        Decision(task="multilabel", thresholds=(0.5, 0.5)).apply(np.zeros((1, 3)))


def test_damaged_json_is_refused():
    with pytest.raises(BundleError, match=r"a decision has the fields task and thresholds, not \['task'\]"):
        Decision.from_dict({"task": "multilabel"})
    for thresholds in ("high", ["a"], 7, {}):
        with pytest.raises(BundleError, match="cannot be right"):
            Decision.from_dict({"task": "multilabel", "thresholds": thresholds})


def micro_f1(scores, truth, threshold):
    return float(Counts.of(truth, scores >= threshold).micro().f1)


@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_beats_the_fitted_one(seed):
    rng = np.random.default_rng(seed)
    truth = (rng.random((30, 4)) < 0.3).astype(np.uint8)
    truth[0, 0] = 1
    scores = np.round(np.clip(truth * rng.random() + rng.random(truth.shape), 0, 1), seed % 4 + 1)  # ties
    fitted = fit_global_threshold(scores, truth)
    assert 0 <= fitted <= 1
    best = max(micro_f1(scores, truth, threshold) for threshold in [0.0, *np.unique(scores)])
    assert micro_f1(scores, truth, fitted) == best


def test_threshold_lies_midway_between_the_scores_it_parts():
    assert fit_global_threshold(np.array([[0.9, 0.3, 0.1]]), np.array([[1, 1, 0]])) == pytest.approx(0.2)


def test_of_equally_good_thresholds_the_nearest_to_one_half_wins():
    # 0.85 (one right of one) and 0.4 (two right of four) have the same F1, 2 / 3.
    scores, truth = np.array([[0.9, 0.8, 0.7, 0.6, 0.2]]), np.array([[1, 0, 0, 1, 0]])
    assert micro_f1(scores, truth, 0.85) == micro_f1(scores, truth, 0.4)
    assert fit_global_threshold(scores, truth) == pytest.approx(0.4)


def test_neighbouring_floats_are_parted():
    low = 0.3
    high = np.nextafter(low, 1)
    scores, truth = np.array([[high, low]]), np.array([[1, 0]])
    decision = Decision(task="multilabel", thresholds=fit_global_threshold(scores, truth))
    assert decision.apply(scores).tolist() == [[1, 0]]


def test_scores_at_the_ends_of_the_scale():
    scores, truth = np.array([[1.0, 0.0]]), np.array([[1, 0]])
    assert micro_f1(scores, truth, fit_global_threshold(scores, truth)) == 1
    assert fit_global_threshold(np.zeros((2, 2)), np.array([[1, 0], [0, 0]])) == 0


def test_without_true_labels_nothing_is_fitted():
    assert fit_global_threshold(np.array([[0.9, 0.8]]), np.zeros((1, 2))) == 0.5
    assert fit_global_threshold(np.zeros((0, 2)), np.zeros((0, 2))) == 0.5


def test_fit_decision_fits_what_the_task_has():
    scores, truth = np.array([[0.4, 0.2]]), np.array([[1, 0]])
    assert fit_decision(scores, truth, "multilabel").thresholds == pytest.approx(0.3)
    assert fit_decision(scores, truth, "multiclass") == Decision.default("multiclass")

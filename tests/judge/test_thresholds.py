"""Fitted thresholds against brute force over every threshold there is."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fenlei.errors import SettingsError
from fenlei.judge import thresholds
from fenlei.judge.decision import Decision
from fenlei.judge.metrics import Counts
from fenlei.judge.thresholds import Goal, fit_global_threshold, fit_thresholds, known_scope

F1_GOALS = ("micro-f1", "macro-f1", "samples-f1")


def table(seed, rows=30, labels=4, digits=None):
    """Scores that tell something of the truth; with few digits they tie often."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((rows, labels)) < 0.3).astype(np.uint8)
    truth[0] = 1
    scores = np.clip(truth * rng.random() * 0.7 + 0.6 * rng.random(truth.shape), 0, 1)
    return np.round(scores, digits or seed % 4 + 1), truth


def reached(goal, scores, truth, fitted):
    return f1_score(truth, scores >= np.asarray(fitted), average=goal.removesuffix("-f1"), zero_division=0)


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


@pytest.mark.parametrize("goal", F1_GOALS)
@pytest.mark.parametrize("seed", range(40))
def test_no_global_threshold_beats_the_fitted_one(goal, seed):
    scores, truth = table(seed)
    fitted = fit_thresholds(scores, truth, Goal.parse(goal), "global")
    best = max(reached(goal, scores, truth, threshold) for threshold in [0.0, *np.unique(scores)])
    assert reached(goal, scores, truth, fitted) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("goal", ["micro-f1", "macro-f1"])
@pytest.mark.parametrize("seed", range(10))
def test_no_thresholds_of_labels_beat_the_fitted_ones(goal, seed):
    scores, truth = table(seed, rows=7, labels=3, digits=2)
    fitted = fit_thresholds(scores, truth, Goal.parse(goal), "label")
    each = [[*np.unique(scores[:, label]), 1.1] for label in range(3)]
    best = max(reached(goal, scores, truth, choice) for choice in itertools.product(*each))
    assert reached(goal, scores, truth, fitted) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_for_samples_f1_no_single_change_helps(seed):
    scores, truth = table(seed, rows=12, labels=3, digits=2)
    goal = Goal.parse("samples-f1")
    fitted = list(fit_thresholds(scores, truth, goal, "label"))
    value = reached("samples-f1", scores, truth, fitted)
    assert value >= reached("samples-f1", scores, truth, fit_thresholds(scores, truth, goal, "global")) - 1e-12
    for label in range(3):
        for threshold in [*np.unique(scores[:, label]), 1.1]:
            changed = [*fitted[:label], threshold, *fitted[label + 1 :]]
            assert reached("samples-f1", scores, truth, changed) <= value + 1e-12


@pytest.mark.parametrize("scope", ["global", "label"])
@pytest.mark.parametrize("name", ["precision", "recall"])
@pytest.mark.parametrize("seed", range(8))
def test_a_floor_is_kept_and_the_other_rate_is_the_best_that_leaves_it(scope, name, seed):
    scores, truth = table(seed, rows=40)
    floor = 0.6
    fitted = np.broadcast_to(fit_thresholds(scores, truth, Goal(measure=name, floor=floor), scope), 4)
    columns = [slice(0, 4)] if scope == "global" else [slice(i, i + 1) for i in range(4)]

    def rates(column, threshold):
        micro = Counts.of(truth[:, column], scores[:, column] >= threshold).micro()
        kept, raised = (micro.precision, micro.recall)[:: 1 if name == "precision" else -1]
        return float(kept), float(raised)

    for column in columns:
        kept, raised = rates(column, fitted[column])
        tried = [rates(column, threshold) for threshold in np.unique(scores[:, column])]
        possible = [other for held, other in tried if held >= floor]
        if possible:
            assert kept >= floor
            assert raised == max(possible)
        else:
            assert not (scores[:, column] >= fitted[column]).any()


def test_a_precision_out_of_reach_gives_the_label_to_no_row():
    scores, truth = np.array([[0.9], [0.8], [0.7]]), np.array([[0], [1], [0]])
    goal = Goal(measure="precision", floor=0.9)
    for scope in ("global", "label"):
        # Nor to one whose score is higher than all of them.
        assert set(np.ravel(fit_thresholds(scores, truth, goal, scope))) == {1.0}


@pytest.mark.parametrize("goal", ["micro-f1", "samples-f1"])
def test_a_label_that_only_costs_is_given_to_no_row(goal):
    # The second label is true once, at the bottom of its ranking: finding it costs eight wrong answers.
    truth = np.zeros((10, 2), np.uint8)
    truth[:5, 0] = truth[5, 1] = 1
    truth[6:, 0] = 1
    scores = np.column_stack([np.where(truth[:, 0], 0.9, 0.1), np.linspace(0.8, 0.9, 10)])
    scores[5, 1] = 0.1
    fitted = fit_thresholds(scores, truth, Goal.parse(goal), "label")
    assert (scores >= fitted).tolist() == [[bool(right), False] for right in truth[:, 0]]


def test_labels_without_true_rows_take_the_global_threshold():
    scores, truth = table(3)
    truth[:, 2] = 0
    for goal in (*map(Goal.parse, F1_GOALS), Goal(measure="recall", floor=0.5)):
        together = fit_thresholds(scores, truth, goal, "global")
        for scope in ("label", "shrunk"):
            assert fit_thresholds(scores, truth, goal, scope)[2] == pytest.approx(together, abs=1e-6)
    assert fit_thresholds(scores, np.zeros_like(truth), Goal.parse("macro-f1"), "label") == 0.5
    assert fit_thresholds(scores, truth, Goal.parse("micro-f1"), "fixed") == 0.5


@pytest.mark.parametrize("name", ["precision", "recall"])
def test_a_floor_survives_shrinking(name):
    moved = 0
    for seed in range(30):
        scores, truth = table(seed, rows=200, labels=6, digits=4)
        fitted = fit_thresholds(scores, truth, Goal(measure=name, floor=0.8), "shrunk")
        moved += fitted != fit_thresholds(scores, truth, Goal(measure=name, floor=0.8), "label")
        counts = Counts.of(truth, scores >= np.array(fitted))
        kept = getattr(counts.per_label(), name)
        assert (kept[counts.predicted > 0] >= 0.8).all()
    assert moved > 20


def test_what_labels_without_true_rows_are_wrongly_given_counts_for_micro_f1():
    scores = np.array([[0.9, 0.95], [0.8, 0.95], [0.3, 0.99], [0.2, 0.1]])
    truth = np.array([[1, 0], [1, 0], [1, 0], [0, 0]])
    fitted = fit_thresholds(scores, truth, Goal.parse("micro-f1"), "label")
    assert fitted[1] == fit_global_threshold(scores, truth)
    best = max(
        reached("micro-f1", scores, truth, (threshold, fitted[1])) for threshold in [*np.unique(scores[:, 0]), 1.1]
    )
    assert reached("micro-f1", scores, truth, fitted) == best
    for seed in range(30):
        scores, truth = table(seed, rows=9, labels=3, digits=2)
        truth[:, 2] = 0
        fitted = fit_thresholds(scores, truth, Goal.parse("micro-f1"), "label")
        each = [[*np.unique(scores[:, label]), 1.1] for label in range(2)]
        best = max(reached("micro-f1", scores, truth, (*pair, fitted[2])) for pair in itertools.product(*each))
        assert reached("micro-f1", scores, truth, fitted) == pytest.approx(best, abs=1e-12)


def test_shrunk_thresholds_lie_between_their_own_and_the_global_one_by_support():
    scores, truth = table(1, rows=200, digits=6)
    truth[5:, 3] = 0
    goal = Goal.parse("macro-f1")
    together = fit_thresholds(scores, truth, goal, "global")
    own, shrunk = (np.array(fit_thresholds(scores, truth, goal, scope)) for scope in ("label", "shrunk"))

    def logit(share):
        return np.log(share / (1 - share))

    weight = truth.sum(axis=0) / (truth.sum(axis=0) + thresholds.SHRINKAGE)
    assert logit(shrunk) == pytest.approx(logit(together) + weight * (logit(own) - logit(together)))
    assert weight[3] < 0.3 < weight[0]


def test_shrunk_thresholds_hold_better_on_other_rows():
    """Repeated splits of one table: rare labels' own thresholds are accidents, and shrinking loses less by them."""
    rng = np.random.default_rng(0)
    labels, gains = 30, []
    share = np.geomspace(0.01, 0.2, labels)
    truth = (rng.random((6000, labels)) < share).astype(np.uint8)
    scores = 1 / (1 + np.exp(-(2.5 * truth - 3 + rng.normal(size=truth.shape))))
    goal = Goal.parse("macro-f1")
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(truth))
        dev, rest = order[:300], order[300:]
        value = {
            scope: reached("macro-f1", scores[rest], truth[rest], fit_thresholds(scores[dev], truth[dev], goal, scope))
            for scope in ("label", "shrunk")
        }
        gains.append(value["shrunk"] - value["label"])
    assert min(gains) > 0


def test_goals_read_and_write():
    for text in ("micro-f1", "macro-f1", "samples-f1", "precision=0.9", "recall=0.75"):
        assert str(Goal.parse(text)) == text
    with pytest.raises(SettingsError, match="--for is 'recall=much': 'much' is no number"):
        Goal.parse("recall=much")
    for text in ("f1", "precision", "recall=0", "precision=1.5", "micro-f1=0.5", "precision=nan"):
        with pytest.raises(SettingsError, match=r"--for is .*; accepted are micro-f1, .*precision=P and recall=P"):
            Goal.parse(text)
    assert known_scope("shrunk") == "shrunk"
    with pytest.raises(SettingsError, match="--thresholds is 'own'; accepted are fixed, global, label, shrunk"):
        known_scope("own")

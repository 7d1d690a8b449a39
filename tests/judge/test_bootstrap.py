import time

import numpy as np
import pytest

from fenlei.judge import bootstrap
from fenlei.judge.bootstrap import (
    Interval,
    mean_interval,
    percentile_interval,
    resampled_average_precision,
    resampled_counts,
    resampled_shares,
    row_weights,
)
from fenlei.judge.metrics import Counts
from fenlei.judge.ranking import average_precision
from fenlei.judge.resampled import Resampled


def everything(counts):
    return {
        "micro": counts.micro().f1,
        "macro": counts.macro().precision,
        "weighted": counts.weighted().recall,
        "samples": counts.samples().f1,
        "subset": counts.subset_accuracy(),
        "hamming": counts.hamming_loss(),
    }


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    truth = (rng.random((120, 9)) < 0.2).astype(np.uint8)
    truth[:, 8] = 0
    scores = np.clip(0.5 * truth + 0.7 * rng.random(truth.shape), 0, 1)
    return truth, scores, (scores > 0.55).astype(np.uint8)


@pytest.mark.parametrize("grouped", [False, True])
def test_each_resample_equals_the_figures_of_the_rows_drawn(tables, grouped):
    truth, scores, predicted = tables
    groups = np.arange(120) // 7 if grouped else None
    weights = np.concatenate(list(row_weights(120, 20, seed=3, groups=groups)), axis=1)
    ours = resampled_counts(truth, predicted, everything, seed=3, groups=groups, resamples=20)
    whole = average_precision(truth, scores)
    ranked = resampled_average_precision(truth, scores, drawn_from=whole, seed=3, groups=groups, resamples=20)
    for r in range(20):
        rows = np.repeat(np.arange(120), weights[:, r])
        for name, expected in everything(Counts.of(truth[rows], predicted[rows])).items():
            assert ours[name][r] == pytest.approx(expected)
        drawn = average_precision(truth[rows], scores[rows])
        missed = (drawn == 0) & truth.any(axis=0)
        assert ranked[r] == pytest.approx(np.where(missed, whole, drawn))


def test_rows_of_a_group_are_drawn_together():
    groups = np.array(["b", "a", "b", "c", "c", "c"])
    weights = next(row_weights(6, 50, seed=0, groups=groups))
    assert (weights[0] == weights[2]).all()
    assert (weights[3] == weights[4]).all()
    assert (weights[0] + weights[1] + weights[3] == 3).all()
    assert len({tuple(column) for column in weights.T}) > 5


def test_size_of_the_blocks_changes_nothing(tables, monkeypatch):
    truth, _, predicted = tables
    whole = resampled_counts(truth, predicted, everything, seed=1, resamples=30)
    monkeypatch.setattr(bootstrap, "_BLOCK", 7 * 120)
    blocks = resampled_counts(truth, predicted, everything, seed=1, resamples=30)
    for name, figures in whole.items():
        assert blocks[name] == pytest.approx(figures, abs=1e-12)  # sums of fractions round


def test_one_seed_pairs_two_systems(tables):
    truth, scores, predicted = tables
    worse = (scores > 0.7).astype(np.uint8)
    figures = [resampled_counts(truth, system, everything, seed=0)["micro"] for system in (predicted, worse, predicted)]
    assert (figures[0] == figures[2]).all()
    paired = percentile_interval(figures[0] - figures[1])
    unpaired = resampled_counts(truth, worse, everything, seed=1)["micro"]
    apart = percentile_interval(figures[0] - unpaired)
    assert paired.high - paired.low < apart.high - apart.low


def test_interval_of_a_proportion_is_the_binomial_one():
    truth = np.ones((1000, 1), np.uint8)
    predicted = (np.arange(1000) < 800).astype(np.uint8)[:, None]
    interval = percentile_interval(resampled_counts(truth, predicted, everything, seed=0)["subset"])
    half = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert interval.low == pytest.approx(0.8 - half, abs=0.004)
    assert interval.high == pytest.approx(0.8 + half, abs=0.004)


def test_labels_of_a_row_or_two_widen_the_interval_of_their_mean_and_do_not_push_it_off():
    rng = np.random.default_rng(0)
    truth = np.zeros((200, 40), np.uint8)
    truth[np.arange(200), np.minimum(np.arange(200), 39)] = 1  # 39 labels occur once
    predicted = truth * (rng.random(truth.shape) < 0.9)
    found = Resampled.counted(truth, predicted, "multilabel", seed=0)
    f1, macro = found.of_labels["macro_f1"], found.figures()["macro_f1"]
    plain = percentile_interval(f1.resampled.mean(axis=1))
    assert macro.value == pytest.approx(Counts.of(truth, predicted).macro().f1)
    assert macro.interval.low < plain.low <= macro.value <= plain.high < macro.interval.high
    # Nearly all of the variance is that of 39 single answers, each right or wrong.
    half = 1.96 * np.sqrt(39 * f1.each[:39].var(ddof=1)) / 40
    assert macro.interval.low == pytest.approx(macro.value - half, abs=0.02)
    assert macro.interval.high == pytest.approx(macro.value + half, abs=0.02)


@pytest.mark.parametrize("rare", [0, 1])
def test_without_two_rare_labels_it_is_the_percentile_interval(rare):
    rng = np.random.default_rng(1)
    resampled, support = rng.random((1000, 5)), np.array([9, 8, 3, 7, 2 if rare else 0])
    assert mean_interval(resampled[0], resampled, support) == percentile_interval(resampled.mean(axis=1))


def test_two_rare_labels_have_at_least_the_variance_by_which_they_lie_apart():
    rng = np.random.default_rng(2)
    spread, support = np.array([0.01, 0.3, 0.05]), np.array([1, 2, 50])
    each = np.array([0.4, 0.6, 0.5])
    resampled = each + spread * rng.standard_normal((4000, 3))
    # The first gets what parts the two, 0.02; the second varies more by itself; the third is not rare.
    variance = each[:2].var(ddof=1) + resampled[:, 1].var(ddof=1) + resampled[:, 2].var(ddof=1)
    found = mean_interval(each, resampled, support, lowest=-9)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.sqrt(variance) / 3, rel=0.04)


def test_of_labels_that_no_resample_moves_only_their_distance_speaks():
    each, support = np.array([1.0, 0.0, 1.0, 1.0]), np.array([1, 1, 2, 9])
    still = np.tile(each, (50, 1))
    interval = mean_interval(each, still, support)
    half = 1.96 * np.sqrt(3 * each[:3].var(ddof=1)) / 4
    assert (interval.low, interval.high) == (pytest.approx(0.75 - half), 1.0)
    apart = mean_interval(-each, -still, support, lowest=-1.0)
    assert (apart.low, apart.high) == (-1.0, pytest.approx(-0.75 + half))
    assert mean_interval(np.ones(4), np.ones((50, 4)), support) == Interval(1.0, 1.0)


def test_two_alike_with_rare_labels_seldom_differ_beyond_chance():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        truth = np.eye(150, dtype=np.uint8)[rng.integers(150, size=150)]
        one, two = (truth * (rng.random((150, 1)) < 0.7) for _ in range(2))
        apart = Resampled.counted(truth, two, "multiclass", seed=0).minus(
            Resampled.counted(truth, one, "multiclass", seed=0)
        )
        interval = apart.figures()["macro_f1"].interval
        assert interval.low < apart.values["macro_f1"] < interval.high
        found += interval.leaves_out_zero
    assert found <= 5  # plain percentiles find it in about half of them


def test_twenty_thousand_rows_of_two_hundred_labels_take_seconds():
    rng = np.random.default_rng(0)
    truth = rng.random((20_000, 200)) < 0.01
    predicted = truth ^ (rng.random(truth.shape) < 0.002)
    start = time.process_time()
    resampled_counts(truth, predicted, everything, seed=0)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("grouped", [False, True])
def test_shares_of_a_resample_are_those_of_the_rows_drawn(grouped):
    random = np.random.default_rng(1)
    marked, bins = random.random(60) < 0.3, np.append(random.integers(0, 3, 59), 3)
    groups = np.arange(60) // 5 if grouped else None
    weights = np.concatenate(list(row_weights(60, 25, seed=2, groups=groups)), axis=1)
    ours = resampled_shares(marked, bins == np.arange(4)[:, None], seed=2, groups=groups, resamples=25)
    for r in range(25):
        rows = np.repeat(np.arange(60), weights[:, r])
        for one in range(4):
            own = rows[bins[rows] == one]
            expected = marked[own] if len(own) else marked[bins == one]  # a bin that was missed keeps its share
            assert ours[r, one] == pytest.approx(expected.mean())
    assert any(weights[59] == 0)

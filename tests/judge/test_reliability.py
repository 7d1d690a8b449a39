import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from fenlei.judge.bootstrap import mirrored_interval, percentile_interval, resampled_reliability
from fenlei.judge.reliability import Reliability


def by_hand(told, right):
    """Expected calibration error in 15 bins, forecast by forecast."""
    total = 0.0
    for low in range(15):
        chosen = [(s, r) for s, r in zip(told, right, strict=True) if min(int(s * 15), 14) == low]
        if chosen:
            scores, truths = map(np.array, zip(*chosen, strict=True))
            total += len(chosen) / len(told) * abs(scores.mean() - truths.mean())
    return total


@pytest.mark.parametrize("seed", range(5))
def test_multilabel_takes_every_cell_for_a_forecast(seed):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((40, 5)), 2)
    truth = (rng.random(scores.shape) < scores).astype(np.uint8)
    figures = Reliability.of(truth, scores, "multilabel").figures()
    assert figures["calibration_error"] == pytest.approx(by_hand(scores.ravel(), truth.ravel()))
    assert figures["brier_score"] == pytest.approx(
        np.mean([brier_score_loss(t, s) for t, s in zip(truth.ravel()[None], scores.ravel()[None], strict=True)])
    )


def test_multiclass_takes_the_winning_class():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), size=60)
    truth = np.eye(4, dtype=np.uint8)[rng.integers(4, size=60)]
    figures = Reliability.of(truth, scores, "multiclass").figures()
    right = truth[np.arange(60), scores.argmax(axis=1)]
    assert figures["calibration_error"] == pytest.approx(by_hand(scores.max(axis=1), right))
    assert figures["brier_score"] == pytest.approx(((scores - truth) ** 2).sum(axis=1).mean())


def test_perfect_and_perfectly_wrong_scores():
    truth = np.eye(3)
    for task in ("multilabel", "multiclass"):
        assert set(Reliability.of(truth, truth, task).figures().values()) == {0.0}
    assert Reliability.of(truth, 1 - truth, "multilabel").figures() == {"calibration_error": 1.0, "brier_score": 1.0}


def test_a_resample_counts_its_rows_as_often_as_they_are_drawn(monkeypatch):
    rng = np.random.default_rng(0)
    scores = rng.random((20, 3))
    truth = (rng.random(scores.shape) < 0.5).astype(np.uint8)
    drawn = rng.integers(20, size=20)
    weights = np.bincount(drawn, minlength=20)[:, None]
    weighted = Reliability.of(truth, scores, "multilabel").figures(weights)
    copied = Reliability.of(truth[drawn], scores[drawn], "multilabel").figures()
    assert {name: float(values[0]) for name, values in weighted.items()} == pytest.approx(copied)
    resampled = resampled_reliability(Reliability.of(truth, scores, "multilabel"), seed=0)
    assert resampled["brier_score"].shape == (1000,)
    monkeypatch.setattr("fenlei.judge.metrics._BLOCK", 6)
    blocked = Reliability.of(truth, scores, "multilabel").figures()
    monkeypatch.undo()
    assert blocked == Reliability.of(truth, scores, "multilabel").figures()


def test_the_interval_of_the_calibration_error_holds_the_truth_where_resampled_ones_lie_above_it():
    # The scores are too far from a half by a quarter of their logits, so what there is to find is known.
    rng = np.random.default_rng(0)

    def drawn(rows):
        logits = rng.normal(-2.5, 2, (rows, 12))
        truth = rng.random(logits.shape) < 1 / (1 + np.exp(-0.8 * logits))
        return Reliability.of(truth, 1 / (1 + np.exp(-logits)), "multilabel")

    true = float(drawn(50_000).figures()["calibration_error"])
    found = {percentile_interval: 0, mirrored_interval: 0}
    for _ in range(100):
        reliability = drawn(63)
        figure = float(reliability.figures()["calibration_error"])
        resampled = resampled_reliability(reliability, seed=0, resamples=100)["calibration_error"]
        mirrored = mirrored_interval(figure, resampled)
        assert mirrored.low <= figure <= mirrored.high
        found[mirrored_interval] += mirrored.low <= true <= mirrored.high
        plain = percentile_interval(resampled)
        found[percentile_interval] += plain.low <= true <= plain.high
    assert found[mirrored_interval] > 80
    assert found[percentile_interval] < 30

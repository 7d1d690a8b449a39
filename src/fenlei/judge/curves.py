"""Precision against recall, scores against truth, and how the scores lie: points to draw, of bounded number.

Nothing is sorted: scores are counted between 481 thresholds, evenly spaced in their logits from -12 to 12, and
precision and recall are exact at each of these.

Shapes: B rows, C labels, K thresholds, S bins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.metrics import Counts, Floats, Integers, ratio, row_blocks
from fenlei.judge.reliability import BINS, Reliability
from fenlei.text.labels import Task

MOST_CURVES = 12
_THRESHOLDS = 1 / (1 + np.exp(-np.linspace(-12, 12, 481)))
_HISTOGRAM_BINS = 20


@dataclass(frozen=True, kw_only=True)
class PrecisionRecallCurve:
    """Precision and recall were every score that reaches a threshold a yes.

    Attributes:
        label: whose; None: of all cells of the table together.
        support: true cells.
        threshold, precision, recall: one each a point, by rising threshold.
    """

    label: str | None
    support: int
    threshold: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Forecasts of about the same score.

    Attributes:
        low, high: scores from (inclusive) and to.
        forecasts: how many.
        score: their mean.
        right: the share that came true.
    """

    low: float
    high: float
    forecasts: int
    score: float
    right: float


@dataclass(frozen=True, kw_only=True)
class ScoreHistogram:
    """How scores lie: multi-label, those of true and of other cells; multi-class, the highest of right and wrong rows.

    Attributes:
        edges: (S + 1) from 0 to 1.
        true: (S) multi-label: cells that are true; multi-class: rows whose highest score is the true class's.
        other: (S) all the others.
    """

    edges: tuple[float, ...]
    true: tuple[int, ...]
    other: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What is drawn of scores and truth.

    Attributes:
        precision_recall: of all cells first, then of the most frequent labels, at most `MOST_CURVES`.
        calibration: of the scores; bins without forecasts are left out.
        calibration_before: of the scores before calibration; empty: not known.
        histogram: of the scores.
    """

    precision_recall: tuple[PrecisionRecallCurve, ...]
    calibration: tuple[CalibrationBin, ...]
    calibration_before: tuple[CalibrationBin, ...]
    histogram: ScoreHistogram


def curves(
    truth: NDArray[Any],
    scores: Floats,
    counts: Counts,
    labels: Sequence[str],
    task: Task,
    uncalibrated: Floats | None = None,
) -> Curves:
    """The curves of (B, C) scores in [0, 1]; `uncalibrated` are those before calibration."""
    frequent = np.argsort(-counts.support, kind="stable")[:MOST_CURVES]
    frequent = frequent[counts.support[frequent] > 0]
    return Curves(
        precision_recall=(
            _precision_recall(None, truth, scores),
            *(_precision_recall(labels[i], truth[:, i : i + 1], scores[:, i : i + 1]) for i in frequent.tolist()),
        ),
        calibration=calibration_bins(truth, scores, task),
        calibration_before=() if uncalibrated is None else calibration_bins(truth, uncalibrated, task),
        histogram=score_histogram(truth, scores, task),
    )


def _precision_recall(label: str | None, truth: NDArray[Any], scores: Floats) -> PrecisionRecallCurve:
    """Of all cells of a (B, C) table; points of equal counts, and those that nothing reaches, are left out."""
    true, every = np.zeros(len(_THRESHOLDS) + 1), np.zeros(len(_THRESHOLDS) + 1)
    for block in row_blocks(*truth.shape):
        reached = np.searchsorted(_THRESHOLDS, scores[block].ravel(), side="right")
        every += np.bincount(reached, minlength=len(every))
        true += np.bincount(reached, weights=(truth[block] != 0).ravel(), minlength=len(every))
    # Scores that reach threshold k are those counted at k + 1 and later.
    hits, given = (np.cumsum(table[::-1])[::-1][1:] for table in (true, every))
    kept = np.append(given[1:] != given[:-1], True) & (given > 0)
    support = int(true.sum())
    return PrecisionRecallCurve(
        label=label,
        support=support,
        threshold=tuple(_THRESHOLDS[kept].tolist()),
        precision=tuple(ratio(hits, given)[kept].tolist()),
        recall=tuple(ratio(hits, np.asarray(support))[kept].tolist()),
    )


def calibration_bins(truth: NDArray[Any], scores: Floats, task: Task) -> tuple[CalibrationBin, ...]:
    """The bins from which `Reliability` makes the calibration error, with their mean score and share of right."""
    forecasts, told, right = np.zeros(BINS), np.zeros(BINS), np.zeros(BINS)
    for block in row_blocks(*truth.shape):
        score, true = _forecasts(truth[block], scores[block], task)
        bins = Reliability.bin_of(score)
        forecasts += np.bincount(bins, minlength=BINS)
        told += np.bincount(bins, weights=score, minlength=BINS)
        right += np.bincount(bins, weights=true, minlength=BINS)
    return tuple(
        CalibrationBin(
            low=i / BINS,
            high=(i + 1) / BINS,
            forecasts=int(forecasts[i]),
            score=float(told[i] / forecasts[i]),
            right=float(right[i] / forecasts[i]),
        )
        for i in np.flatnonzero(forecasts).tolist()
    )


def score_histogram(truth: NDArray[Any], scores: Floats, task: Task) -> ScoreHistogram:
    """Count the forecasts of (B, C) scores in bins of equal width."""
    counted: list[Integers] = [np.zeros(_HISTOGRAM_BINS, np.int64), np.zeros(_HISTOGRAM_BINS, np.int64)]
    for block in row_blocks(*truth.shape):
        score, true = _forecasts(truth[block], scores[block], task)
        bins = np.minimum((score * _HISTOGRAM_BINS).astype(np.int64), _HISTOGRAM_BINS - 1)
        for place, own in enumerate((true, ~true)):
            counted[place] = counted[place] + np.bincount(bins[own], minlength=_HISTOGRAM_BINS)
    return ScoreHistogram(
        edges=tuple(np.linspace(0, 1, _HISTOGRAM_BINS + 1).tolist()),
        true=tuple(counted[0].tolist()),
        other=tuple(counted[1].tolist()),
    )


def _forecasts(truth: NDArray[Any], scores: Floats, task: Task) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores, and whether each came true: every cell of a multi-label table, the highest score of a multi-class row."""
    if task == "multilabel":
        return scores.ravel(), (truth != 0).ravel()
    winner = scores.argmax(axis=1)[:, None]
    return np.take_along_axis(scores, winner, axis=1).ravel(), (np.take_along_axis(truth, winner, axis=1) != 0).ravel()

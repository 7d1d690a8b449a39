"""Average precision: how well each label's scores rank its rows, whatever the threshold.

Shapes: B rows, C labels, R resamples.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.metrics import Floats, Integers, ratio


def average_precision(truth: NDArray[Any], scores: NDArray[Any], weights: NDArray[Any] | None = None) -> Floats:
    """The sum over thresholds of the gain in recall times the precision there, tied scores as one threshold.

    A label without positive rows gets 0, as in scikit-learn.

    Args:
        truth: (B, C), 0 or 1.
        scores: (B, C), any scale.
        weights: (B, R) how often each row counts in each resample; default: once.

    Returns:
        (C,), or (R, C) with weights.
    """
    counted = np.ones((len(truth), 1)) if weights is None else weights
    result = np.zeros((counted.shape[1], truth.shape[1]))
    for label in range(truth.shape[1]):
        positive = truth[:, label] != 0
        if positive.any():
            result[:, label] = _of_one_label(positive, scores[:, label], counted)
    return result[0] if weights is None else result


def _of_one_label(positive: NDArray[np.bool_], scores: NDArray[Any], weights: NDArray[Any]) -> Floats:
    """(B,) bool with at least one positive, (B,), (B, R) -> (R,)."""
    # Rows below the last positive one change nothing.
    kept = np.flatnonzero(scores >= scores[positive].min())
    order = kept[np.argsort(-scores[kept], kind="stable")]
    ranked, hit = scores[order], positive[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    hits_so_far = np.cumsum(hit, dtype=np.int64)[ends]
    gains = np.diff(hits_so_far, prepend=0) > 0  # other thresholds add nothing to the sum
    ends, hits_so_far = ends[gains], hits_so_far[gains]
    reached = np.cumsum(_segment_sums(weights[order], ends + 1), axis=0)
    gained = _segment_sums(weights[order[hit]], hits_so_far)
    found = np.cumsum(gained, axis=0)
    return ratio((gained * ratio(found, reached)).sum(axis=0), found[-1])


def _segment_sums(values: NDArray[Any], stops: Integers) -> NDArray[Any]:
    """(N, R) -> (S, R): sums of the consecutive segments that end before each of `stops`."""
    return np.add.reduceat(values, np.append(0, stops[:-1]), axis=0)

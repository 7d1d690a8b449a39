"""Which rows go wrong: by their length, by whether they were cut, by how many labels they have.

A row is wrong when its label set is not exactly right.

Shapes: B rows, S bins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.bootstrap import percentile_interval, resampled_shares
from fenlei.judge.metrics import Integers
from fenlei.judge.report import Figure
from fenlei.text.labels import Task

_LENGTH_BINS = 8
_MOST_LABELS = 4  # rows with so many labels or more are counted together


@dataclass(frozen=True, eq=False)
class Lengths:
    """How long the judged texts are.

    Attributes:
        tokens: (B,) before truncation.
        cut: (B,) whether truncation shortened the text.
    """

    tokens: NDArray[Any]
    cut: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class RowBin:
    """Rows that are alike in something.

    Attributes:
        low, high: tokens of the shortest and the longest, or labels of a row; for cut and whole texts 1 and 0.
        rows: how many.
        wrong: the share that is not exactly right.
    """

    low: int
    high: int
    rows: int
    wrong: Figure


@dataclass(frozen=True, kw_only=True)
class RowFacts:
    """The share of wrong rows in each bin; the bins of one kind hold every row once.

    Attributes:
        by_length: by tokens before truncation, as many rows a bin as equal lengths allow; empty: not known.
        by_truncation: whole texts, then those that were cut; empty: not known.
        by_labels: by the number of true labels, the last bin open above; empty for a multi-class task.
    """

    by_length: tuple[RowBin, ...]
    by_truncation: tuple[RowBin, ...]
    by_labels: tuple[RowBin, ...]


def row_facts(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    task: Task,
    lengths: Lengths | None,
    *,
    seed: int,
    groups: NDArray[Any] | None,
) -> RowFacts:
    """Compare (B, C) predictions with truth, row by row; `seed` and `groups` as in `resampled_counts`."""
    wrong = ((truth != 0) != (predicted != 0)).any(axis=1)

    def bins(values: Integers, place: Integers) -> tuple[RowBin, ...]:
        used, place = np.unique(place, return_inverse=True)
        shares = resampled_shares(wrong, place, len(used), seed=seed, groups=groups)
        return tuple(_bin(values[place == i], wrong[place == i], shares[:, i]) for i in range(len(used)))

    labels = np.count_nonzero(truth, axis=1)
    by_labels = bins(labels, np.minimum(labels, _MOST_LABELS)) if task == "multilabel" else ()
    if lengths is None:
        return RowFacts(by_length=(), by_truncation=(), by_labels=by_labels)
    tokens, cut = lengths.tokens.astype(np.int64), lengths.cut.astype(np.int64)
    return RowFacts(
        by_length=bins(tokens, bins_of_equal_count(tokens, _LENGTH_BINS)),
        by_truncation=bins(cut, cut),
        by_labels=by_labels,
    )


def bins_of_equal_count(values: Integers, most: int) -> Integers:
    """(B,) -> (B,) the bin of each value: at most `most` bins, none of which parts equal values."""
    borders: Sequence[float] = np.unique(
        np.quantile(values, np.linspace(0, 1, most + 1)[1:-1], method="higher")
    ).tolist()
    return np.searchsorted(np.asarray(borders), values, side="left")


def _bin(values: Integers, wrong: NDArray[np.bool_], resampled: NDArray[np.float64]) -> RowBin:
    return RowBin(
        low=int(values.min()),
        high=int(values.max()),
        rows=len(values),
        wrong=Figure(float(wrong.mean()), percentile_interval(resampled)),
    )

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
from fenlei.judge.figures import Figure
from fenlei.judge.metrics import Integers
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
    labels = np.count_nonzero(truth, axis=1)
    # What the rows of a bin are alike in, and the bin of each row.
    kinds: dict[str, tuple[Integers, Integers]] = {}
    if task == "multilabel":
        kinds["by_labels"] = labels, np.minimum(labels, _MOST_LABELS)
    if lengths is not None:
        tokens, cut = lengths.tokens.astype(np.int64), lengths.cut.astype(np.int64)
        kinds |= {"by_length": (tokens, bins_of_equal_count(tokens, _LENGTH_BINS)), "by_truncation": (cut, cut)}
    inside = {kind: place == np.unique(place)[:, None] for kind, (_, place) in kinds.items()}
    every = np.concatenate([np.zeros((0, len(wrong)), bool), *inside.values()])
    shares = iter(resampled_shares(wrong, every, seed=seed, groups=groups).T)
    found = {
        kind: tuple(_bin(values[rows], wrong[rows], next(shares)) for rows in inside[kind])
        for kind, (values, _) in kinds.items()
    }
    return RowFacts(**{kind: found.get(kind, ()) for kind in ("by_length", "by_truncation", "by_labels")})


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

"""Percentile bootstrap over rows: how much a figure would move on other rows of the same kind.

Weighted sums give the sums of a resample, so no row is ever copied. Two systems resampled with one seed
see the same resamples: their difference, resample by resample, is the paired bootstrap.

Rows drawn twice make small samples look smaller still: where labels have a handful of rows each, resampled
macro-F1 lies a little below its estimate and resampled average precision a little above. Of labels with a row or two
see `mean_interval`.

Shapes: B rows, C labels, R resamples, r resamples of one block, K marked cells of a table, S bins.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.metrics import Counts, Floats, Integers, rates, ratio, row_blocks
from fenlei.judge.ranking import average_precision
from fenlei.judge.reliability import Reliability

COUNTED_RESAMPLES = 1_000
RANKING_RESAMPLES = 100  # each needs a walk through every label's ranking

_NORMAL_95 = 1.96  # standard deviations on either side that hold 95% of a normal distribution

# Elements of the weights of one block of resamples.
_BLOCK = 1 << 22

FEWEST_ROWS = 3
"""A label of fewer rows is missed by one resample in seven or more, so that its own interval is too narrow (LOG.md)."""


@dataclass(frozen=True)
class Interval:
    """A 95% interval."""

    low: float
    high: float

    @property
    def leaves_out_zero(self) -> bool:
        """Whether a difference with this interval is beyond chance."""
        return self.low > 0 or self.high < 0


def percentile_interval(resampled: Floats) -> Interval:
    """From the 2.5th to the 97.5th percentile of (R,) resampled figures."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(float(low), float(high))


def mean_interval(each: Floats, resampled: Floats, support: Integers, *, lowest: float = 0.0) -> Interval:
    """The interval of a mean over labels, such as macro-F1, some of which may have too few rows to be resampled.

    Such a label hardly varies over resamples, which are made of its few rows or keep its value. How far several of them
    lie apart tells how far each would lie elsewhere on other rows: so much variance they have at least, and the
    resampled means are spread until their variance is that of all labels together. With less than two of them it is
    the percentile interval.

    Args:
        each: (C,) figures of the labels, or differences of two classifiers' figures.
        resampled: (R, C) the same on resamples.
        support: (C,) rows of each label.
        lowest: what such a mean cannot go below; the highest is 1.
    """
    moved = resampled.mean(axis=1)
    rare = (support > 0) & (support < FEWEST_ROWS)
    if rare.sum() < 2:
        return percentile_interval(moved)
    own = resampled.var(axis=0, ddof=1)
    variance = np.where(rare, np.maximum(own, each[rare].var(ddof=1)), own).sum()
    if own.any():
        off = percentile_interval((moved - moved.mean()) * np.sqrt(variance / own.sum()))
    else:
        # Each resample has the same figures: a normal distribution stands in for them.
        half = _NORMAL_95 * float(np.sqrt(variance)) / len(each)
        off = Interval(-half, half)
    mean = float(each.mean())
    return Interval(max(lowest, mean + off.low), min(1.0, mean + off.high))


def mirrored_interval(figure: float, resampled: Floats) -> Interval:
    """The basic bootstrap (Davison and Hinkley 1997, section 5.2), widened to hold the figure itself.

    For a figure that noise raises: (R,) resampled ones lie above it as far as it lies above the truth, so that much is
    taken off instead of added once more.
    """
    raised = percentile_interval(resampled)
    return Interval(min(2 * figure - raised.high, figure), max(2 * figure - raised.low, figure))


def resampled_counts(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    measures: Callable[[Counts], dict[str, Floats]],
    *,
    seed: int,
    groups: NDArray[Any] | None = None,
    resamples: int = COUNTED_RESAMPLES,
) -> dict[str, Floats]:
    """Figures of every resample, each (R,).

    Args:
        truth: (B, C), 0 or 1.
        predicted: (B, C), 0 or 1.
        measures: figures by name from the sums of a block of resamples, each (r,).
        seed: the same seed gives the same resamples, whatever the system judged.
        groups: (B,) rows of one group are drawn together; default: each row alone.
        resamples: R.
    """
    hits = _Marks.of(truth, predicted)
    given, true = _Marks.of(predicted), _Marks.of(truth)
    row = rates(hits.per_row, given.per_row, true.per_row)
    exact = (hits.per_row == given.per_row) & (hits.per_row == true.per_row)
    widest = max(len(truth), len(given.rows), len(true.rows))
    blocks: list[dict[str, Floats]] = []
    for weights in row_weights(len(truth), resamples, seed=seed, groups=groups, elements_a_resample=widest):
        blocks.append(
            measures(
                Counts(
                    rows=weights.sum(axis=0),
                    exact=exact @ weights,
                    tp=hits.weighted(weights),
                    predicted=given.weighted(weights),
                    support=true.weighted(weights),
                    row_precision=row.precision @ weights,
                    row_recall=row.recall @ weights,
                    row_f1=row.f1 @ weights,
                )
            )
        )
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def resampled_average_precision(
    truth: NDArray[Any],
    scores: NDArray[Any],
    *,
    drawn_from: Floats,
    seed: int,
    groups: NDArray[Any] | None = None,
    resamples: int = RANKING_RESAMPLES,
) -> Floats:
    """(R, C) average precision of every label in every resample; arguments as in `resampled_counts`.

    A label that a resample missed keeps its value on the rows drawn from: (C,) `drawn_from`.
    """
    blocks = row_weights(len(truth), resamples, seed=seed, groups=groups)
    found = np.concatenate([average_precision(truth, scores, weights) for weights in blocks])
    # A label with a positive row has an average precision above 0.
    return np.where(found > 0, found, drawn_from)


def resampled_reliability(
    reliability: Reliability,
    *,
    seed: int,
    groups: NDArray[Any] | None = None,
    resamples: int = COUNTED_RESAMPLES,
) -> dict[str, Floats]:
    """The figures of every resample, each (R,); arguments as in `resampled_counts`."""
    blocks = [
        reliability.figures(weights)
        for weights in row_weights(len(reliability.cells), resamples, seed=seed, groups=groups)
    ]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def resampled_shares(
    marked: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    *,
    seed: int,
    groups: NDArray[Any] | None = None,
    resamples: int = COUNTED_RESAMPLES,
) -> Floats:
    """(R, S) the share of marked rows in each of S bins in every resample.

    A bin that a resample missed keeps its share of the rows drawn from. Other arguments as in `resampled_counts`.

    Args:
        marked: (B,).
        inside: (S, B) whether a bin holds a row; a row may stand in several.
    """
    counted, counted_marked = inside.astype(np.float64), (inside & marked).astype(np.float64)
    drawn_from = ratio(counted_marked.sum(axis=1), counted.sum(axis=1))[:, None]
    blocks = []
    for weights in row_weights(len(marked), resamples, seed=seed, groups=groups):
        rows = counted @ weights
        blocks.append(np.where(rows > 0, ratio(counted_marked @ weights, rows), drawn_from).T)
    return np.concatenate(blocks)


def row_weights(
    rows: int,
    resamples: int,
    *,
    seed: int,
    groups: NDArray[Any] | None = None,
    elements_a_resample: int | None = None,
) -> Iterator[Integers]:
    """Yield (B, r) blocks: how often each row is drawn in each of r resamples, R in all.

    Args:
        rows: B.
        resamples: R.
        seed: settles every draw; the size of the blocks does not matter.
        groups: (B,) as many groups are drawn as there are, each with all its rows.
        elements_a_resample: what the caller will hold for one resample, which bounds r; default: B.
    """
    generator = np.random.default_rng(seed)
    units = rows
    if groups is not None:
        names, unit_of_row = np.unique(groups, return_inverse=True)
        units = len(names)
    size = max(1, _BLOCK // max(1, elements_a_resample or rows))
    for start in range(0, resamples, size):
        block = np.empty((rows, min(size, resamples - start)), dtype=np.int64)
        for column in block.T:
            drawn = np.bincount(generator.integers(units, size=units), minlength=units)
            column[:] = drawn if groups is None else drawn[unit_of_row]
        yield block


@dataclass(frozen=True, eq=False)
class _Marks:
    """The marked cells of a (B, C) table, label after label.

    Attributes:
        rows: (K,) the row of each marked cell.
        per_row: (B,) marked cells a row.
        per_label: (C,) marked cells a label.
    """

    rows: NDArray[np.int32]
    per_row: Integers
    per_label: Integers

    @classmethod
    def of(cls, table: NDArray[Any], also: NDArray[Any] | None = None) -> "_Marks":
        """The cells that are not 0 in `table`, nor in `also`."""
        rows, labels = [], []
        for block in row_blocks(*table.shape):
            marked = table[block] != 0 if also is None else (table[block] != 0) & (also[block] != 0)
            row, label = np.nonzero(marked)
            rows.append((row + block.start).astype(np.int32))
            labels.append(label.astype(np.int32))
        all_rows, all_labels = np.concatenate(rows), np.concatenate(labels)
        return cls(
            rows=all_rows[np.argsort(all_labels, kind="stable")],
            per_row=np.bincount(all_rows, minlength=table.shape[0]),
            per_label=np.bincount(all_labels, minlength=table.shape[1]),
        )

    def weighted(self, weights: Integers) -> Integers:
        """(B, r) -> (r, C): the weight of the marked cells of each label."""
        sums = np.zeros((len(self.per_label), weights.shape[1]), dtype=np.int64)
        filled = self.per_label > 0
        if filled.any():
            starts = np.cumsum(self.per_label)[filled] - self.per_label[filled]
            sums[filled] = np.add.reduceat(weights[self.rows], starts, axis=0)
        return sums.T

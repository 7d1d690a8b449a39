"""Counted measures: sums over rows first, every figure from the sums.

A label or average whose denominator is zero gets 0, as in scikit-learn with `zero_division=0`;
`macro` runs over all labels, also those that do not occur.

Shapes: B rows, C labels, R resamples. Truth and predictions are (B, C), 0 or 1; multi-class is one-hot.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bits = NDArray[np.uint8]

# Elements of a table looked at in one go: 10,000 labels must not need a second dense table.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class PrecisionRecallF1:
    """The three together: (C,) a label, () an average; R in front for resamples."""

    precision: Floats
    recall: Floats
    f1: Floats

    def map(self, change: Callable[[Floats], Floats]) -> "PrecisionRecallF1":
        """The same change made to each."""
        return PrecisionRecallF1(change(self.precision), change(self.recall), change(self.f1))

    def where(self, condition: NDArray[np.bool_], other: "PrecisionRecallF1") -> "PrecisionRecallF1":
        """These where the condition holds, `other` elsewhere; broadcasts."""
        return PrecisionRecallF1(
            np.where(condition, self.precision, other.precision),
            np.where(condition, self.recall, other.recall),
            np.where(condition, self.f1, other.f1),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Counts:
    """Sums over rows; those of two batches or processes add up to those of both.

    Every field may have R in front: the sums of R resamples.

    Attributes:
        rows: () rows counted.
        exact: () rows whose label set is predicted exactly.
        tp: (C,) rows that have the label and were given it.
        predicted: (C,) rows that were given the label.
        support: (C,) rows that have the label.
        row_precision, row_recall, row_f1: () sums of each row's own precision, recall and F1.
    """

    rows: Integers
    exact: Integers
    tp: Integers
    predicted: Integers
    support: Integers
    row_precision: Floats
    row_recall: Floats
    row_f1: Floats

    @classmethod
    def of(cls, truth: NDArray[Any], predicted: NDArray[Any]) -> "Counts":
        """Count (B, C) truth against (B, C) predictions.

        Raises:
            ValueError: the shapes differ.
        """
        _require_same_shape(truth, predicted)
        zero, zeros = np.zeros((), np.int64), np.zeros(truth.shape[1], np.int64)
        counts = cls(
            rows=zero,
            exact=zero,
            tp=zeros,
            predicted=zeros,
            support=zeros,
            row_precision=np.zeros(()),
            row_recall=np.zeros(()),
            row_f1=np.zeros(()),
        )
        for block in row_blocks(*truth.shape):
            counts += cls._of_block(truth[block] != 0, predicted[block] != 0)
        return counts

    @classmethod
    def _of_block(cls, truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> "Counts":
        hits = truth & predicted
        row = rates(hits.sum(axis=1), predicted.sum(axis=1), truth.sum(axis=1))
        return cls(
            rows=np.asarray(len(truth)),
            exact=np.asarray((truth == predicted).all(axis=1).sum()),
            tp=hits.sum(axis=0),
            predicted=predicted.sum(axis=0),
            support=truth.sum(axis=0),
            row_precision=np.asarray(row.precision.sum()),
            row_recall=np.asarray(row.recall.sum()),
            row_f1=np.asarray(row.f1.sum()),
        )

    def __add__(self, other: "Counts") -> "Counts":
        names = [field.name for field in fields(self)]
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def fp(self) -> Integers:
        """(C,) rows that were given the label without having it."""
        return self.predicted - self.tp

    @property
    def fn(self) -> Integers:
        """(C,) rows that have the label without being given it."""
        return self.support - self.tp

    def per_label(self, *, drawn_from: "Counts | None" = None) -> PrecisionRecallF1:
        """(C,) each.

        Args:
            drawn_from: for sums of resamples, those of the rows drawn from. A label that a resample merely
                missed keeps its value there; as 0 it would push every resample below the estimate.
        """
        each = rates(self.tp, self.predicted, self.support)
        return each if drawn_from is None else each.where(self.support > 0, drawn_from.per_label())

    def micro(self) -> PrecisionRecallF1:
        """From the sums over all labels: each decision counts the same."""
        return rates(self.tp.sum(axis=-1), self.predicted.sum(axis=-1), self.support.sum(axis=-1))

    def macro(self) -> PrecisionRecallF1:
        """The mean over all labels; a label that does not occur counts 0."""
        return self.per_label().map(lambda values: values.mean(axis=-1))

    def weighted(self) -> PrecisionRecallF1:
        """The mean over labels, weighted by support."""
        total = self.support.sum(axis=-1)
        return self.per_label().map(lambda values: ratio((values * self.support).sum(axis=-1), total))

    def samples(self) -> PrecisionRecallF1:
        """The mean over rows of each row's own; a row with neither true nor predicted label counts 0."""
        return PrecisionRecallF1(self.row_precision, self.row_recall, self.row_f1).map(
            lambda total: ratio(total, self.rows)
        )

    def subset_accuracy(self) -> Floats:
        """The share of rows whose label set is exactly right; for multi-class, the accuracy."""
        return ratio(self.exact, self.rows)

    def hamming_loss(self) -> Floats:
        """The share of wrong decisions among all B x C."""
        return ratio((self.fp + self.fn).sum(axis=-1), self.rows * self.tp.shape[-1])


def rates(hits: NDArray[Any], predicted: NDArray[Any], support: NDArray[Any]) -> PrecisionRecallF1:
    """Precision, recall and F1 of sums of any shape; 0 where the denominator is 0."""
    return PrecisionRecallF1(ratio(hits, predicted), ratio(hits, support), ratio(2 * hits, np.add(predicted, support)))


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """Their quotient, 0 where the denominator is 0; broadcasts."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    quotient: Floats = np.divide(numerator, denominator, out=np.zeros(shape), where=np.not_equal(denominator, 0))
    return quotient


def row_blocks(rows: int, labels: int) -> list[slice]:
    """Slices over the rows of a (B, C) table, each of bounded size."""
    step = max(1, _BLOCK // max(1, labels))
    return [slice(start, start + step) for start in range(0, rows, step)]


def _require_same_shape(truth: NDArray[Any], predicted: NDArray[Any]) -> None:
    if truth.shape != predicted.shape or truth.ndim != 2:
        raise ValueError(f"truth {truth.shape} and predictions {predicted.shape} must both be (rows, labels)")

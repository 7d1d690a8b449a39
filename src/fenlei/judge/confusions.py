"""Which label is taken for which, and which labels stand together.

A row counts for the pair (a, b) when it has a and was not given it, and was given b without having it. In a
multi-class task that is the confusion matrix; in a multi-label one a row with several mistakes counts for several
pairs, and a label may also be missed, or given too much, with no other mistake in the row: `None` stands there for
the other label. Rows given a label that they have stand on the diagonal.

Shapes: B rows, C labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.metrics import Bits, Integers, ratio, row_blocks
from fenlei.text.labels import Task

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# What a report keeps: pairs of each kind, and labels of the matrix.
MOST_PAIRS = 100
MOST_LABELS = 30


@dataclass(frozen=True, kw_only=True)
class TakenFor:
    """One kind of mistake.

    Attributes:
        true: the label that was missed; None: no other label was missed in these rows.
        given: the label that was given wrongly; None: nothing was given wrongly in these rows.
        rows: how many.
        share: of the rows that have `true`; without one, of those that were given `given`.
    """

    true: str | None
    given: str | None
    rows: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A table of counts, truth downwards, what was given across.

    Attributes:
        labels: in label order; those with the most mistakes where there are too many. `others` folds the rest
            into one more row and column, and in a multi-label task `nothing` is the last.
        others, nothing: whether these two rows and columns follow the labels.
        rows: the counts.
    """

    labels: tuple[str, ...]
    others: bool
    nothing: bool
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Confusions:
    """The mistakes by pairs of labels.

    Attributes:
        pairs: one label for another, most rows first, at most `MOST_PAIRS`.
        pairs_found: how many there are.
        alone: labels missed, or given too much, with no other mistake in the row; kept as `pairs`.
        alone_found: how many there are.
        matrix: the same as a table.
    """

    pairs: tuple[TakenFor, ...]
    pairs_found: int
    alone: tuple[TakenFor, ...]
    alone_found: int
    matrix: Matrix


@dataclass(frozen=True, kw_only=True)
class Together:
    """Two labels in one row.

    Attributes:
        first, second: in label order.
        true: rows that have both.
        predicted: rows that were given both.
        both: rows that have both and were given both.
    """

    first: str
    second: str
    true: int
    predicted: int
    both: int


@dataclass(frozen=True, kw_only=True)
class CoOccurrence:
    """Pairs of labels that stand together.

    Attributes:
        pairs: most rows first, true or predicted, whichever are more; at most `MOST_PAIRS`.
        pairs_found: how many there are.
    """

    pairs: tuple[Together, ...]
    pairs_found: int


def confusions(truth: NDArray[Any], predicted: Bits, labels: Sequence[str], task: Task) -> Confusions:
    """Count the mistakes of (B, C) predictions by pairs of labels."""
    true, given = _sparse(truth), _sparse(predicted)
    hit = true.multiply(given).tocsr()
    missed, wrong = (true - hit).tocsr(), (given - hit).tocsr()
    pairs = (missed.T @ wrong).tocoo()
    support, given_rows = _column_sums(true), _column_sums(given)
    nothing_wrong, nothing_missed = _row_sums(wrong) == 0, _row_sums(missed) == 0
    missed_alone = np.asarray(nothing_wrong.astype(np.int64) @ missed)
    wrong_alone = np.asarray(nothing_missed.astype(np.int64) @ wrong)
    places = np.argsort(-pairs.data, kind="stable")[:MOST_PAIRS]
    between = tuple(
        TakenFor(
            true=labels[pairs.row[i]],
            given=labels[pairs.col[i]],
            rows=int(pairs.data[i]),
            share=float(ratio(pairs.data[i], support[pairs.row[i]])),
        )
        for i in places.tolist()
    )
    alone = [
        *(_alone(labels[i], None, missed_alone[i], support[i]) for i in np.flatnonzero(missed_alone).tolist()),
        *(_alone(None, labels[i], wrong_alone[i], given_rows[i]) for i in np.flatnonzero(wrong_alone).tolist()),
    ]
    mistakes = _column_sums(missed) + _column_sums(wrong)
    shown = np.sort(np.argsort(-mistakes, kind="stable")[:MOST_LABELS])
    size = len(labels) + 1  # `nothing` last
    rows, columns, counts = (
        np.concatenate([pairs.row, np.arange(size - 1), np.arange(size - 1), np.full(size - 1, size - 1)]),
        np.concatenate([pairs.col, np.arange(size - 1), np.full(size - 1, size - 1), np.arange(size - 1)]),
        np.concatenate([pairs.data, _column_sums(hit), missed_alone, wrong_alone]),
    )
    return Confusions(
        pairs=between,
        pairs_found=pairs.nnz,
        alone=tuple(sorted(alone, key=lambda pair: -pair.rows)[:MOST_PAIRS]),
        alone_found=len(alone),
        matrix=_folded(rows, columns, counts, shown, labels, nothing=task == "multilabel"),
    )


def co_occurrence(truth: NDArray[Any], predicted: Bits, labels: Sequence[str]) -> CoOccurrence:
    """Count which labels stand together in (B, C) truth and predictions."""
    from scipy.sparse import triu

    true, given = _sparse(truth), _sparse(predicted)
    hit = true.multiply(given).tocsr()
    tables = [triu(table.T @ table, k=1).tocsr() for table in (true, given, hit)]
    most = tables[0].maximum(tables[1]).tocoo()
    places = np.argsort(-most.data, kind="stable")[:MOST_PAIRS]
    pairs = tuple(
        Together(
            first=labels[most.row[i]],
            second=labels[most.col[i]],
            true=int(tables[0][most.row[i], most.col[i]]),
            predicted=int(tables[1][most.row[i], most.col[i]]),
            both=int(tables[2][most.row[i], most.col[i]]),
        )
        for i in places.tolist()
    )
    return CoOccurrence(pairs=pairs, pairs_found=most.nnz)


def _alone(true: str | None, given: str | None, rows: Any, among: Any) -> TakenFor:
    return TakenFor(true=true, given=given, rows=int(rows), share=float(ratio(rows, among)))


def _folded(
    rows: Integers,
    columns: Integers,
    counts: Integers,
    shown: Integers,
    labels: Sequence[str],
    *,
    nothing: bool,
) -> Matrix:
    """The counts at (row, column) of the full table, the last of which is `nothing`, as a table of the shown labels."""
    others = len(shown) < len(labels)
    place = np.full(len(labels) + 1, len(shown))
    place[shown] = np.arange(len(shown))
    place[-1] = len(shown) + others
    size = len(shown) + others + 1
    table = np.bincount(place[rows] * size + place[columns], weights=counts, minlength=size * size)
    table = table.reshape(size, size).astype(np.int64)
    if not nothing:
        table = table[:-1, :-1]
    return Matrix(
        labels=tuple(labels[i] for i in shown.tolist()),
        others=others,
        nothing=nothing,
        rows=tuple(tuple(row) for row in table.tolist()),
    )


def _sparse(table: NDArray[Any]) -> "csr_array":
    """The (B, C) cells that are not 0, as 1."""
    from scipy.sparse import csr_array

    rows, columns = [], []
    for block in row_blocks(*table.shape):
        row, column = np.nonzero(table[block])
        rows.append(row + block.start)
        columns.append(column)
    places = (np.concatenate(rows), np.concatenate(columns))
    return csr_array((np.ones(len(places[0]), dtype=np.int64), places), shape=table.shape)


def _column_sums(table: "csr_array") -> Integers:
    return np.asarray(table.sum(axis=0)).ravel()


def _row_sums(table: "csr_array") -> Integers:
    return np.asarray(table.sum(axis=1)).ravel()

"""Token tables -> packed batches.

A packed batch lays its texts end to end in one row of N tokens, sorted by length, so that
neighbours of nearly equal length can share one attention call. A long text lies there as its windows, all
in the same batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fenlei.text.tokens import TokenTable
from fenlei.text.windows import WindowJoin


@dataclass(frozen=True)
class WindowsOfBatch:
    """Which windows of a packed batch are whose.

    Attributes:
        places: (W,) int64, where each window stands in the row: those of the first text in the order of reading,
            then those of the next.
        counts: (B,) int64, windows of each text.
        join: how their logits become one.
    """

    places: NDArray[np.int64]
    counts: NDArray[np.int64]
    join: WindowJoin


@dataclass(frozen=True)
class PackedBatch:
    """B texts in one row of N tokens, as W windows, shortest first; a text that is not long is one window.

    Attributes:
        ids: (N,) int64 token ids.
        lengths: (W,) int64, ascending; they sum to N.
        rows: (B,) int64, the texts' row numbers in the token table.
        types: (N,) int64, 1 for the second texts of pairs; None: all 0.
        windows: whose they are; None: each is the text of its place in `rows`.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    rows: NDArray[np.int64]
    types: NDArray[np.int64] | None = None
    windows: WindowsOfBatch | None = None

    def __len__(self) -> int:
        return len(self.rows)


def pack(table: TokenTable, rows: NDArray[np.int64]) -> PackedBatch:
    """Lay the given rows of `table` end to end, shortest first (stable)."""
    rows = rows[np.argsort(table.lengths[rows], kind="stable")]
    counts, pieces, offsets = np.ones(len(rows), np.int64), rows, table.offsets
    if table.windows is not None:
        counts, offsets = table.windows.counts[rows], table.windows.offsets
        pieces = np.concatenate([np.arange(*table.windows.firsts[row : row + 2]) for row in rows])
    lengths = offsets[pieces + 1] - offsets[pieces]
    order = np.argsort(lengths, kind="stable")
    lengths = lengths[order]
    ids = np.concatenate([table.ids[offsets[piece] : offsets[piece + 1]] for piece in pieces[order]]).astype(np.int64)
    types = windows = None
    if table.seconds is not None:
        begins = np.repeat(table.seconds[rows], counts)[order]
        each = [(np.arange(length) >= at) & (at > 0) for length, at in zip(lengths, begins, strict=True)]
        types = np.concatenate(each).astype(np.int64)
    if table.windows is not None and len(pieces) > len(rows):
        windows = WindowsOfBatch(np.argsort(order), counts, table.windows.join)
    return PackedBatch(ids, lengths, rows, types, windows)


def training_batches(
    table: TokenTable, *, batch_size: int, max_tokens: int, seed: int, epoch: int, skip: int = 0
) -> Iterator[list[PackedBatch]]:
    """Each row once, in an order that depends on `seed` and `epoch` alone, without the first `skip` updates.

    Yields:
        The packed batches of one update: together `batch_size` texts (fewer in the last update),
        each of at most `max_tokens` tokens, or of one text if that alone, with its windows, is longer.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(table))
    for start in range(skip * batch_size, len(order), batch_size):
        rows = order[start : start + batch_size]
        rows = rows[np.argsort(table.lengths[rows], kind="stable")]
        yield [pack(table, part) for part in _within_budget(table.lengths, rows, max_tokens)]


def scoring_batches(
    table: TokenTable, *, max_tokens: int, rows: NDArray[np.int64] | None = None
) -> Iterator[PackedBatch]:
    """Each of `rows`, by default each row of `table`, once; texts of similar length together, longest first.

    Longest first shows at once whether the memory suffices, and makes the time left an overestimate.
    """
    rows = np.arange(len(table)) if rows is None else rows
    order = rows[np.argsort(-table.lengths[rows], kind="stable")]
    for part in _within_budget(table.lengths, order, max_tokens):
        yield pack(table, part)


def _within_budget(lengths: NDArray[np.int64], rows: NDArray[np.int64], max_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Cut `rows` into consecutive parts of at most `max_tokens` tokens, at least one row each."""
    start, total = 0, 0
    for position, row in enumerate(rows):
        length = int(lengths[row])
        if position > start and total + length > max_tokens:
            yield rows[start:position]
            start, total = position, 0
        total += length
    if start < len(rows):
        yield rows[start:]

"""Token tables -> packed batches.

A packed batch lays its texts end to end in one row of N tokens, sorted by length, so that
neighbours of nearly equal length can share one attention call.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fenlei.text.tokens import TokenTable


@dataclass(frozen=True)
class PackedBatch:
    """B texts in one row of N tokens, shortest first.

    Attributes:
        ids: (N,) int64 token ids.
        lengths: (B,) int64, ascending; they sum to N.
        rows: (B,) int64, the texts' row numbers in the token table.
        types: (N,) int64, 1 for the second texts of pairs; None: all 0.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    rows: NDArray[np.int64]
    types: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.rows)


def pack(table: TokenTable, rows: NDArray[np.int64]) -> PackedBatch:
    """Lay the given rows of `table` end to end, shortest first (stable)."""
    lengths = table.lengths[rows]
    order = np.argsort(lengths, kind="stable")
    rows, lengths = rows[order], lengths[order]
    ids = np.concatenate([table[row] for row in rows]).astype(np.int64)
    if table.seconds is None:
        return PackedBatch(ids, lengths, rows)
    types = [
        (np.arange(length) >= begins) & (begins > 0)
        for length, begins in zip(lengths, table.seconds[rows], strict=True)
    ]
    return PackedBatch(ids, lengths, rows, np.concatenate(types).astype(np.int64))


def training_batches(
    table: TokenTable, *, batch_size: int, max_tokens: int, seed: int, epoch: int, skip: int = 0
) -> Iterator[list[PackedBatch]]:
    """Each row once, in an order that depends on `seed` and `epoch` alone, without the first `skip` updates.

    Yields:
        The packed batches of one update: together `batch_size` texts (fewer in the last update),
        each of at most `max_tokens` tokens, or of one text if that alone is longer.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(table))
    for start in range(skip * batch_size, len(order), batch_size):
        rows = order[start : start + batch_size]
        rows = rows[np.argsort(table.lengths[rows], kind="stable")]
        yield [pack(table, part) for part in _within_budget(table.lengths, rows, max_tokens)]


def scoring_batches(table: TokenTable, *, max_tokens: int) -> Iterator[PackedBatch]:
    """Each row once, texts of similar length together, longest first.

    Longest first shows at once whether the memory suffices, and makes the time left an overestimate.
    """
    order = np.argsort(-table.lengths, kind="stable")
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

"""Packed execution, many texts laid end to end in one row, each attending to itself alone: where they lie in it.

oneDNN compiles a kernel for each shape of a matrix product, which takes longer than the product itself, and keeps some
hundreds. So the row ends in spare tokens and the texts of a run are padded, both up to a few lengths that come again.

Shapes: B texts, N tokens of a packed row, spare ones included, L the padded length of the texts of a run.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# What padding the shorter texts of a run to the longest may add to what padding each to its own length takes: one
# larger kernel call costs less than two.
_PADDING_ALLOWED = 0.15

# Attention weights of one head in one run: few enough that those of all heads stay in the core's cache between the
# products and the softmax (LOG.md).
_MOST_WEIGHTS = 1 << 16

# The exponential of anything beside it is 0, in every precision that has this number.
_FAR_BELOW = torch.finfo(torch.bfloat16).min


@dataclass(frozen=True)
class Run:
    """Neighbouring texts of nearly equal length, which share one attention call.

    Attributes:
        start: first token of the run in the row; `stop`: one past its last.
        count: number of texts; `padded`: L.
        real: (count, L) bool, false at padding; None: all are L long.
        gather: (count * L,) positions of the row, padding repeats the text's first token; None: they follow each other
            from `start` on, where all are L long, or there is one text and what follows it pads it as well.
        scatter: (stop - start,) where each token of the run stands in the gathered block; None as above.
    """

    start: int
    stop: int
    count: int
    padded: int
    real: Tensor | None = None
    gather: Tensor | None = None
    scatter: Tensor | None = None

    @cached_property
    def bias(self) -> Tensor | None:
        """(count, L) float32, what is added to the products of keys that are padding; None as `real`."""
        if self.real is None:
            return None
        return torch.zeros(self.real.shape, device=self.real.device).masked_fill_(~self.real, _FAR_BELOW)


@dataclass(frozen=True, eq=False)
class Packing:
    """The boundaries of a packed row.

    Attributes:
        lengths: (B,) of the texts, ascending.
        position_ids: (1, N) int64, restarting at 0 with every text; 0 for spare tokens.
        first_tokens: (B,) int64, where each text begins.
        spare: how many tokens stand behind the last text; no text attends to them.
    """

    lengths: NDArray[np.int64]
    position_ids: Tensor
    first_tokens: Tensor
    spare: int

    @classmethod
    def of(cls, lengths: NDArray[np.int64], device: torch.device) -> "Packing":
        """The packing of texts of the given (ascending) lengths (B,)."""
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        tokens = int(lengths.sum())
        positions = np.zeros(_recurring(tokens), np.int64)
        positions[:tokens] = np.arange(tokens) - np.repeat(starts, lengths)
        return cls(
            lengths,
            on_device(positions, device)[None],
            on_device(starts, device),
            len(positions) - tokens,
        )

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The runs, which cover the texts in order."""
        starts, row = np.cumsum(self.lengths) - self.lengths, self.position_ids.shape[1]
        device = self.position_ids.device
        return tuple(_run(self.lengths[a:b], int(starts[a]), row, device) for a, b in _cut_into_runs(self.lengths))

    @cached_property
    def boundaries(self) -> Tensor:
        """(B + 1,) int32 where each text begins and the last one ends, or (B + 2,): the spare tokens are one more."""
        ends = np.cumsum(np.append(self.lengths, self.spare) if self.spare else self.lengths)
        return on_device(np.concatenate([[0], ends]).astype(np.int32), self.position_ids.device)

    @property
    def longest(self) -> int:
        """The longest of the same."""
        return max(int(self.lengths[-1]), self.spare)


def on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """The array as a tensor there. Nobody waits for a GPU: the driver has its copy when this returns."""
    return torch.from_numpy(array).to(device, non_blocking=True)


def _recurring(length: int) -> int:
    """The next of the lengths that rows and runs are padded to: multiples of 16, of 32 from 512, of 64, of 128."""
    step = 1 << min(max(length.bit_length() - 5, 4), 7)
    return math.ceil(length / step) * step


def _cut_into_runs(lengths: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of texts that padding to one length makes little larger, and whose weights are few.

    One text alone may have more weights.
    """
    ranges, start, tokens = [], 0, 0
    for text, length in enumerate(map(_recurring, lengths.tolist())):
        padded = length * (text - start + 1)
        too_much = padded > (1 + _PADDING_ALLOWED) * (tokens + length) or padded * length > _MOST_WEIGHTS
        if text > start and too_much:
            ranges.append((start, text))
            start, tokens = text, 0
        tokens += length
    ranges.append((start, len(lengths)))
    return ranges


def _run(lengths: NDArray[np.int64], start: int, row: int, device: torch.device) -> Run:
    """The run of texts of these lengths, the first of which begins at `start` in a row of `row` tokens."""
    count, padded, total = len(lengths), _recurring(int(lengths[-1])), int(lengths.sum())
    if count * padded == total:
        return Run(start, start + total, count, padded)
    within = np.arange(padded)[None, :]
    real = within < lengths[:, None]
    if count == 1 and start + padded <= row:
        return Run(start, start + total, count, padded, on_device(real, device))
    starts = start + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    gather = np.where(real, starts[:, None] + within, starts[:, None])
    return Run(
        start,
        start + total,
        count,
        padded,
        on_device(real, device),
        on_device(gather.reshape(-1), device),
        on_device(np.flatnonzero(real.reshape(-1)), device),
    )

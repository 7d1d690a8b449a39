"""Packed execution: many texts in one row through transformers' own classes, each attending to itself alone.

The model is called with one row of N tokens and its attention goes through `packed_attention`, registered
with transformers' `AttentionInterface` under `IMPLEMENTATION`; the texts' boundaries travel beside the
tensors as the keyword `packing`. No mask function is registered under that name, so no mask is built.

Shapes: B texts, N tokens of a packed row, H heads, D width of a head, L the longest text of a run.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AttentionInterface

IMPLEMENTATION = "fenlei_packed"

# A run may pad its shorter texts by this share of tokens: one larger kernel call costs less than two.
_PADDING_ALLOWED = 0.15


@dataclass(frozen=True)
class Run:
    """Neighbouring texts of nearly equal length, which share one attention call.

    Attributes:
        start: first token of the run in the row; `stop`: one past its last.
        count: number of texts; `longest`: L, the length of the longest.
        gather: (count * L,) positions of the row, padding repeats the text's first token; None: all are equally long.
        scatter: (stop - start,) where each token of the run stands in the gathered block; None as above.
        padding: (count, 1, 1, L) bool, true at padding; None as above.
    """

    start: int
    stop: int
    count: int
    longest: int
    gather: torch.Tensor | None = None
    scatter: torch.Tensor | None = None
    padding: torch.Tensor | None = None


@dataclass(frozen=True)
class Packing:
    """The boundaries of a packed row.

    Attributes:
        runs: the runs, which cover the row in order.
        position_ids: (1, N) int64, restarting at 0 with every text.
        first_tokens: (B,) int64, where each text begins.
    """

    runs: tuple[Run, ...]
    position_ids: torch.Tensor
    first_tokens: torch.Tensor

    @classmethod
    def of(cls, lengths: NDArray[np.int64], device: torch.device) -> "Packing":
        """The packing of texts of the given (ascending) lengths (B,)."""
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        positions = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
        return cls(
            tuple(_run(lengths[a:b], int(starts[a]), device) for a, b in _cut_into_runs(lengths)),
            torch.from_numpy(positions)[None].to(device),
            torch.from_numpy(starts).to(device),
        )


def _cut_into_runs(lengths: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of texts whose padding to the longest of the range stays within the share allowed."""
    ranges, start, tokens = [], 0, 0
    for text, length in enumerate(lengths):
        padded = int(length) * (text - start + 1)
        if text > start and padded > (1 + _PADDING_ALLOWED) * (tokens + int(length)):
            ranges.append((start, text))
            start, tokens = text, 0
        tokens += int(length)
    ranges.append((start, len(lengths)))
    return ranges


def _run(lengths: NDArray[np.int64], start: int, device: torch.device) -> Run:
    count, longest, total = len(lengths), int(lengths[-1]), int(lengths.sum())
    if count * longest == total:
        return Run(start, start + total, count, longest)
    starts = start + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    within = np.arange(longest)[None, :]
    real = within < lengths[:, None]
    gather = np.where(real, starts[:, None] + within, starts[:, None])
    return Run(
        start,
        start + total,
        count,
        longest,
        torch.from_numpy(gather.reshape(-1)).to(device),
        torch.from_numpy(np.flatnonzero(real.reshape(-1))).to(device),
        torch.from_numpy(~real)[:, None, None, :].to(device),
    )


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    packing: Packing,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention inside each text of a packed row.

    Args:
        module: the attention module that calls.
        query: (1, H, N, D), as `key` and `value`.
        attention_mask: None, since the boundaries stand in for it.
        packing: the boundaries.
        scaling: factor of the products.
        dropout: probability for attention weights; 0 outside training.

    Returns:
        (1, N, H, D), and None in place of the attention weights.
    """
    heads, width = query.shape[1], query.shape[3]
    outputs = []
    # Inside, everything stays in the dtype of the projections: autocast would take the softmax to float32 and back.
    with torch.autocast(query.device.type, enabled=False):
        # (1, H, N, D) is a transposed view of the projections' (N, H, D).
        query, key, value = (x[0].transpose(0, 1) for x in (query * scaling, key, value))
        for run in packing.runs:
            q, k, v = (_block(x, run).transpose(1, 2) for x in (query, key, value))
            weights = torch.matmul(q, k.transpose(2, 3))
            if run.padding is not None:
                weights = weights.masked_fill(run.padding, torch.finfo(weights.dtype).min)
            weights = torch.softmax(weights, dim=-1)
            if dropout:
                weights = fast_dropout(weights, dropout)
            block = torch.matmul(weights, v).transpose(1, 2).reshape(run.count * run.longest, heads, width)
            outputs.append(block if run.scatter is None else block[run.scatter])
    return torch.cat(outputs)[None], None


def _block(states: torch.Tensor, run: Run) -> torch.Tensor:
    """(N, H, D) -> (count, L, H, D), the texts of one run."""
    block = states[run.start : run.stop] if run.gather is None else states[run.gather]
    return block.reshape(run.count, run.longest, *states.shape[1:])


AttentionInterface.register(IMPLEMENTATION, packed_attention)


class _ByteDropout(torch.autograd.Function):
    """Dropout whose mask takes one random byte an element: see `fast_dropout`."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, dropped: int) -> torch.Tensor:
        words = torch.empty((states.numel() + 7) // 8, dtype=torch.int64)
        # With both bounds open the generator fills all 64 bits; a plain `random_()` would leave the sign bit 0.
        random_bytes = words.random_(-(2**63), None).view(torch.uint8)[: states.numel()]
        ctx.mask = (random_bytes >= dropped).view(states.shape)
        ctx.scale = 256 / (256 - dropped)
        return torch.ops.aten.native_dropout_backward(states, ctx.mask, ctx.scale)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        # Masking and scaling is the same map forwards and backwards.
        return torch.ops.aten.native_dropout_backward(gradients[0].contiguous(), ctx.mask, ctx.scale), None


def fast_dropout(states: torch.Tensor, probability: float) -> torch.Tensor:
    """Dropout on the CPU at several times the speed of PyTorch's, which draws a float for each element.

    Each 64-bit word of PyTorch's generator gives eight independent bytes; an element is dropped when
    its byte is below `round(256 * probability)`. The probability is thus rounded to a multiple of 1/256
    (0.1 becomes 26/256 = 0.1016) and the kept ones are scaled by exactly that.
    """
    if states.device.type != "cpu":
        return torch.nn.functional.dropout(states, probability)
    dropped = round(256 * probability)
    if dropped == 0:
        return states
    if dropped >= 256:
        return torch.zeros_like(states)
    return _ByteDropout.apply(states.contiguous(), dropped)  # type: ignore[no-any-return,no-untyped-call]


class FastDropout(torch.nn.Dropout):
    """`torch.nn.Dropout` through `fast_dropout`."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Drop elements in training, pass them on otherwise; any shape."""
        return fast_dropout(states, self.p) if self.training else states


def use_fast_dropout(network: torch.nn.Module) -> None:
    """Replace every plain `torch.nn.Dropout` inside `network`."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if type(child) is torch.nn.Dropout:
                setattr(parent, name, FastDropout(child.p))

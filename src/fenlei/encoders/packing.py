"""Packed execution: many texts in one row through transformers' own classes, each attending to itself alone.

The model is called with one row of N tokens and its attention goes through `packed_attention`, registered
with transformers' `AttentionInterface` under `IMPLEMENTATION`; the texts' boundaries travel beside the
tensors as the keyword `packing`. No mask function is registered under that name, so no mask is built.

oneDNN compiles a kernel for each shape of a matrix product, which takes longer than the product itself, and keeps some
hundreds. So the row ends in spare tokens and the texts of a run are padded, both up to a few lengths that come again.

Shapes: B texts, N tokens of a packed row, spare ones included, H heads, D width of a head, L the padded length of the
texts of a run.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AttentionInterface

from fenlei.encoders.dropout import DropMask, dropped_of_numbers, scale_of_kept
from fenlei.encoders.projection import IMPLEMENTATION

# What padding the shorter texts of a run to the longest may add to what padding each to its own length takes: one
# larger kernel call costs less than two.
_PADDING_ALLOWED = 0.15

# Attention weights of one head in one run: few enough that those of all heads stay in the core's cache between the
# products and the softmax (LOG.md).
_MOST_WEIGHTS = 1 << 16


@dataclass(frozen=True)
class Run:
    """Neighbouring texts of nearly equal length, which share one attention call.

    Attributes:
        start: first token of the run in the row; `stop`: one past its last.
        count: number of texts; `padded`: L.
        gather: (count * L,) positions of the row, padding repeats the text's first token; None: all are L long.
        scatter: (stop - start,) where each token of the run stands in the gathered block; None as above.
        real: (count, L) bool, false at padding; None as above.
    """

    start: int
    stop: int
    count: int
    padded: int
    gather: Tensor | None = None
    scatter: Tensor | None = None
    real: Tensor | None = None


@dataclass(frozen=True)
class Packing:
    """The boundaries of a packed row.

    Attributes:
        runs: the runs, which cover the row in order.
        position_ids: (1, N) int64, restarting at 0 with every text; 0 for spare tokens.
        first_tokens: (B,) int64, where each text begins.
        spare: how many tokens stand behind the last text; they attend to nothing and nothing attends to them.
    """

    runs: tuple[Run, ...]
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
            tuple(_run(lengths[a:b], int(starts[a]), device) for a, b in _cut_into_runs(lengths)),
            torch.from_numpy(positions)[None].to(device),
            torch.from_numpy(starts).to(device),
            len(positions) - tokens,
        )


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


def _run(lengths: NDArray[np.int64], start: int, device: torch.device) -> Run:
    count, padded, total = len(lengths), _recurring(int(lengths[-1])), int(lengths.sum())
    if count * padded == total:
        return Run(start, start + total, count, padded)
    starts = start + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    within = np.arange(padded)[None, :]
    real = within < lengths[:, None]
    gather = np.where(real, starts[:, None] + within, starts[:, None])
    return Run(
        start,
        start + total,
        count,
        padded,
        torch.from_numpy(gather.reshape(-1)).to(device),
        torch.from_numpy(np.flatnonzero(real.reshape(-1))).to(device),
        torch.from_numpy(real).to(device),
    )


def packed_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    packing: Packing,
    scaling: float,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention inside each text of a packed row.

    Args:
        module: the attention module that calls.
        query: (1, H, N, D), as `key` and `value`; not projected yet where the module's projections are joined.
        attention_mask: None, since the boundaries stand in for it.
        packing: the boundaries.
        scaling: factor of the products.
        dropout: probability for attention weights; 0 outside training.
        sliding_window: of an encoder whose tokens see only their neighbours.

    Returns:
        (1, N, H, D), and None in place of the attention weights.

    Raises:
        ValueError: there is a sliding window, which is not built here.
    """
    if sliding_window is not None:
        raise ValueError("its tokens see only a window of the text")
    # (1, H, N, D) is a transposed view of (N, H, D). No index here: its backward pass fills and copies.
    query, key, value = (states.squeeze(0).transpose(0, 1) for states in (query, key, value))
    if hasattr(getattr(module, "query", None), "joined"):
        states = module.query.joined(query.flatten(1), module.key, module.value).view(len(query), 3, *query.shape[1:])
    else:
        states = torch.stack([query, key, value], 1)
    # Inside, everything stays in the dtype of the projections: autocast would take the softmax to float32 and back.
    with torch.autocast(states.device.type, enabled=False):
        return _PackedAttention.apply(states, packing, scaling, dropped_of_numbers(dropout)).unsqueeze(0), None  # type: ignore[no-untyped-call]


AttentionInterface.register(IMPLEMENTATION, packed_attention)


class _PackedAttention(torch.autograd.Function):
    """Batched products over runs, with a backward pass of its own.

    PyTorch's would fill the gradient of the whole row with zeros for every slice and index of it, and add them up.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, packing: Packing, scaling: float, dropped: int) -> Tensor:
        """(N, 3, H, D) queries, keys and values -> (N, H, D)."""
        output, saved, masks = states.new_empty(states[:, 0].shape), list[Tensor](), list[DropMask | None]()
        scale = scale_of_kept(dropped)
        learns = any(ctx.needs_input_grad)
        flash = not learns and not dropped and _flash_is_quicker(states.dtype, states.device.type)
        for run in packing.runs:
            block = _block(states, run)
            if flash:
                _put(output[:, None], _flash(block, run, scaling)[None], run)
                continue
            q, k, v = block
            weights = _softmax_of_products(q.mul_(scaling), k, run)
            mask = DropMask.drawn(weights.numel(), dropped, weights.device) if dropped else None
            context = torch.bmm(weights if mask is None else mask.over(weights), v)
            _put(output[:, None], (context.mul_(scale) if dropped else context)[None], run)
            if learns:
                saved += [block, weights]
                masks.append(mask)
        output[len(output) - packing.spare :] = 0
        ctx.packing, ctx.scaling, ctx.scale, ctx.masks = packing, scaling, scale, masks
        ctx.save_for_backward(*saved)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        given = gradients[0]
        found = given.new_empty(len(given), 3, *given.shape[1:])
        saved = iter(ctx.saved_tensors)
        for run, mask, block, weights in zip(ctx.packing.runs, ctx.masks, saved, saved, strict=True):
            q, k, v = block
            # Dropout's factor is taken once, on what it is cheapest on.
            [of_context] = _block(given[:, None], run).mul_(ctx.scale)
            if run.real is not None:
                of_context.view(run.count, -1, *of_context.shape[1:]).mul_(run.real[:, None, :, None])
            of_weights = torch.bmm(of_context, v.transpose(1, 2))
            if mask is not None:
                of_weights = mask.over(of_weights)
            kept = weights if mask is None else mask.over(weights)
            of_products = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            of_block = torch.empty_like(block)
            torch.bmm(of_products, k, out=of_block[0]).mul_(ctx.scaling)
            torch.bmm(of_products.transpose(1, 2), q, out=of_block[1])
            torch.bmm(kept.transpose(1, 2), of_context, out=of_block[2])
            _put(found, of_block, run)
        found[len(found) - ctx.packing.spare :] = 0
        return found, None, None, None


@cache
def _flash_is_quicker(dtype: torch.dtype, device_type: str) -> bool:
    """Forward only, PyTorch's kernel takes half the time on long texts with AMX, longer than ours elsewhere (LOG)."""
    return device_type == "cpu" and dtype == torch.bfloat16 and torch.cpu._is_amx_tile_supported()


def _flash(block: Tensor, run: Run, scaling: float) -> Tensor:
    """(3, count * H, L, D) -> (count * H, L, D), by PyTorch's own kernel."""
    query, key, value = block.view(3, run.count, -1, *block.shape[2:])
    mask = None if run.real is None else run.real[:, None, None]
    context = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask, scale=scaling)
    return context.reshape(block.shape[1:])


def _softmax_of_products(query: Tensor, key: Tensor, run: Run) -> Tensor:
    """(count * H, L, D) twice -> (count * H, L, L) weights."""
    if run.real is None:
        products = torch.bmm(query, key.transpose(1, 2))
    else:
        bias = query.new_zeros(run.real.shape).masked_fill_(~run.real, torch.finfo(query.dtype).min)
        bias = bias.repeat_interleave(len(query) // run.count, 0)[:, None]
        products = torch.baddbmm(bias, query, key.transpose(1, 2))
    # On rows as short as texts, the softmax of bfloat16 takes twice as long as float32's and both conversions.
    return torch.softmax(products.float() if products.dtype == torch.bfloat16 else products, dim=-1).to(query.dtype)


def _block(states: Tensor, run: Run) -> Tensor:
    """(N, K, H, D) -> (K, count * H, L, D), a copy of the texts of one run."""
    kinds, heads, width = states.shape[1:]
    block = states[run.start : run.stop] if run.gather is None else states.index_select(0, run.gather)
    block = block.view(run.count, run.padded, kinds, heads, width).permute(2, 0, 3, 1, 4)
    return block.clone(memory_format=torch.contiguous_format).view(kinds, run.count * heads, run.padded, width)


def _put(row: Tensor, block: Tensor, run: Run) -> None:
    """Write (K, count * H, L, D) of one run into its place in (N, K, H, D)."""
    kinds, heads, width = row.shape[1:]
    block = block.view(kinds, run.count, heads, run.padded, width).permute(1, 3, 0, 2, 4)
    place = row[run.start : run.stop]
    if run.scatter is None:
        place.view(block.shape).copy_(block)
    else:
        torch.index_select(block.reshape(-1, kinds, heads, width), 0, run.scatter, out=place)

"""Attention of a packed row, through transformers' own classes.

The model is called with one row of N tokens and its attention goes through `packed_attention`, registered
with transformers' `AttentionInterface` under `IMPLEMENTATION`; the texts' boundaries travel beside the
tensors as the keyword `packing`. No mask function is registered under that name, so no mask is built.

Shapes: N tokens of a packed row, H heads, D width of a head, L the padded length of the texts of a run.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from fenlei.encoders.dropout import DropMask, dropped_of_numbers, scale_of_kept
from fenlei.encoders.packing import Packing, Run
from fenlei.encoders.projection import IMPLEMENTATION

# PyTorch's softmax takes this many numbers of a bfloat16 row at once and the rest one by one: in a short row that has a
# rest, float32 and both conversions take less time; the bits are equal (LOG.md).
_SOFTMAX_AT_ONCE, _SOFTMAX_LONG = 32, 112


def use_packed_attention(network: Any) -> None:
    """Let a transformers network take packed rows: its calls then need the keyword `packing`."""
    network.set_attn_implementation(IMPLEMENTATION)


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
        learns = torch.is_grad_enabled() and states.requires_grad
        if states.device.type != "cpu":
            context = varlen_attention(states, packing, scaling, dropout)
        elif not learns and not dropout and _flash_is_quicker(states.dtype):
            context = _flash_attention(states, packing, scaling)
        else:
            context = _PackedAttention.apply(states, packing, scaling, dropped_of_numbers(dropout))  # type: ignore[no-untyped-call]
    return context.unsqueeze(0), None


AttentionInterface.register(IMPLEMENTATION, packed_attention)


def varlen_attention(states: Tensor, packing: Packing, scaling: float, dropout: float) -> Tensor:
    """Attention over texts of different lengths on a GPU, in one call of the kernels behind PyTorch's own.

    They are called as they are: `varlen_attn` has no dropout, and wrapping a row as nested tensors takes longer than a
    layer of a small encoder (LOG.md).

    Args:
        states: (N, 3, H, D) queries, keys and values.
        packing: the boundaries.
        scaling: factor of the products.
        dropout: probability for attention weights.

    Returns:
        (N, H, D)
    """
    width = states.shape[-1]
    # The kernels take widths that are multiples of 8; zeros change no product.
    query, key, value = (nn.functional.pad(states, (0, -width % 8)) if width % 8 else states).unbind(1)
    of_row = (packing.boundaries, packing.boundaries, packing.longest, packing.longest, dropout)
    context: Tensor
    if _has_flash(states.dtype, states.device):
        flash = torch.ops.aten._flash_attention_forward
        context = flash(query, key, value, *of_row, False, False, scale=scaling)[0]
    else:
        efficient, learns = torch.ops.aten._efficient_attention_forward, torch.is_grad_enabled()
        context = efficient(query[None], key[None], value[None], None, *of_row, 0, learns, scale=scaling)[0][0]
    return context[..., :width]


@cache
def _has_flash(dtype: torch.dtype, device: torch.device) -> bool:
    """The flash kernels take half precision, on Ampere and later; the memory-efficient ones take all."""
    return dtype in (torch.bfloat16, torch.float16) and torch.cuda.get_device_capability(device)[0] >= 8


def _flash_attention(states: Tensor, packing: Packing, scaling: float) -> Tensor:
    """(N, 3, H, D) queries, keys and values -> (N, H, D) by PyTorch's kernel for the CPU, where nothing learns."""
    output = states.new_empty(states[:, 0].shape)
    for run in packing.runs:
        query, key, value = _block(states, run)
        mask = None if run.bias is None else run.bias[:, None, None]
        context = nn.functional.scaled_dot_product_attention(query, key, value, mask, scale=scaling)
        _put(output[:, None], context[None], run)
    output[len(output) - packing.spare :] = 0
    return output


@cache
def _flash_is_quicker(dtype: torch.dtype) -> bool:
    """Forward only, that kernel takes half the time on long texts with AMX, and a little less in float32 (LOG.md).

    In bfloat16 without AMX it takes longer than ours.
    """
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.cpu._is_amx_tile_supported())


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
        for run in packing.runs:
            block = _copied(states, run)
            q, k, v = block
            weights = _softmax_of_products(q.mul_(scaling), k, run)
            mask = DropMask.drawn(weights.numel(), dropped) if dropped else None
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
            [of_context] = _copied(given[:, None], run).mul_(ctx.scale)
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


def _softmax_of_products(query: Tensor, key: Tensor, run: Run) -> Tensor:
    """(count * H, L, D) twice -> (count * H, L, L) weights."""
    if run.bias is None:
        products = torch.bmm(query, key.transpose(1, 2))
    else:
        bias = run.bias.to(query.dtype).repeat_interleave(len(query) // run.count, 0)[:, None]
        products = torch.baddbmm(bias, query, key.transpose(1, 2))
    rest = run.padded % _SOFTMAX_AT_ONCE
    if rest and run.padded < _SOFTMAX_LONG and products.dtype == torch.bfloat16:
        return torch.softmax(products.float(), dim=-1).to(query.dtype)
    return torch.softmax(products, dim=-1)


def _block(states: Tensor, run: Run) -> Tensor:
    """(N, K, H, D) -> (K, count, H, L, D), the texts of one run, as they lie or gathered."""
    stop = run.start + run.count * run.padded
    block = states[run.start : stop] if run.gather is None else states.index_select(0, run.gather)
    return block.view(run.count, run.padded, *states.shape[1:]).permute(2, 0, 3, 1, 4)


def _copied(states: Tensor, run: Run) -> Tensor:
    """(N, K, H, D) -> (K, count * H, L, D), a copy of the texts of one run."""
    return _block(states, run).clone(memory_format=torch.contiguous_format).flatten(1, 2)


def _put(row: Tensor, block: Tensor, run: Run) -> None:
    """Write (K, count * H, L, D), or (K, count, H, L, D), of one run into its place in (N, K, H, D)."""
    kinds, heads, width = row.shape[1:]
    block = block.view(kinds, run.count, heads, run.padded, width).permute(1, 3, 0, 2, 4)
    place = row[run.start : run.stop]
    if run.scatter is None:
        tokens = len(place) // run.count
        place.view(run.count, tokens, *row.shape[1:]).copy_(block[:, :tokens])
    else:
        torch.index_select(block.reshape(-1, kinds, heads, width), 0, run.scatter, out=place)

"""Dropout at several times the speed of PyTorch's on the CPU, which draws a float for each element.

Masks are cut, at random places, out of one stretch that is drawn anew for each batch: `renew_masks`. A mask longer than
a piece of it takes several places. So the elements of a piece are independent, and where two pieces of a batch overlap
one is the other, shifted at random. Nothing of a mask is kept for the backward pass but where it stands.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

# Elements, of two bytes in bfloat16: a stretch stays in a core's cache beside what it is laid over.
_STRETCH, _PIECE = 1 << 19, 1 << 18

# Of each 64-bit word of PyTorch's generator come four numbers.
_NUMBERS, _WORD = 1 << 16, 4

# Integers as wide as the floats: PyTorch multiplies floats by a mask of bools ten times slower than it ands integers.
_AS_INTEGER = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def dropped_of_numbers(probability: float) -> int:
    """How many of 65,536 equally likely numbers drop an element, at most all but one."""
    return min(round(_NUMBERS * probability), _NUMBERS - 1)


def scale_of_kept(dropped: int) -> float:
    """What the kept elements are multiplied by, so that the mean stays."""
    return _NUMBERS / (_NUMBERS - dropped)


@dataclass
class _Stretch:
    """(`_STRETCH`,) integers, 0 where an element is dropped and -1, all bits set, where it is kept."""

    drawn: Tensor
    _wider: dict[torch.dtype, Tensor] = field(default_factory=dict)

    def of(self, integer: torch.dtype) -> Tensor:
        """The same in another width."""
        if integer not in self._wider:
            self._wider[integer] = self.drawn.to(integer)
        return self._wider[integer]


class _Stretches:
    """The stretches that masks are cut from now: one for each number of dropped numbers."""

    def __init__(self) -> None:
        self._seed, self._drawn = 0, dict[int, _Stretch]()  # the same for all until `renew`

    def renew(self) -> None:
        """Draw other ones, each when the first mask is asked of it."""
        self._seed = int(torch.randint(2**32, ()))
        self._drawn.clear()

    def of(self, dropped: int) -> _Stretch:
        """The one for masks that drop so many of 65,536."""
        if dropped not in self._drawn:
            # By a generator of its own: a layer that is run again for the backward pass draws the same places, whether
            # it was the first to need a stretch or not.
            generator = torch.Generator().manual_seed(self._seed)
            words = torch.empty(_STRETCH // _WORD, dtype=torch.int64)
            # With both bounds open the generator fills all 64 bits; a plain `random_()` would leave the sign bit 0.
            numbers = words.random_(-(2**63), None, generator=generator).view(torch.int16)
            self._drawn[dropped] = _Stretch(numbers.ge_(dropped - _NUMBERS // 2).neg_())
        return self._drawn[dropped]


_stretches = _Stretches()


def renew_masks() -> None:
    """From here on masks are cut from a stretch drawn anew.

    Training calls it before each batch: what a batch drops then follows from the state of PyTorch's generator there,
    also in a run that goes on after an interruption.
    """
    _stretches.renew()


@dataclass(frozen=True)
class DropMask:
    """Where the pieces of one mask stand in the stretch."""

    _stretch: _Stretch
    _starts: list[int]

    @classmethod
    def drawn(cls, elements: int, dropped: int) -> "DropMask":
        """A mask for so many elements."""
        pieces, longest = math.ceil(elements / _PIECE), min(elements, _PIECE)
        return cls(_stretches.of(dropped), torch.randint(_STRETCH - longest + 1, (pieces,)).tolist())

    def over(self, states: Tensor) -> Tensor:
        """`states`, contiguous, of any shape, with zeros where an element is dropped; not scaled."""
        integer = _AS_INTEGER[states.element_size()]
        stretch, given = self._stretch.of(integer), states.view(integer).view(-1)
        kept = torch.empty_like(given)
        for number, start in enumerate(self._starts):
            into = kept[number * _PIECE : (number + 1) * _PIECE]
            piece = given[number * _PIECE : (number + 1) * _PIECE]
            torch.bitwise_and(piece, stretch[start : start + len(into)], out=into)
        return kept.view(states.dtype).view(states.shape)


class _FastDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, dropped: int) -> Tensor:
        ctx.mask, ctx.scale = DropMask.drawn(states.numel(), dropped), scale_of_kept(dropped)
        kept: Tensor = ctx.mask.over(states)
        return kept.mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # Masking and scaling is the same map forwards and backwards.
        kept: Tensor = ctx.mask.over(gradients[0].contiguous())
        return kept.mul_(ctx.scale), None


def fast_dropout(states: Tensor, probability: float) -> Tensor:
    """Dropout of `states`; any shape."""
    if states.device.type != "cpu":
        return torch.nn.functional.dropout(states, probability)
    if probability >= 1:
        return torch.zeros_like(states)
    dropped = dropped_of_numbers(probability)
    return _FastDropout.apply(states.contiguous(), dropped) if dropped else states  # type: ignore[no-untyped-call]


class FastDropout(torch.nn.Dropout):
    """`torch.nn.Dropout` through `fast_dropout`."""

    def forward(self, states: Tensor) -> Tensor:
        """Drop elements in training, pass them on otherwise; any shape."""
        return fast_dropout(states, self.p) if self.training else states


def use_fast_dropout(network: torch.nn.Module) -> None:
    """Replace every plain `torch.nn.Dropout` inside `network`."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if type(child) is torch.nn.Dropout:
                setattr(parent, name, FastDropout(child.p).train(child.training))

"""Adversarial training: learning from inputs or weights moved a little towards what the classifier gets wrong.

FGM moves word embeddings: Miyato et al. 2017, https://arxiv.org/abs/1605.07725. It goes through the embedding matrix
itself, so that packed texts, factorised embeddings and every model class are served alike. AWP moves all weight
matrices: Wu et al. 2020 (NeurIPS), https://arxiv.org/abs/2004.05884.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fenlei.errors import SettingsError


def word_embeddings(network: nn.Module) -> nn.Parameter:
    """The matrix of word embeddings of a transformers model.

    Raises:
        SettingsError: it is frozen: there is no gradient to go along.
    """
    weight: nn.Parameter = network.get_input_embeddings().weight  # type: ignore[operator]
    if not weight.requires_grad:
        raise SettingsError(
            "--fgm needs word embeddings that learn, and this encoder's are frozen",
            hint="leave out --fgm, or --freeze-layers",
        )
    return weight


def weight_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The matrices that learn, without the word embeddings: what AWP moves."""
    words = network.get_input_embeddings().weight  # type: ignore[operator]
    return [one for one in network.parameters() if one.requires_grad and one.ndim > 1 and one is not words]


@contextmanager
def moved_along_gradient(weight: nn.Parameter, distance: float) -> Iterator[bool]:
    """`weight` moved by `distance` along its gradient inside the block; the same bits as before after it.

    Yields:
        Whether it was moved: without a gradient, or with one that is 0 or not finite, there is no direction.
    """
    gradient, norm = weight.grad, _norm_of_gradient(weight)
    if gradient is None or not norm:
        yield False
        return
    # Only the rows of words that occur have a gradient; adding and subtracting would not give the same bits back.
    rows = gradient.abs().amax(dim=1).nonzero()[:, 0]
    before = weight.detach()[rows].clone()
    with torch.no_grad():
        weight[rows] += gradient[rows] * (distance / norm)
    try:
        yield True
    finally:
        with torch.no_grad():
            weight[rows] = before


@contextmanager
def moved_by_share(weights: list[nn.Parameter], share: float) -> Iterator[bool]:
    """Each of `weights` moved along its gradient by `share` of its own norm; the same bits as before after the block.

    Yields:
        Whether any was moved.
    """
    before: list[tuple[nn.Parameter, Tensor]] = []
    try:
        with torch.no_grad():
            for weight in weights:
                if weight.grad is not None and (norm := _norm_of_gradient(weight)):
                    before.append((weight, weight.detach().clone()))
                    weight.add_(weight.grad, alpha=share * float(weight.norm()) / norm)
        yield bool(before)
    finally:
        with torch.no_grad():
            for weight, values in before:
                weight.copy_(values)


def _norm_of_gradient(weight: nn.Parameter) -> float:
    """0 also where the gradient is missing or not finite."""
    norm = 0.0 if weight.grad is None else float(weight.grad.norm())
    return norm if norm < float("inf") else 0.0

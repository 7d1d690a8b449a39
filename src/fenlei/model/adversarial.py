"""Adversarial training: learning from inputs moved a little towards what the classifier gets wrong.

Fast gradient method on word embeddings: Miyato et al. 2017, https://arxiv.org/abs/1605.07725. It goes through the
embedding matrix itself, so that packed texts, factorised embeddings and every model class are served alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fenlei.errors import SettingsError


def word_embeddings(network: nn.Module) -> nn.Parameter:
    """The matrix of word embeddings of a transformers model.

    Raises:
        SettingsError: it is frozen: there is no gradient to go along.
    """
    weight: nn.Parameter = network.get_input_embeddings().weight  # type: ignore[operator]
    if not weight.requires_grad:
        raise SettingsError("--fgm needs word embeddings that learn, and this encoder's are frozen")
    return weight


@contextmanager
def moved_along_gradient(weight: nn.Parameter, distance: float) -> Iterator[bool]:
    """`weight` moved by `distance` along its gradient inside the block; the same bits as before after it.

    Yields:
        Whether it was moved: without a gradient, or with one that is 0 or not finite, there is no direction.
    """
    gradient = weight.grad
    norm = 0.0 if gradient is None else float(gradient.norm())
    if gradient is None or not norm or not norm < float("inf"):
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

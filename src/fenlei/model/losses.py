"""Losses on logits, each one number a text, so that batches of any size average alike.

Shapes: B texts, C labels.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


def zlpr(logits: Tensor, targets: Tensor) -> Tensor:
    """Zero-bounded log-sum-exp pairwise ranking: right labels above 0, wrong ones below.

    `log(1 + sum over wrong of e^s) + log(1 + sum over right of e^-s)`; balances itself over many labels.
    Su et al. 2022, https://arxiv.org/abs/2208.02955.

    Args:
        logits: (B, C).
        targets: (B, C), 1 for right and 0 for wrong.

    Returns:
        (B,).
    """
    right = targets.bool()
    zero = torch.zeros_like(logits[:, :1])
    wrong_part = torch.logsumexp(torch.cat([logits.masked_fill(right, -torch.inf), zero], dim=1), dim=1)
    right_part = torch.logsumexp(torch.cat([(-logits).masked_fill(~right, -torch.inf), zero], dim=1), dim=1)
    return wrong_part + right_part


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy summed over the labels of a text: (B, C), (B, C) in {0, 1} -> (B,).

    The usual mean over labels would shrink the gradient as labels are added.
    """
    return functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none").sum(1)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Softmax cross-entropy: (B, C), (B, C) one-hot -> (B,)."""
    return functional.cross_entropy(logits, targets.argmax(1), reduction="none")


LOSSES: dict[str, dict[str, Loss]] = {
    "multilabel": {"zlpr": zlpr, "bce": binary_cross_entropy},
    "multiclass": {"ce": cross_entropy},
}
"""The losses of each task by name; the first is the default."""

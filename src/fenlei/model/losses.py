"""Losses on logits, each one number a text, so that batches of any size average alike.

Shapes: B texts, C labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fenlei.errors import SettingsError
from fenlei.text.labels import Task

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Loss = Callable[[Tensor, Tensor], Tensor]
"""(B, C) logits, (B, C) targets of 0 and 1 -> (B,)."""


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """How often each label occurs in the training rows: what balanced losses weigh by.

    Attributes:
        support: (C,) rows that have the label.
        rows: all of them.
    """

    support: NDArray[np.int64]
    rows: int

    @classmethod
    def of(cls, truth: "csr_array | NDArray[np.uint8]") -> "LabelCounts":
        """Count (B, C) truth, sparse or dense."""
        return cls(truth.sum(axis=0, dtype=np.int64), truth.shape[0])

    def bounded(self) -> NDArray[np.float64]:
        """(C,) support, at least 1 and less than all rows, so that odds and inverses exist."""
        return np.clip(self.support.astype(np.float64), 1, max(self.rows - 1, 1))


def zlpr(logits: Tensor, targets: Tensor) -> Tensor:
    """Zero-bounded log-sum-exp pairwise ranking: right labels above 0, wrong ones below.

    `log(1 + sum of (1 - y) e^s) + log(1 + sum of y e^-s)`; balances itself over many labels. Su et al. 2022,
    https://arxiv.org/abs/2208.02955; with soft targets as in kexue.fm/archives/9064.

    Args:
        logits: (B, C).
        targets: (B, C) from 0 to 1; of one label alone it is least at half the log-odds of y.

    Returns:
        (B,).
    """
    right = targets.to(logits.dtype)
    zero = torch.zeros_like(logits[:, :1])
    # log 0 is minus infinity: what is wholly right is no part of the wrong sum.
    wrong_part = torch.logsumexp(torch.cat([logits + torch.log1p(-right), zero], dim=1), dim=1)
    right_part = torch.logsumexp(torch.cat([torch.log(right) - logits, zero], dim=1), dim=1)
    return wrong_part + right_part


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy summed over the labels of a text: (B, C), (B, C) in {0, 1} -> (B,).

    The usual mean over labels would shrink the gradient as labels are added.
    """
    return functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none").sum(1)


def weighted_binary_cross_entropy(logits: Tensor, targets: Tensor, *, counts: LabelCounts) -> Tensor:
    """Binary cross-entropy in which a label's right rows weigh as much as all its wrong ones: (B, C), (B, C) -> (B,).

    The weight is the label's odds of being wrong, at most 100: beyond that one wrong label would steer an update.
    """
    support = counts.bounded()
    odds = np.clip((counts.rows - support) / support, 1, 100)
    weights = torch.as_tensor(odds, dtype=logits.dtype, device=logits.device)
    right = targets.to(logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits, right, pos_weight=weights, reduction="none").sum(1)


def focal(logits: Tensor, targets: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Binary cross-entropy that fades where the answer is right already: (B, C), (B, C) -> (B,).

    `-alpha_t (1 - p_t)^gamma log p_t`, p_t the chance given to what is true, alpha_t alpha for labels that are
    true and 1 - alpha for others. Lin et al. 2017, https://arxiv.org/abs/1708.02002, with the authors' alpha and gamma.
    """
    right = targets.to(logits.dtype)
    return (torch.where(targets.bool(), alpha, 1 - alpha) * _fading(logits, right, gamma)).sum(1)


def asymmetric(
    logits: Tensor, targets: Tensor, *, gamma_right: float = 1.0, gamma_wrong: float = 4.0, margin: float = 0.05
) -> Tensor:
    """Focal loss that fades faster for wrong labels and ignores them below a margin: (B, C), (B, C) -> (B,).

    Of a wrong label the chance is taken less `margin`, at least 0. Ridnik et al. 2021 (ICCV),
    https://arxiv.org/abs/2009.14119, with the values of the authors' code; as there no gradient flows through the
    fading factors.
    """
    right = targets.bool()
    chance = torch.sigmoid(logits)
    missing = (1 - chance + margin).clamp(max=1)
    # log sigmoid loses nothing where a chance is nearly 0.
    losses = torch.where(right, -functional.logsigmoid(logits), -torch.log(missing))
    with torch.no_grad():
        fading = torch.where(right, (1 - chance) ** gamma_right, (1 - missing) ** gamma_wrong)
    return (fading * losses).sum(1)


def distribution_balanced(logits: Tensor, targets: Tensor, *, counts: LabelCounts) -> Tensor:
    """Focal loss, a label's weight by how rare it is among those of the text, wrong labels tolerated: (B, C) -> (B,).

    Re-balanced weighting and negative-tolerant regularisation of Wu et al. 2020 (ECCV,
    https://arxiv.org/abs/2007.09654), as Huang et al. 2021 (EMNLP, https://arxiv.org/abs/2109.04712) use them for
    texts, with their values.
    """
    inverse = torch.as_tensor(1 / counts.bounded(), dtype=logits.dtype, device=logits.device)
    right = targets.to(logits.dtype)
    # How often a text would be drawn for one of its labels, were all labels drawn alike.
    drawn = (right * inverse).sum(1, keepdim=True)
    share = torch.where(drawn > 0, inverse / drawn.clamp(min=1e-12), torch.zeros_like(drawn))
    weights = torch.sigmoid(10.0 * (share - 0.9)) + 0.1
    return _tolerant(logits, right, weights, counts)


def class_balanced(logits: Tensor, targets: Tensor, *, counts: LabelCounts, beta: float = 0.9) -> Tensor:
    """Focal loss, a label's weight by the effective number of its rows, wrong labels tolerated: (B, C) -> (B,).

    `(1 - beta) / (1 - beta^n)`, Cui et al. 2019 (CVPR, https://arxiv.org/abs/1901.05555); with negative-tolerant
    regularisation as Huang et al. 2021 use it.
    """
    weights = torch.as_tensor((1 - beta) / (1 - beta ** counts.bounded()), dtype=logits.dtype, device=logits.device)
    return _tolerant(logits, targets.to(logits.dtype), weights.expand_as(logits), counts)


def cross_entropy(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Softmax cross-entropy: (B, C), (B, C) one-hot -> (B,); `smoothing` spreads that share over all classes."""
    return functional.cross_entropy(logits, targets.argmax(1), reduction="none", label_smoothing=smoothing)


def softmax_focal(logits: Tensor, targets: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Cross-entropy that fades where the class is right already: `-(1 - p)^gamma log p`: (B, C), one-hot -> (B,)."""
    log_chance = -cross_entropy(logits, targets)
    return -((1 - log_chance.exp()) ** gamma) * log_chance


def softmax_class_balanced(logits: Tensor, targets: Tensor, *, counts: LabelCounts, beta: float = 0.999) -> Tensor:
    """Cross-entropy, each class weighted by the effective number of its rows: (B, C), one-hot -> (B,).

    The weights have the mean 1. Cui et al. 2019.
    """
    weights = (1 - beta) / (1 - beta ** counts.bounded())
    scaled = torch.as_tensor(weights / weights.mean(), dtype=logits.dtype, device=logits.device)
    return scaled[targets.argmax(1)] * cross_entropy(logits, targets)


def divergence(logits: Tensor, others: Tensor, *, task: Task) -> Tensor:
    """How far two answers to the same texts lie apart: the mean of both Kullback-Leibler divergences: -> (B,).

    R-Drop's regulariser (Liang et al. 2021, https://arxiv.org/abs/2106.14448): of Bernoulli variables, summed over
    labels, for multi-label; of one categorical for multi-class. Both are half the sum of (p - q)(s - t), since the
    terms that normalise cancel.

    Args:
        logits: (B, C), as `others`.
        task: says what the logits stand for.
    """
    chance = torch.sigmoid if task == "multilabel" else partial(torch.softmax, dim=1)
    return ((chance(logits) - chance(others)) * (logits - others)).sum(1) / 2


def _fading(logits: Tensor, right: Tensor, gamma: float) -> Tensor:
    """(B, C) binary cross-entropy times `(1 - p_t)^gamma`."""
    losses = functional.binary_cross_entropy_with_logits(logits, right, reduction="none")
    return (1 - torch.exp(-losses)) ** gamma * losses


def _tolerant(logits: Tensor, right: Tensor, weights: Tensor, counts: LabelCounts) -> Tensor:
    """Weighted focal loss (gamma 2) with negative-tolerant regularisation: (B, C) each -> (B,).

    A bias of 0.05 times the label's log-odds goes to the logits; those of wrong labels are taken twice and their
    loss halved, which flattens its slope once they lie below 0.
    """
    support = counts.bounded()
    bias = 0.05 * np.log(support / np.maximum(counts.rows - support, 1))
    shifted = logits + torch.as_tensor(bias, dtype=logits.dtype, device=logits.device)
    scale = torch.where(right > 0, 1.0, 2.0)
    # Huang et al.'s alpha of 0.5 is the same for all cells, and their mean over labels another factor: both left out.
    return (weights / scale * _fading(shifted * scale, right, 2.0)).sum(1)


_UNBALANCED: dict[str, dict[str, Loss]] = {
    "multilabel": {"zlpr": zlpr, "bce": binary_cross_entropy, "asl": asymmetric, "focal": focal},
    "multiclass": {"ce": cross_entropy, "ce-smooth": partial(cross_entropy, smoothing=0.1), "focal": softmax_focal},
}
_BALANCED: dict[str, dict[str, Callable[..., Tensor]]] = {
    "multilabel": {"bce-weighted": weighted_binary_cross_entropy, "db": distribution_balanced, "cb": class_balanced},
    "multiclass": {"cb": softmax_class_balanced},
}

LOSS_NAMES = {task: (*_UNBALANCED[task], *_BALANCED[task]) for task in _UNBALANCED}
"""The losses of each task; the first is the default."""


def known_loss(name: str | None, task: Task) -> str:
    """The loss of that name; None: the task's first.

    Raises:
        SettingsError: the task has none of that name.
    """
    accepted = LOSS_NAMES[task]
    if name is not None and name not in accepted:
        raise SettingsError(f"--loss is {name!r}; for {task} accepted are {', '.join(accepted)}")
    return name or accepted[0]


def loss_named(task: str, name: str, counts: LabelCounts) -> Loss:
    """The loss `name` of a task, for training rows with these label counts.

    Raises:
        KeyError: the task has no such loss.
    """
    unbalanced = _UNBALANCED[task].get(name)
    return unbalanced or partial(_BALANCED[task][name], counts=counts)

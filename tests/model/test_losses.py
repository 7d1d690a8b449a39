"""Each loss against a plain computation in Python, in the limits, and its gradient numerically."""

import math

import numpy as np
import pytest
import torch

from fenlei.model.losses import LOSSES, binary_cross_entropy, cross_entropy, zlpr


def plain_zlpr(logits, targets):
    wrong = sum(math.exp(s) for s, t in zip(logits, targets, strict=True) if not t)
    right = sum(math.exp(-s) for s, t in zip(logits, targets, strict=True) if t)
    return math.log(1 + wrong) + math.log(1 + right)


def plain_bce(logits, targets):
    shares = [1 / (1 + math.exp(-s)) for s in logits]
    return -sum(math.log(p if t else 1 - p) for p, t in zip(shares, targets, strict=True))


def plain_ce(logits, targets):
    total = sum(math.exp(s) for s in logits)
    return -math.log(math.exp(logits[targets.index(1)]) / total)


ROWS = [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [1, 0, 1, 0]]


@pytest.mark.parametrize(("loss", "plain"), [(zlpr, plain_zlpr), (binary_cross_entropy, plain_bce)])
@pytest.mark.parametrize("targets", ROWS, ids=str)
def test_multilabel_losses_equal_the_plain_formula(loss, plain, targets):
    logits = np.random.default_rng(sum(targets)).normal(size=4).tolist()
    value = loss(torch.tensor([logits], dtype=torch.float64), torch.tensor([targets], dtype=torch.uint8))
    assert value.tolist() == pytest.approx([plain(logits, targets)])


def test_cross_entropy_equals_the_plain_formula():
    logits = [0.3, -1.2, 2.0]
    value = cross_entropy(torch.tensor([logits], dtype=torch.float64), torch.tensor([[0, 1, 0]], dtype=torch.uint8))
    assert value.tolist() == pytest.approx([plain_ce(logits, [0, 1, 0])])


@pytest.mark.parametrize("loss", [zlpr, binary_cross_entropy])
@pytest.mark.parametrize("targets", ROWS, ids=str)
def test_gradients_are_those_of_the_function(loss, targets):
    logits = torch.randn(1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: loss(x, torch.tensor([targets])), logits)


@pytest.mark.parametrize("loss", [loss for losses in LOSSES.values() for loss in losses.values()])
def test_extreme_logits_stay_finite(loss):
    logits = torch.tensor([[80.0, -80.0, 0.0], [-3e4, 3e4, 1.0]], requires_grad=True)
    value = loss(logits, torch.tensor([[0, 1, 0], [1, 0, 0]], dtype=torch.uint8))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(logits.grad).all()


def test_a_right_row_costs_nothing_and_a_row_without_labels_pushes_all_down():
    assert zlpr(torch.tensor([[40.0, -40.0]]), torch.tensor([[1, 0]])).item() == pytest.approx(0, abs=1e-6)
    logits = torch.zeros(1, 3, requires_grad=True)
    zlpr(logits, torch.zeros(1, 3)).sum().backward()
    assert (logits.grad > 0).all()

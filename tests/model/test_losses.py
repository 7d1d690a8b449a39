"""Each loss against a plain computation in Python, in the limits, and its gradient numerically."""

import math

import numpy as np
import pytest
import torch

from fenlei.model.losses import (
    LOSS_NAMES,
    LabelCounts,
    asymmetric,
    binary_cross_entropy,
    cross_entropy,
    divergence,
    focal,
    loss_named,
    zlpr,
)


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


def log_chance(score, right):
    return math.log(1 / (1 + math.exp(-score if right else score)))


def plain_focal(logits, targets, gamma=2, alpha=0.25):
    return -sum(
        (alpha if t else 1 - alpha) * (1 - math.exp(log_chance(s, t))) ** gamma * log_chance(s, t)
        for s, t in zip(logits, targets, strict=True)
    )


def plain_asymmetric(logits, targets):
    total = 0
    for s, t in zip(logits, targets, strict=True):
        p = 1 / (1 + math.exp(-s))
        wrong = max(p - 0.05, 0)
        total -= (1 - p) * math.log(p) if t else wrong**4 * math.log(1 - wrong)
    return total


COUNTS = LabelCounts(np.array([40, 3, 0, 100]), 100)


def plain_tolerant(logits, targets, weights):
    total = 0
    for s, t, w, n in zip(logits, targets, weights, [40, 3, 1, 99], strict=True):
        s += 0.05 * math.log(n / (100 - n))
        if t:
            total -= w * (1 - math.exp(log_chance(s, 1))) ** 2 * log_chance(s, 1)
        else:
            total -= w / 2 * (1 - math.exp(log_chance(2 * s, 0))) ** 2 * log_chance(2 * s, 0)
    return total


def plain_db(logits, targets):
    inverse = [1 / n for n in (40, 3, 1, 99)]
    drawn = sum(i for i, t in zip(inverse, targets, strict=True) if t)
    shares = [i / drawn if drawn else 0 for i in inverse]
    return plain_tolerant(logits, targets, [0.1 + 1 / (1 + math.exp(-10 * (share - 0.9))) for share in shares])


def plain_weighted_bce(logits, targets):
    odds = [60 / 40, 97 / 3, 99, 1]
    return -sum((w if t else 1) * log_chance(s, t) for s, t, w in zip(logits, targets, odds, strict=True))


def plain_cb(logits, targets):
    return plain_tolerant(logits, targets, [0.1 / (1 - 0.9**n) for n in (40, 3, 1, 99)])


ROWS = [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [1, 0, 1, 0]]


@pytest.mark.parametrize(
    ("loss", "plain"),
    [
        (zlpr, plain_zlpr),
        (binary_cross_entropy, plain_bce),
        (focal, plain_focal),
        (asymmetric, plain_asymmetric),
        (loss_named("multilabel", "bce-weighted", COUNTS), plain_weighted_bce),
        (loss_named("multilabel", "db", COUNTS), plain_db),
        (loss_named("multilabel", "cb", COUNTS), plain_cb),
    ],
)
@pytest.mark.parametrize("targets", ROWS, ids=str)
def test_multilabel_losses_equal_the_plain_formula(loss, plain, targets):
    logits = np.random.default_rng(sum(targets)).normal(size=4).tolist()
    value = loss(torch.tensor([logits], dtype=torch.float64), torch.tensor([targets], dtype=torch.uint8))
    assert value.tolist() == pytest.approx([plain(logits, targets)])


def test_cross_entropy_equals_the_plain_formula():
    logits = [0.3, -1.2, 2.0]
    value = cross_entropy(torch.tensor([logits], dtype=torch.float64), torch.tensor([[0, 1, 0]], dtype=torch.uint8))
    assert value.tolist() == pytest.approx([plain_ce(logits, [0, 1, 0])])


@pytest.mark.parametrize("loss", [name for name in LOSS_NAMES["multilabel"] if name != "asl"])
@pytest.mark.parametrize("targets", ROWS, ids=str)
def test_gradients_are_those_of_the_function(loss, targets):
    logits = torch.randn(1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    named = loss_named("multilabel", loss, COUNTS)
    assert torch.autograd.gradcheck(lambda x: named(x, torch.tensor([targets])), logits)


@pytest.mark.parametrize("targets", ROWS, ids=str)
def test_the_asymmetric_gradient_leaves_the_fading_out(targets):
    logits = torch.randn(1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    asymmetric(logits, torch.tensor([targets])).sum().backward()
    for s, t, gradient in zip(logits[0].tolist(), targets, logits.grad[0].tolist(), strict=True):
        p = 1 / (1 + math.exp(-s))
        wrong = max(p - 0.05, 0)
        slope = -(1 - p) * (1 - p) if t else (wrong**4 / (1 - wrong) * p * (1 - p) if wrong else 0)
        assert gradient == pytest.approx(slope)


@pytest.mark.parametrize("name", LOSS_NAMES["multiclass"])
def test_multiclass_losses_equal_the_plain_formula_and_their_gradients_the_function(name):
    logits, targets = [0.3, -1.2, 2.0, 0.1], [0, 1, 0, 0]
    chances = [math.exp(s) / sum(map(math.exp, logits)) for s in logits]
    effective = [(1 - 0.999) / (1 - 0.999**n) for n in (40, 3, 1, 99)]
    plain = {
        "ce": -math.log(chances[1]),
        "ce-smooth": -0.9 * math.log(chances[1]) - 0.025 * sum(map(math.log, chances)),
        "focal": -((1 - chances[1]) ** 2) * math.log(chances[1]),
        "cb": -effective[1] / (sum(effective) / 4) * math.log(chances[1]),
    }
    loss = loss_named("multiclass", name, COUNTS)
    rows = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
    assert loss(rows, torch.tensor([targets])).tolist() == pytest.approx([plain[name]])
    assert torch.autograd.gradcheck(lambda x: loss(x, torch.tensor([targets])), rows)


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, names in LOSS_NAMES.items() for name in names])
def test_extreme_logits_stay_finite(task, name):
    loss = loss_named(task, name, LabelCounts(np.array([5, 0, 9]), 9))
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


def test_balanced_losses_weigh_rare_labels_more():
    targets = torch.tensor([[1, 0], [0, 1]])
    counts = LabelCounts(np.array([900, 10]), 1000)
    for task, name in [("multilabel", "cb"), ("multiclass", "cb")]:
        common, rare = loss_named(task, name, counts)(torch.zeros(2, 2), targets).tolist()
        assert rare > common


def test_counts_come_from_the_training_rows():
    counts = LabelCounts.of(np.array([[1, 0], [1, 0], [1, 0]], np.uint8))
    assert counts.support.tolist() == [3, 0]
    assert counts.bounded().tolist() == [2, 1]


def test_zlpr_takes_soft_targets_and_is_least_at_half_their_log_odds():
    soft = torch.tensor([[0.9, 0.2, 0.5]], dtype=torch.float64)
    logits = torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    wrong = 0.1 * math.exp(0.3) + 0.8 * math.exp(-1.2) + 0.5 * math.exp(2.0)
    right = 0.9 * math.exp(-0.3) + 0.2 * math.exp(1.2) + 0.5 * math.exp(-2.0)
    assert zlpr(logits, soft).item() == pytest.approx(math.log(1 + wrong) + math.log(1 + right))
    single = (torch.log(soft / (1 - soft)) / 2)[:, :1].requires_grad_()
    zlpr(single, soft[:, :1]).sum().backward()
    assert single.grad.item() == pytest.approx(0, abs=1e-12)


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_divergence_is_the_mean_of_both_kullback_leibler_divergences():
    one, other = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for row in range(3):
        p, q = one[row].softmax(0).tolist(), other[row].softmax(0).tolist()
        assert divergence(one, other, task="multiclass")[row].item() == pytest.approx((kl(p, q) + kl(q, p)) / 2)
        p, q = one[row].sigmoid().tolist(), other[row].sigmoid().tolist()
        summed = sum(kl([a, 1 - a], [b, 1 - b]) + kl([b, 1 - b], [a, 1 - a]) for a, b in zip(p, q, strict=True))
        assert divergence(one, other, task="multilabel")[row].item() == pytest.approx(summed / 2)
    assert divergence(one, one, task="multilabel").tolist() == [0, 0, 0]

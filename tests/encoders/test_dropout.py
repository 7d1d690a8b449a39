import pytest
import torch

from fenlei.encoders.dropout import FastDropout, fast_dropout, use_fast_dropout


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(probability):
    torch.manual_seed(0)
    ones = torch.ones(1000, 1000)
    dropped = fast_dropout(ones, probability)
    exact = round(256 * probability) / 256
    # Five standard errors of a share measured on a million draws.
    bound = 5 * (exact * (1 - exact) / ones.numel()) ** 0.5
    assert abs(float((dropped == 0).float().mean()) - exact) < bound
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - exact)])


def test_every_byte_of_the_random_words_is_uniform():
    # A generator that leaves the sign bit 0 would bias each eighth element.
    torch.manual_seed(0)
    kept = (fast_dropout(torch.ones(4_000_000), 0.5) != 0).view(-1, 8).float().mean(0)
    assert (kept - 0.5).abs().max() < 5 * (0.25 / 500_000) ** 0.5


def test_neighbours_are_independent():
    torch.manual_seed(0)
    kept = (fast_dropout(torch.ones(1_000_000), 0.5) != 0).float() - 0.5
    for distance in (1, 2, 7, 8, 64):
        correlation = float((kept[:-distance] * kept[distance:]).mean() / 0.25)
        assert abs(correlation) < 5 / 1000, distance


def test_the_gradient_passes_through_the_same_mask():
    torch.manual_seed(0)
    states = torch.randn(50, 7, requires_grad=True)
    dropped = fast_dropout(states, 0.3)
    dropped.backward(torch.ones_like(dropped))
    torch.testing.assert_close(states.grad * states.detach(), dropped.detach())


def test_limits_and_evaluation_mode():
    states = torch.randn(5)
    assert torch.equal(fast_dropout(states, 0.0), states)
    assert not fast_dropout(states, 1.0).any()
    assert torch.equal(FastDropout(0.5).eval()(states), states)


def test_the_same_seed_gives_the_same_mask():
    masks = []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(fast_dropout(torch.ones(1001), 0.1))
    assert torch.equal(*masks)


def test_plain_dropout_modules_are_replaced():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Dropout(0.25)))
    use_fast_dropout(network)
    assert type(network[1][0]) is FastDropout
    assert network[1][0].p == 0.25

import pytest
import torch

from fenlei.encoders.dropout import FastDropout, fast_dropout, renew_masks, use_fast_dropout

# Elements that are surely cut from one place of a stretch, so that all are independent.
PIECE = 100_000


def kept_in_fresh_masks(probability, renewals=10):
    """(renewals, PIECE) bool, each row of a stretch of its own."""
    rows = []
    for _ in range(renewals):
        renew_masks()
        rows.append(fast_dropout(torch.ones(PIECE), probability) != 0)
    return torch.stack(rows)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(probability):
    torch.manual_seed(0)
    kept = kept_in_fresh_masks(probability)
    # Five standard errors of a share measured on a million draws.
    bound = 5 * (probability * (1 - probability) / kept.numel()) ** 0.5
    assert abs(float(kept.float().mean()) - (1 - probability)) < bound
    values = fast_dropout(torch.ones(1000), probability).unique().tolist()
    assert values == pytest.approx([0.0, 1 / (1 - probability)], rel=2e-4)


def test_every_number_of_the_random_words_is_uniform():
    # A generator that leaves the sign bit 0 would bias each fourth element.
    torch.manual_seed(0)
    kept = kept_in_fresh_masks(0.5, 40).view(-1, 4).float().mean(0)
    assert (kept - 0.5).abs().max() < 5 * (0.25 / (10 * PIECE)) ** 0.5


def test_neighbours_are_independent():
    torch.manual_seed(0)
    kept = kept_in_fresh_masks(0.5).float() - 0.5
    for distance in (1, 2, 4, 8, 64, 384):
        correlation = float((kept[:, :-distance] * kept[:, distance:]).mean() / 0.25)
        assert abs(correlation) < 5 / kept[:, distance:].numel() ** 0.5, distance


def test_masks_of_one_batch_stand_at_different_places():
    torch.manual_seed(0)
    renew_masks()
    masks = [(fast_dropout(torch.ones(PIECE), 0.5) != 0).float() - 0.5 for _ in range(6)]
    for number, one in enumerate(masks):
        for other in masks[:number]:
            assert abs(float((one * other).mean() / 0.25)) < 5 / PIECE**0.5


def test_a_mask_longer_than_the_stretch_goes_on_at_other_places():
    torch.manual_seed(0)
    renew_masks()
    kept = (fast_dropout(torch.ones(3_000_017), 0.5) != 0).float() - 0.5
    assert abs(float(kept.mean())) < 5 * (0.25 / 500_000) ** 0.5
    # Pieces laid end to end would come again after a fixed distance.
    blocks = kept[: 10 * 2**18].view(10, 2**18)
    for number in range(1, 10):
        assert abs(float((blocks[0] * blocks[number]).mean() / 0.25)) < 5 / 2**9


def test_a_new_stretch_drops_other_elements():
    torch.manual_seed(0)
    first, second = kept_in_fresh_masks(0.5, 2).float() - 0.5
    correlations = [float((first[shift:] * second[: PIECE - shift]).mean() / 0.25) for shift in range(100)]
    assert max(map(abs, correlations)) < 5 / (PIECE - 100) ** 0.5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_gradient_passes_through_the_same_mask(dtype):
    torch.manual_seed(0)
    states = torch.randn(50, 7, dtype=dtype, requires_grad=True)
    dropped = fast_dropout(states, 0.3)
    assert 0 < int((dropped == 0).sum()) < 350
    dropped.backward(torch.ones_like(dropped))
    assert torch.equal(states.grad != 0, dropped != 0)
    torch.testing.assert_close(states.grad * states.detach(), dropped.detach())


def test_the_mask_is_remembered_when_the_stretch_has_changed():
    states = torch.ones(1001, requires_grad=True)
    renew_masks()
    dropped = fast_dropout(states, 0.3)
    renew_masks()
    fast_dropout(states, 0.3)
    dropped.sum().backward()
    assert torch.equal(states.grad, dropped.detach())


def test_limits_and_evaluation_mode():
    states = torch.randn(5)
    assert torch.equal(fast_dropout(states, 0.0), states)
    assert not fast_dropout(states, 1.0).any()
    assert not fast_dropout(torch.randn(0, 3), 0.5).numel()
    assert torch.equal(FastDropout(0.5).eval()(states), states)


def test_the_same_seed_gives_the_same_mask():
    masks = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        renew_masks()
        masks.append(fast_dropout(torch.ones(1001), 0.1))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_a_layer_that_is_run_again_drops_the_same_also_as_the_first_to_drop():
    renew_masks()
    state = torch.get_rng_state()
    first = fast_dropout(torch.ones(1001), 0.1)
    fast_dropout(torch.ones(1001), 0.2)
    torch.set_rng_state(state)
    assert torch.equal(fast_dropout(torch.ones(1001), 0.1), first)


def test_plain_dropout_modules_are_replaced():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Dropout(0.25)))
    use_fast_dropout(network)
    assert type(network[1][0]) is FastDropout
    assert network[1][0].p == 0.25

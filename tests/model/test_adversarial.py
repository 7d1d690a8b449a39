import pytest
import torch
from torch import nn
from transformers import AlbertConfig, AlbertModel, BertConfig, BertModel

from fenlei.errors import SettingsError
from fenlei.model.adversarial import moved_along_gradient, moved_by_share, weight_matrices, word_embeddings

SHAPE = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}


@pytest.mark.parametrize(
    "network",
    [BertModel(BertConfig(**SHAPE)), AlbertModel(AlbertConfig(embedding_size=8, **SHAPE))],
    ids=["bert", "albert"],
)
def test_the_embeddings_move_up_the_loss_and_come_back_to_the_bit(network):
    weight = word_embeddings(network)
    ids = torch.tensor([[1, 2, 3]])
    network.eval()

    def loss():
        return network(ids).last_hidden_state.square().mean() + network(ids).last_hidden_state[0, 0, 0]

    loss().backward()
    before, value = weight.detach().clone(), loss().item()
    with moved_along_gradient(weight, 0.05) as moved:
        assert moved
        step = weight.detach() - before
        assert step.norm().item() == pytest.approx(0.05, rel=1e-4)
        assert torch.nn.functional.cosine_similarity(step.flatten(), weight.grad.flatten(), dim=0) > 0.9999
        assert set(step.abs().sum(dim=1).nonzero()[:, 0].tolist()) == {1, 2, 3}
        assert loss().item() > value
    assert torch.equal(weight, before)


def test_the_bits_come_back_after_an_error_too():
    weight = nn.Parameter(torch.randn(5, 3))
    weight.grad = torch.randn(5, 3)
    before = weight.detach().clone()
    with pytest.raises(RuntimeError), moved_along_gradient(weight, 1.0):
        raise RuntimeError
    assert torch.equal(weight, before)


@pytest.mark.parametrize(
    "gradient", [None, torch.zeros(2, 2), torch.full((2, 2), torch.nan), torch.full((2, 2), torch.inf)]
)
def test_without_a_direction_nothing_moves(gradient):
    weight = nn.Parameter(torch.ones(2, 2))
    weight.grad = gradient
    with moved_along_gradient(weight, 1.0) as moved:
        assert not moved
        assert torch.equal(weight, torch.ones(2, 2))


def test_frozen_embeddings_are_refused():
    network = BertModel(BertConfig(**SHAPE))
    network.get_input_embeddings().weight.requires_grad = False
    with pytest.raises(SettingsError, match="--fgm needs word embeddings that learn"):
        word_embeddings(network)


def test_weight_matrices_move_by_a_share_of_themselves_and_come_back_to_the_bit():
    network = BertModel(BertConfig(**SHAPE)).eval()
    weights = weight_matrices(network)
    assert len(weights) == 2 + 6 + 1  # positions and types, one layer, the pooler
    assert all(weight is not word_embeddings(network) for weight in weights)

    def loss():
        return network(torch.tensor([[1, 2, 3]])).last_hidden_state[0, 0, 0]

    loss().backward()
    before, value = [weight.detach().clone() for weight in weights], loss().item()
    with moved_by_share(weights, 0.01) as moved:
        assert moved
        for weight, old in zip(weights, before, strict=True):
            step = (weight.detach() - old).norm().item()
            if weight.grad is None or not weight.grad.any():  # the pooler is not read
                assert step == 0
            else:
                assert step == pytest.approx(0.01 * old.norm().item(), rel=1e-3)
        assert loss().item() > value
    assert all(torch.equal(weight, old) for weight, old in zip(weights, before, strict=True))


def test_weights_come_back_after_an_error_too():
    weight = nn.Parameter(torch.randn(5, 3))
    weight.grad = torch.randn(5, 3)
    before = weight.detach().clone()
    with pytest.raises(RuntimeError), moved_by_share([weight], 0.5):
        raise RuntimeError
    assert torch.equal(weight, before)

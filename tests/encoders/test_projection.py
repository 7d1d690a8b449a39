"""Queries, keys and values in one product are those of the three layers that transformers calls."""

import pytest
import torch
from transformers import AutoModel, BertConfig, RobertaConfig

from fenlei.encoders.projection import IMPLEMENTATION, PassingProjection, join_projections

SIZES = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


def joined_network(config):
    torch.manual_seed(0)
    network = AutoModel.from_config(config)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    own = dict(network.named_parameters())
    join_projections(network)
    return network, before, own


@pytest.mark.parametrize("config", [BertConfig(**SIZES), RobertaConfig(**SIZES)], ids=lambda config: config.model_type)
def test_weights_keep_their_names_and_stay_the_same_objects(config):
    network, before, own = joined_network(config)
    assert sum(isinstance(module, PassingProjection) for module in network.modules()) == 6
    assert list(network.state_dict()) == list(before)
    assert all(weight is own[name] for name, weight in network.named_parameters())


@pytest.mark.parametrize("bfloat16", [False, True])
def test_one_product_is_three_beside_each_other(bfloat16):
    network, _, _ = joined_network(BertConfig(**SIZES))
    attention = network.encoder.layer[0].attention.self
    states = torch.randn(5, 8)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        expected = [
            torch.nn.functional.linear(states, layer.weight, layer.bias)
            for layer in (attention.query, attention.key, attention.value)
        ]
        together = attention.query.joined(states, attention.key, attention.value)
    torch.testing.assert_close(together, torch.cat(expected, 1))
    together.float().sum().backward()
    tolerance = {"rtol": 0.02, "atol": 0.02} if bfloat16 else {}
    torch.testing.assert_close(attention.value.weight.grad, states.sum(0).expand(8, 8), **tolerance)


def test_states_pass_only_while_the_network_runs_packed():
    network, _, _ = joined_network(BertConfig(**SIZES))
    layer, states = network.encoder.layer[1].attention.self.key, torch.randn(5, 8)
    network.set_attn_implementation("sdpa")
    torch.testing.assert_close(layer(states), torch.nn.functional.linear(states, layer.weight, layer.bias))
    network.set_attn_implementation(IMPLEMENTATION)
    assert layer(states) is states


def test_layers_of_other_widths_stay_apart():
    module = torch.nn.Module()
    module.query, module.key, module.value = torch.nn.Linear(8, 8), torch.nn.Linear(8, 4), torch.nn.Linear(8, 8)
    join_projections(module)
    assert type(module.query) is torch.nn.Linear

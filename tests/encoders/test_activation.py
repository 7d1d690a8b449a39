import pytest
import torch
from transformers import AlbertConfig, AutoModelForSequenceClassification
from transformers.activations import ACT2FN

from fenlei.encoders.activation import TanhGelu, use_fast_gelu


@pytest.mark.parametrize("name", ["gelu_new", "gelu_fast", "gelu_pytorch_tanh"])
def test_values_and_gradients_are_those_of_transformers(name):
    states = torch.cat([torch.linspace(-12, 12, 4801), torch.tensor([0.0, -0.0, 1e-20, -1e-20, 300.0, -300.0])])
    found, expected = states.clone().requires_grad_(), states.double().requires_grad_()
    values, right = TanhGelu()(found), ACT2FN[name](expected)
    torch.testing.assert_close(values.double(), right, rtol=1e-6, atol=1e-6)
    values.sum().backward()
    right.sum().backward()
    torch.testing.assert_close(found.grad.double(), expected.grad, rtol=1e-6, atol=1e-5)
    # The other GELU is seen by this tolerance.
    assert (torch.nn.functional.gelu(states) - right).abs().max() > 1e-4


def test_only_gelu_by_tanh_is_replaced_and_the_configuration_keeps_its_name():
    network = torch.nn.ModuleDict({"new": ACT2FN["gelu_new"], "fast": ACT2FN["gelu_fast"], "erf": ACT2FN["gelu"]})
    erf = network["erf"]
    use_fast_gelu(network)
    assert type(network["new"]) is type(network["fast"]) is TanhGelu
    assert network["erf"] is erf
    config = AlbertConfig(
        vocab_size=20,
        hidden_size=16,
        embedding_size=8,
        num_attention_heads=2,
        intermediate_size=24,
        num_hidden_layers=1,
    )
    albert = AutoModelForSequenceClassification.from_config(config)
    use_fast_gelu(albert)
    assert sum(type(module) is TanhGelu for module in albert.modules()) == 1
    assert albert.config.hidden_act == "gelu_new"

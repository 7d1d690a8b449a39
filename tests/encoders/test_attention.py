import numpy as np
import pytest
import torch

from fenlei.encoders import attention
from fenlei.encoders.attention import _PackedAttention, jagged_attention
from fenlei.encoders.packing import Packing


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("lengths", [[16], [3, 9, 20], [5, 40, 41, 42, 300]])
@pytest.mark.parametrize("width", [8, 26])
def test_the_attention_of_a_gpu_is_that_of_the_cpu_and_so_are_its_gradients(lengths, width):
    packing = Packing.of(np.array(lengths), torch.device("cpu"))
    torch.manual_seed(0)
    states = torch.randn(packing.position_ids.shape[1], 3, 4, width, requires_grad=True)
    found = []
    for attend in (
        lambda: _PackedAttention.apply(states, packing, 0.3, 0),
        lambda: jagged_attention(states, packing, 0.3, 0.0),
    ):
        of_texts = attend()[: sum(lengths)]
        states.grad = None
        (of_texts * torch.linspace(-1, 1, of_texts.numel()).view(of_texts.shape)).sum().backward()
        found.append((of_texts.detach(), states.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_dropout_of_the_attention_of_a_gpu_keeps_the_mean():
    packing = Packing.of(np.array([40, 40]), torch.device("cpu"))
    torch.manual_seed(0)
    states = torch.randn(80, 3, 2, 4)
    exact = jagged_attention(states, packing, 0.5, 0.0)
    drawn = torch.stack([jagged_attention(states, packing, 0.5, 0.2) for _ in range(400)])
    assert (drawn[0] != drawn[1]).any()
    errors = (drawn.mean(0) - exact) / (drawn.std(0) / 400**0.5)
    assert errors.abs().mean() < 1  # 0.8 if they are normal
    assert errors.abs().max() < 5


@pytest.mark.parametrize("length", [16, 32, 48, 80, 96, 112, 304])
def test_both_ways_of_softmax_give_the_same_up_to_rounding(length, monkeypatch):
    packing = Packing.of(np.array([length] * 3), torch.device("cpu"))
    torch.manual_seed(0)
    states = torch.randn(packing.position_ids.shape[1], 3, 2, 8).mul_(3).bfloat16()
    found = []
    for longest_in_float32 in (0, 1000):
        monkeypatch.setattr(attention, "_SOFTMAX_AT_ONCE", 1000)  # each length has a rest
        monkeypatch.setattr(attention, "_SOFTMAX_LONG", longest_in_float32)
        found.append(_PackedAttention.apply(states.clone().requires_grad_(), packing, 0.3, 0))
    torch.testing.assert_close(*found, rtol=2**-7, atol=2**-7)

import numpy as np
import pytest
import torch

from fenlei.encoders import attention
from fenlei.encoders.attention import _PackedAttention
from fenlei.encoders.packing import Packing


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

"""GELU by tanh in one kernel instead of eight: Google's original BERT and ALBERT have it in each layer."""

from torch import nn
from transformers.activations import FastGELUActivation, GELUTanh, NewGELUActivation

_BY_TANH = (NewGELUActivation, FastGELUActivation, GELUTanh)


class TanhGelu(nn.GELU):
    """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))): Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415."""

    def __init__(self) -> None:
        super().__init__(approximate="tanh")


def use_fast_gelu(network: nn.Module) -> None:
    """Replace transformers' modules for `gelu_new`, `gelu_fast` and `gelu_pytorch_tanh`, all one, inside `network`."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if type(child) in _BY_TANH:
                setattr(parent, name, TanhGelu())

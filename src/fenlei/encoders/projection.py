"""Queries, keys and values of packed attention in one matrix product.

transformers' attention modules call three linear layers on the same states and hand the results to the attention
function. Where texts run packed, the three layers pass the states on instead, and `packed_attention` multiplies
once: the states are cast once and their gradient comes in one piece. The weights, and the names they are saved under,
stay what they are. A class that does something else between projection and attention is found out by the proof of
packing (model/classifier.py), as one whose three layers read different states is.
"""

from typing import Any

import torch
from torch import Tensor, nn

IMPLEMENTATION = "fenlei_packed"
"""The name of packed attention among transformers' implementations of attention."""


_NAMES = ("query", "key", "value")


class PassingProjection(nn.Linear):
    """One of the three layers, which passes its input on while its network runs packed.

    Args:
        layer: whose weight and bias it shares.
        config: the network's, which names the implementation of attention.
    """

    def __init__(self, layer: nn.Linear, config: Any) -> None:
        super().__init__(layer.in_features, layer.out_features, device="meta")
        self.weight, self.bias, self._config = layer.weight, layer.bias, config

    def forward(self, states: Tensor) -> Tensor:
        """(…, D) -> the same; projected where the network was set to another implementation of attention."""
        return states if self._config._attn_implementation == IMPLEMENTATION else super().forward(states)

    def joined(self, states: Tensor, key: nn.Linear, value: nn.Linear) -> Tensor:
        """(N, D) -> (N, 3 * D), what this layer for queries and the two others make of it, beside each other."""
        layers = (self, key, value)
        if not torch.is_autocast_enabled(states.device.type):
            # The weights as they are need no copy, which the backward pass would keep.
            return torch.cat([nn.functional.linear(states, layer.weight, layer.bias) for layer in layers], 1)
        return nn.functional.linear(states, *joined_weights(*layers))


def joined_weights(*layers: nn.Linear) -> tuple[Tensor, Tensor]:
    """The layers' weights below each other, (3 * D, D), and their biases, in what autocast multiplies them in."""
    dtype = torch.get_autocast_dtype(layers[0].weight.device.type)
    # Cast first: there is half as much to lay together.
    weight, bias = (torch.cat([getattr(layer, name).to(dtype) for layer in layers]) for name in ("weight", "bias"))
    return weight, bias


def join_projections(network: nn.Module) -> None:
    """Let the attention modules inside `network` that have the three layers, all D wide, run them as one."""
    for module in network.modules():
        layers = [getattr(module, name, None) for name in _NAMES]
        linear = [layer for layer in layers if type(layer) is nn.Linear and layer.bias is not None]
        widths = {size for layer in linear for size in layer.weight.shape}
        if len(linear) == len(_NAMES) and len(widths) == 1 and hasattr(module, "config"):
            for name, layer in zip(_NAMES, linear, strict=True):
                setattr(module, name, PassingProjection(layer, module.config))

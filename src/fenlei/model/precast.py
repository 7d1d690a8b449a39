"""A classifier that only predicts: the matrices of its encoder lie ready in the precision they are multiplied in."""

import copy

import torch
from torch import Tensor, nn

from fenlei.encoders.activation import TanhGelu
from fenlei.encoders.projection import PassingProjection, joined_weights
from fenlei.model.classifier import EncoderClassifier
from fenlei.runtime import Runtime

# Where transformers' layers keep an activation, and the linear layer whose product it takes: BERT and its kin, ALBERT.
_LINEAR_BEFORE = {"intermediate_act_fn": "dense", "activation": "ffn"}


def for_prediction(classifier: EncoderClassifier, runtime: Runtime) -> EncoderClassifier:
    """The classifier in evaluation mode, with less to do.

    Autocast casts every matrix anew in each call, and oneDNN lays it out anew for each product: a third of the time
    of a short text, a tenth of a full batch. Here both are done once. All other weights are those of `classifier`; a
    later change of it does not reach these matrices. The logits are equal to the bit, except where GELU by tanh
    follows a linear layer: oneDNN takes it of the sums before they are rounded, which halves the time of both.

    Args:
        classifier: on the runtime's device; put into evaluation mode.
        runtime: gives the precision; with float32 `classifier` itself is returned.

    Raises:
        FenleiError: as `Runtime.require_threads`.
    """
    runtime.require_threads()
    classifier.eval()
    # A padded network may be of any class, also of one that asks a layer for its weight.
    if runtime.precision == "float32" or classifier.padded_because:
        return classifier
    shared = {id(weight): weight for weight in classifier.parameters()}
    ready = copy.deepcopy(classifier, shared)
    kind = _LaidOutLinear if _lays_out(runtime) else _CastLinear
    for name, parent in list(ready.network.base_model.named_modules()):
        if isinstance(getattr(parent, "query", None), PassingProjection):
            parent.query = _ReadyProjections(kind(*joined_weights(parent.query, parent.key, parent.value)))
            parent.key = parent.value = nn.Identity()
        for child_name, child in list(parent.named_children()):
            # The pooler belongs to the head, which runs in float32.
            if type(child) is nn.Linear and "pooler" not in (*name.split("."), child_name):
                setattr(parent, child_name, kind(child.weight, child.bias))
        for activation, before in _LINEAR_BEFORE.items():
            linear = getattr(parent, before, None)
            if type(getattr(parent, activation, None)) is TanhGelu and isinstance(linear, _LaidOutLinear):
                linear.gelu_by_tanh = True
                setattr(parent, activation, nn.Identity())
    return ready.eval()


def _lays_out(runtime: Runtime) -> bool:
    """Whether oneDNN multiplies bfloat16 here."""
    if torch.device(runtime.device).type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class _CastLinear(nn.Module):
    """(…, D) -> (…, F) as `nn.Linear` under autocast."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self._weight = weight.detach().bfloat16()
        self._bias = None if bias is None else bias.detach().bfloat16()

    def forward(self, states: Tensor) -> Tensor:
        return nn.functional.linear(states.bfloat16(), self._weight, self._bias)


class _LaidOutLinear(_CastLinear):
    """The same with the weight in oneDNN's own order, through the operators that torch.compile uses for it."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__(weight, bias)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, None)
        self.gelu_by_tanh = False

    def forward(self, states: Tensor) -> Tensor:
        after, kind = ("gelu", "tanh") if self.gelu_by_tanh else ("none", "")
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            states.bfloat16(), self._weight, self._bias, after, [], kind
        )
        return product


class _ReadyProjections(nn.Module):
    """`PassingProjection` with its product made ready."""

    def __init__(self, product: _CastLinear) -> None:
        super().__init__()
        self._product = product

    def forward(self, states: Tensor) -> Tensor:
        return states

    def joined(self, states: Tensor, key: nn.Module, value: nn.Module) -> Tensor:
        product: Tensor = self._product(states)
        return product

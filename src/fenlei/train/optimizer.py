"""AdamW with a rate for each layer and one for the fresh weights, warm-up and a schedule; frozen layers."""

import math
import re
from collections.abc import Iterator
from typing import Any

import torch

from fenlei.errors import SettingsError
from fenlei.model.build import FreshWeights
from fenlei.model.classifier import EncoderClassifier
from fenlei.train.config import Schedule, TrainSettings

_LAYER = re.compile(r"\.layers?\.(\d+)\.")


def build_optimizer(classifier: EncoderClassifier, fresh: FreshWeights, settings: TrainSettings) -> torch.optim.AdamW:
    """An optimizer with a group for each rate, decayed or not.

    Each group keeps its peak rate under the key `peak`; `set_rate` derives `lr` from it.

    Raises:
        SettingsError: rates are to fall from layer to layer, and the encoder has no layers of its own.
    """
    encoder_rate = settings.encoder_rate(classifier.network.config.hidden_size)
    depth = _depth(classifier)
    if settings.layer_decay < 1 and not depth:
        raise SettingsError(
            f"--layer-decay is {settings.layer_decay}; the layers of this encoder share their weights",
            hint="leave it out for ALBERT",
        )
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in classifier.network.named_parameters():
        if not parameter.requires_grad:
            continue
        if name in fresh.names:
            rate = settings.head_learning_rate
        else:
            rate = encoder_rate * settings.layer_decay ** (depth - _height(classifier, name, depth))
        groups.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": 0.0,
                "peak": rate,
                "weight_decay": settings.weight_decay if is_decayed else 0.0,
            }
            for (rate, is_decayed), parameters in groups.items()
        ],
        fused=True,
    )


def freeze_lowest(classifier: EncoderClassifier, fresh: FreshWeights, layers: int) -> None:
    """Take the embeddings and so many of the lowest layers out of training; 0: nothing, all of them: the head learns.

    Raises:
        SettingsError: the encoder has fewer layers of its own.
    """
    depth = _depth(classifier)
    if layers > depth:
        shared = " (its layers share their weights)" if not depth else ""
        raise SettingsError(f"--freeze-layers is {layers}; this encoder has {depth} layers of their own{shared}")
    for name, parameter in classifier.network.named_parameters():
        # What is not pretrained has nothing worth keeping.
        if layers and name not in fresh.names and _height(classifier, name, depth) <= layers:
            parameter.requires_grad_(False)


def set_rate(
    optimizer: torch.optim.Optimizer, update: int, total: int, warmup: float, schedule: Schedule = "linear"
) -> float:
    """Set every group's rate for update number `update` (from 0) of `total`; returns the factor of the peak."""
    rising = max(1, round(total * warmup))
    left = min(1.0, (total - update) / max(1, total - rising))
    falling = {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant": 1.0}[schedule]
    factor = min((update + 1) / rising, falling)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    return factor


def _depth(classifier: EncoderClassifier) -> int:
    """Layers with weights of their own; 0 where all share them, as in ALBERT."""
    numbers = (_LAYER.search(name) for name, _ in _encoder_parameters(classifier))
    return 1 + max((int(found[1]) for found in numbers if found), default=-1)


def _height(classifier: EncoderClassifier, name: str, depth: int) -> int:
    """0 for embeddings, 1 for the lowest layer, `depth` for the highest and all that stands above it."""
    if found := _LAYER.search(name):
        return int(found[1]) + 1
    # ELECTRA's projection of the embeddings is called so too.
    return 0 if name.startswith(f"{classifier.network.base_model_prefix}.embeddings") else depth


def _encoder_parameters(classifier: EncoderClassifier) -> Iterator[tuple[str, Any]]:
    prefix = f"{classifier.network.base_model_prefix}."
    return ((name, one) for name, one in classifier.network.named_parameters() if name.startswith(prefix))

"""AdamW with a rate for the pretrained weights and one for the fresh ones, warm-up and linear decay."""

import torch

from fenlei.model.build import FreshWeights
from fenlei.model.classifier import EncoderClassifier
from fenlei.train.config import TrainSettings


def build_optimizer(classifier: EncoderClassifier, fresh: FreshWeights, settings: TrainSettings) -> torch.optim.AdamW:
    """An optimizer with up to four groups: pretrained or fresh, decayed or not.

    Each group keeps its peak rate under the key `peak`; `set_rate` derives `lr` from it.
    """
    rates = {
        True: settings.head_learning_rate,
        False: settings.encoder_rate(classifier.network.config.hidden_size),
    }
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in classifier.network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name in fresh.names, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": 0.0,
                "peak": rates[is_fresh],
                "weight_decay": settings.weight_decay if is_decayed else 0.0,
            }
            for (is_fresh, is_decayed), parameters in groups.items()
        ],
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, update: int, total: int, warmup: float) -> float:
    """Set every group's rate for update number `update` (from 0) of `total`; returns the factor of the peak."""
    rising = max(1, round(total * warmup))
    factor = min((update + 1) / rising, (total - update) / max(1, total - rising))
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    return factor

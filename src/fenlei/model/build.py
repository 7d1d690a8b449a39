"""Encoder directories -> classifiers: a fresh head on pretrained weights, or a trained one as it was saved.

Shapes: C labels.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from fenlei.errors import EncoderError
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.mean_pooled import MeanPooledNetwork
from fenlei.model.pooling import Pooling
from fenlei.text.encoding import require_utf8_name
from fenlei.text.labels import Task

_HEAD = "head.safetensors"

_PROBLEM_TYPES = {"multilabel": "multi_label_classification", "multiclass": "single_label_classification"}


@dataclass(frozen=True)
class FreshWeights:
    """Which parameters of a new classifier are not pretrained.

    Attributes:
        names: parameter names; they learn at the head's own rate.
        identity_pooler: whether the encoder brought no pooler and got one that starts as the identity.
    """

    names: frozenset[str]
    identity_pooler: bool


def new_classifier(
    encoder: Path, labels: Sequence[str], task: Task, *, seed: int, pooling: Pooling | None = None
) -> tuple[EncoderClassifier, FreshWeights]:
    """The pretrained encoder in `encoder` with a fresh head: of its own class, or on the mean of its states.

    Args:
        encoder: a Hugging Face directory.
        labels: the label names in their order.
        task: stored as the config's `problem_type`.
        seed: of the head's random weights.
        pooling: what the head reads; None: the mean where the encoder brings no pooler, otherwise the first token.

    Raises:
        EncoderError: transformers has no classifier for it, or weights are missing or of another shape.
        SettingsError: as `require_utf8_name`.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    require_utf8_name(encoder)
    with _quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(
                encoder,
                local_files_only=True,
                num_labels=len(labels),
                id2label=dict(enumerate(labels)),
                label2id={label: index for index, label in enumerate(labels)},
                problem_type=_PROBLEM_TYPES[task],
            )
            network, info = AutoModelForSequenceClassification.from_pretrained(
                encoder,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise EncoderError(f"transformers cannot load the encoder in {encoder}: {error}") from error
    base = f"{network.base_model_prefix}."
    missing = set(info["missing_keys"])
    misfits = sorted(str(key[0]) if isinstance(key, tuple) else str(key) for key in info["mismatched_keys"])
    lost = sorted(key for key in missing if key.startswith(base) and ".pooler." not in key)
    lost += [key for key in misfits if key.startswith(base)]
    if lost:
        raise EncoderError(
            f"{encoder}: {len(lost)} weights of {type(network).__name__} are missing or of another shape, "
            f"e.g. {lost[0]}",
            hint="check that config.json and the weight file belong to the same model",
        )
    lacks_pooler = any(".pooler." in name for name in missing)
    if pooling == "mean" or (pooling is None and lacks_pooler):
        network, missing, misfits = MeanPooledNetwork(network.base_model, len(labels)), set(), []
        base = f"{network.base_model_prefix}."
    output = output_layer(network, len(labels))
    fresh = missing | set(misfits) | {f"{output[0]}.weight", f"{output[0]}.bias"}
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in network.named_parameters():
            if name not in fresh:
                continue
            if name.endswith("bias"):
                parameter.zero_()
            elif ".pooler." in name:
                parameter.copy_(torch.eye(*parameter.shape))
            else:
                spread = getattr(config, "initializer_range", 0.02)
                parameter.normal_(0, spread, generator=generator)
    for name, parameter in network.named_parameters():
        # Some converted encoders contain a layer that only stands in for one the original lacks.
        if any(name.startswith(f"{base}{frozen}") for frozen in getattr(config, "fenlei_frozen_parameters", ())):
            parameter.requires_grad_(False)
    identity_pooler = any(".pooler." in name for name in fresh)
    return EncoderClassifier(network), FreshWeights(frozenset(fresh), identity_pooler)


def load_classifier(folder: Path, pooling: Pooling = "first") -> EncoderClassifier:
    """A trained classifier as `save_classifier` wrote it, in evaluation mode.

    Raises:
        EncoderError: a weight is missing or of another shape.
    """
    from transformers import AutoModel, AutoModelForSequenceClassification

    kind = AutoModel if pooling == "mean" else AutoModelForSequenceClassification
    with _quiet_transformers():
        network, info = kind.from_pretrained(
            encoder_folder(folder, pooling), dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    # A class may make a pooler that a classifier of means has thrown away.
    missing = sorted(name for name in info["missing_keys"] if pooling == "first" or not name.startswith("pooler."))
    if missing:
        raise EncoderError(f"{folder}: the weight file lacks {missing}")
    if pooling == "mean":
        head = load_file(folder / _HEAD)
        network = MeanPooledNetwork(network, len(head["bias"]))
        network.classifier.load_state_dict(head)
    return EncoderClassifier(network).eval()


def save_classifier(classifier: EncoderClassifier, folder: Path) -> None:
    """Write configuration and weights into `folder`, as transformers keeps them.

    A classifier on mean states is written as `encoder/`, a plain encoder to transformers, and a head beside it.
    """
    with _quiet_transformers():
        if classifier.pooling == "first":
            classifier.network.save_pretrained(folder)
            return
        classifier.network.encoder.save_pretrained(encoder_folder(folder, "mean"))
    head = {name: weight.contiguous() for name, weight in classifier.network.classifier.state_dict().items()}
    save_file(head, folder / _HEAD)


def encoder_folder(folder: Path, pooling: Pooling) -> Path:
    """The Hugging Face directory of a saved classifier: the folder itself or, on mean states, one inside."""
    return folder / "encoder" if pooling == "mean" else folder


def set_output_bias(classifier: EncoderClassifier, log_odds: NDArray[np.float64]) -> None:
    """Start each label at its share in the training rows: `log_odds` (C,)."""
    _, layer = output_layer(classifier.network, classifier.num_labels)
    with torch.no_grad():
        layer.bias.copy_(torch.from_numpy(log_odds))


def output_layer(network: Any, num_labels: int) -> tuple[str, nn.Linear]:
    """Name and module of the last layer, whose outputs are the logits.

    Raises:
        EncoderError: the network has none.
    """
    base = f"{network.base_model_prefix}."
    layers = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == num_labels and not name.startswith(base)
    ]
    if not layers:
        raise EncoderError(f"{type(network).__name__} has no linear layer with {num_labels} outputs")
    return layers[-1]


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Without transformers' progress bars and load reports: what matters in them is checked and said by us."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()

"""The configuration beside a TensorFlow checkpoint: found, checked against the weights, and put right.

What the weights show is taken from them. What they cannot show (attention heads, the depth of an ALBERT,
whose layers are shared) must be stated by the file or by the caller, and is never guessed.
"""

import json
from pathlib import Path
from typing import Any

from fenlei.encoders.tf_recognise import Recognised
from fenlei.errors import EncoderError, SettingsError

_TELLING = ("hidden_size", "num_attention_heads", "num_hidden_layers")
# What a configuration says that weights cannot contradict.
_UNSEEN = (
    "num_attention_heads",
    "num_hidden_layers",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "ln_type",
)
_LAYER_NORM_EPS = 1e-12  # of tf.contrib.layers.layer_norm, whatever a configuration says


def find_config(folder: Path, recognised: Recognised) -> Path | None:
    """The configuration in `folder` that belongs to these weights; None where there is none.

    Any JSON file that speaks of hidden sizes, heads or layers is looked at, whatever its name;
    ELECTRA's generator has one of its own, which is passed over.

    Raises:
        EncoderError: a `…config….json` is no JSON, or several files fit and say different things.
    """
    found: dict[Path, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith(".") or "generator" in path.name:
            continue
        try:
            given = read_config(path)
        except EncoderError:
            if "config" in path.name:
                raise
            continue
        if any(key in given for key in _TELLING):
            found[path] = given
    if len(found) > 1:
        fitting = [path for path in found if found[path].get("hidden_size") == recognised.sizes["D"]]
        if any(_unseen(found[path]) != _unseen(found[fitting[0]]) for path in fitting):
            raise EncoderError(
                f"{folder} holds several configurations that fit: {', '.join(path.name for path in fitting)}",
                hint="say which one with --config",
            )
        return fitting[0] if fitting else next(iter(found))
    return next(iter(found), None)


def read_config(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises:
        EncoderError: the file cannot be read or is no JSON object.
    """
    try:
        given = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise EncoderError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EncoderError(f"the configuration {path} is not valid JSON: {error}") from error
    if not isinstance(given, dict):
        raise EncoderError(f"the configuration {path} is no JSON object")
    return given


def make_config(
    recognised: Recognised,
    given: dict[str, Any],
    where: str,
    *,
    num_attention_heads: int | None,
    num_hidden_layers: int | None,
) -> tuple[dict[str, Any], list[str]]:
    """The configuration for transformers, and what had to be put right in the given one.

    Args:
        recognised: what the weights show.
        given: the configuration found, empty where there is none.
        where: its path, for messages.
        num_attention_heads: stated by the caller; overrules the file.
        num_hidden_layers: stated by the caller; for an ALBERT it overrules the file.

    Raises:
        EncoderError: something is missing that weights do not show, or the model is of a kind that
            transformers cannot compute.
        SettingsError: what the caller states cannot be.
    """
    family, sizes = recognised.family, recognised.sizes
    # The original takes all else for pre-LN, which has the same variables and would load without a word.
    if given.get("ln_type") not in (None, "postln"):
        raise EncoderError(
            f"{where}: ln_type {given['ln_type']!r} is a pre-LN model; transformers' {family.architecture} is post-LN",
            hint="take a checkpoint whose configuration says postln; the published ones do",
        )
    notes: list[str] = []
    config: dict[str, Any] = {"architectures": [family.architecture], "model_type": family.model_type}
    shown = {
        "vocab_size": sizes["V"],
        "hidden_size": sizes["D"],
        "intermediate_size": sizes["F"],
        "max_position_embeddings": sizes["P"],
        "type_vocab_size": sizes["Y"],
    }
    if family.model_type != "bert":
        shown["embedding_size"] = sizes["E"]
    if family.model_type == "albert":
        shown["num_hidden_groups"], shown["inner_group_num"] = recognised.numbers or (1, 1)
    else:
        (shown["num_hidden_layers"],) = recognised.numbers
    for key, value in shown.items():
        if given and given.get(key, value) != value:
            notes.append(f"{key} {given[key]!r} contradicts the weights, which show {value}")
        elif given and key not in given and key not in ("num_hidden_groups", "inner_group_num"):
            notes.append(f"{key} is not stated; the weights show {value}")
    config |= shown
    # A file that is wrong about the width is of another model; what it says of heads counts for nothing.
    same_model = given.get("hidden_size", sizes["D"]) == sizes["D"]
    stated = given if same_model else {}
    if family.model_type == "albert":
        config["num_hidden_layers"] = _positive(
            "num_hidden_layers", num_hidden_layers, stated, where, "the layers of an ALBERT are shared"
        )
        _check_groups(config, where)
        # The embeddings are folded into one table of the full width.
        if recognised.folded:
            config["embedding_size"] = sizes["D"]
    elif num_hidden_layers not in (None, shown["num_hidden_layers"]):
        raise SettingsError(
            f"--num-hidden-layers is {num_hidden_layers}; the weights have {shown['num_hidden_layers']} layers"
        )
    heads = _positive(
        "num_attention_heads",
        num_attention_heads,
        stated,
        where,
        "weights do not show how they are cut into heads",
    )
    if sizes["D"] % heads:
        raise EncoderError(
            f"{where}: {heads} attention heads do not divide a width of {sizes['D']}",
            hint="state the right number with --num-attention-heads",
        )
    config["num_attention_heads"] = heads
    for key, number in (
        ("num_attention_heads", num_attention_heads),
        ("num_hidden_layers", num_hidden_layers),
    ):
        if number is not None and key in stated and stated[key] != number:
            notes.append(f"{key} {stated[key]!r} is overruled by the caller: {number}")
    config |= _activation_and_rates(recognised, stated, where, notes)
    return config, notes


def _activation_and_rates(
    recognised: Recognised, given: dict[str, Any], where: str, notes: list[str]
) -> dict[str, Any]:
    family = recognised.family
    # "gelu" is the tanh formula in BERT's and ALBERT's code, the erf formula in ELECTRA's and transformers'.
    activations = {"gelu": family.gelu, "gelu_new": "gelu_new", "relu": "relu", "tanh": "tanh"}
    activation = given.get("hidden_act")
    if activation is None:
        activation = "gelu"
        notes.append("hidden_act is not stated; gelu is taken, as in every published model of this family")
    if activation not in activations:
        raise EncoderError(
            f"{where}: hidden_act is {activation!r}; accepted are {', '.join(activations)}",
            hint="put right the configuration, or name another with --config",
        )
    if given.get("layer_norm_eps", _LAYER_NORM_EPS) != _LAYER_NORM_EPS:
        notes.append(f"layer_norm_eps {given['layer_norm_eps']!r} is not what the TensorFlow code uses: 1e-12")
    rates: dict[str, Any] = {}
    default = 0.0 if family.model_type == "albert" else 0.1
    for key in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        rate = given.get(key)
        if rate is None:
            rate = default
            notes.append(f"{key} is not stated; {default} is taken, as in every published model of this family")
        if not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise EncoderError(f"{where}: {key} is {rate!r}; it must be a number from 0 up to 1")
        rates[key] = float(rate)
    return {
        "hidden_act": activations[activation],
        "layer_norm_eps": _LAYER_NORM_EPS,
        **rates,
        "initializer_range": 0.02,
    }


def _positive(key: str, stated: int | None, given: dict[str, Any], where: str, why: str) -> int:
    flag = f"--{key.replace('_', '-')}"
    if stated is not None:
        if stated < 1:
            raise SettingsError(f"{flag} is {stated}; it must be 1 or more")
        return stated
    value = given.get(key)
    if value is None:
        raise EncoderError(
            f"{where} does not state {key} for these weights, and {why}",
            hint=f"state it: fenlei convert SOURCE OUT {flag} N, and then use OUT",
        )
    if type(value) is not int or value < 1:
        raise EncoderError(f"{where}: {key} is {value!r}; it must be a whole number, 1 or more")
    return value


def _check_groups(config: dict[str, Any], where: str) -> None:
    """Refuse depths at which TensorFlow and transformers give a layer to different groups, by rounding."""
    layers, groups = config["num_hidden_layers"], config["num_hidden_groups"]
    for layer in range(layers):
        if int(layer / layers * groups) != int(layer / (layers / groups)):
            raise EncoderError(
                f"{where}: transformers cannot spread {layers} layers over {groups} groups as TensorFlow did"
            )
    if groups > layers:
        raise EncoderError(f"{where}: {layers} layers cannot be spread over {groups} groups of weights")


def _unseen(config: dict[str, Any]) -> list[Any]:
    return [config.get(key) for key in _UNSEEN]

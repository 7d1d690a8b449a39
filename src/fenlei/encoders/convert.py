"""A checkpoint of the BERT era -> a Hugging Face directory, with an account of what was done.

TensorFlow checkpoints are read without TensorFlow, one variable at a time.
"""

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.atomic import atomic_folder, is_occupied
from fenlei.encoders.load_report import LoadReport
from fenlei.encoders.locate import find_prefix, resolve_hub_cache
from fenlei.encoders.tf_bundle import TensorBundle, open_bundle
from fenlei.encoders.tf_config import find_config, make_config, read_config
from fenlei.encoders.tf_names import MAPPING_IN
from fenlei.encoders.tf_recognise import Recognised, recognise
from fenlei.encoders.tokenizer import EncoderTokenizer, save_tokenizer
from fenlei.encoders.torch_bin import convert_torch_directory, is_torch_directory
from fenlei.encoders.weights_file import PendingTensor, write_weights
from fenlei.encoders.wordpiece import SPECIAL_TOKENS, build_wordpiece, check_fit, read_vocabulary
from fenlei.errors import EncoderError, SettingsError

REVISION = "1"
"""Changes when the same checkpoint would be converted otherwise, so that a cached result is not taken for it."""


def convert(
    source: Path,
    out: Path,
    *,
    num_attention_heads: int | None = None,
    num_hidden_layers: int | None = None,
    config: Path | None = None,
    vocab: Path | None = None,
    overwrite: bool = False,
) -> LoadReport:
    """Write the encoder at `source` as a Hugging Face directory at `out`, or nothing at all.

    Args:
        source: a TensorFlow checkpoint (folder, prefix, `.index`, `.data-…`), a Hugging Face directory
            whose weights are PyTorch `.bin` files, or either within the cache of a hub.
        out: the new folder: `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json`.
        num_attention_heads: needed where no configuration states it.
        num_hidden_layers: needed for an ALBERT where no configuration states it.
        config: the configuration, where it does not lie beside the weights.
        vocab: the `vocab.txt`, where it does not lie beside the weights.
        overwrite: replace an encoder that stands at `out`.

    Raises:
        EncoderError: the checkpoint is damaged, incomplete, of an unknown kind, or lacks something that
            cannot be read from its weights.
        SettingsError: `out` is in the way, or an option contradicts the weights.

    Example:
        >>> report = convert(Path("chinese_L-12_H-768_A-12"), Path("bert"))
        >>> for line in report.lines():
        ...     print(line)
    """
    source = resolve_hub_cache(source)
    _check_out(source, out, overwrite=overwrite)
    if is_torch_directory(source):
        stated = (num_attention_heads, num_hidden_layers, config, vocab)
        if any(option is not None for option in stated):
            raise SettingsError(
                f"{source} holds PyTorch weights with their own configuration; --num-attention-heads, "
                "--num-hidden-layers, --config and --vocab are for TensorFlow checkpoints"
            )
        return convert_torch_directory(source, out)
    if (source / "config.json").exists() and any(source.glob("*.safetensors")):
        raise EncoderError(f"{source} already is a Hugging Face directory", hint="use it as it is")

    prefix = find_prefix(source)
    bundle = open_bundle(prefix)
    recognised = recognise({name: entry.shape for name, entry in bundle.variables.items()}, str(prefix))
    _check_types(bundle, recognised)
    config_file = config or find_config(prefix.parent, recognised)
    settings, notes = make_config(
        recognised,
        read_config(config_file) if config_file else {},
        str(config_file or f"{prefix.parent} (no configuration)"),
        num_attention_heads=num_attention_heads,
        num_hidden_layers=num_hidden_layers,
    )
    vocab_file = vocab or prefix.with_name("vocab.txt")
    if not vocab_file.is_file():
        raise EncoderError(
            f"there is no vocabulary {vocab_file}", hint="name it: fenlei convert SOURCE OUT --vocab FILE"
        )
    tokens = read_vocabulary(vocab_file)
    check_fit(vocab_file, len(tokens), settings["vocab_size"])
    settings["pad_token_id"] = tokens.index("[PAD]")
    tokenizer = EncoderTokenizer(
        build_wordpiece(vocab_file, cleaning="electra" if settings["model_type"] == "electra" else "bert"),
        SPECIAL_TOKENS,
        ["input_ids", "token_type_ids", "attention_mask"],
    )
    tensors = _tensors(bundle, recognised)
    added: tuple[str, ...] = ()
    if settings["model_type"] == "albert" and f"{MAPPING_IN}.weight" not in tensors:
        # AlbertModel always projects the embeddings; the original does not, so this one must stay what it is.
        tensors |= _identity(settings["hidden_size"])
        settings["fenlei_frozen_parameters"] = [MAPPING_IN]
        added = (f"{MAPPING_IN}: an identity that AlbertModel needs; it stays frozen in training",)
    with atomic_folder(out) as folder:
        text = json.dumps(settings, ensure_ascii=False, indent=2)
        (folder / "config.json").write_text(f"{text}\n", encoding="utf-8")
        save_tokenizer(tokenizer, folder, max_tokens=settings["max_position_embeddings"])
        write_weights(folder / "model.safetensors", tensors)
    return LoadReport(
        source=str(prefix),
        out=str(out),
        family=recognised.family.name,
        variant=_variant(recognised),
        recognised_by=f"variables named {recognised.family.sign}…",
        config=settings,
        config_file=str(config_file) if config_file else None,
        notes=tuple(notes),
        parameters=sum(math.prod(tensor.shape) for tensor in tensors.values()),
        used=tuple(name for names in recognised.parameters.values() for name in names),
        dropped=recognised.dropped,
        added=added,
        vocabulary=f"{vocab_file}, {len(tokens):,} tokens",
    )


def _check_out(source: Path, out: Path, *, overwrite: bool) -> None:
    if source.resolve().is_relative_to(out.resolve()):
        raise SettingsError(f"{out} holds the source {source} itself", hint="name another folder for the result")
    if not is_occupied(out):
        return
    if not overwrite:
        raise SettingsError(f"{out} already exists", hint="name another folder, or give --overwrite to replace it")
    if not (out / "config.json").exists():
        raise SettingsError(f"{out} is no encoder (it has no config.json) and is not overwritten")


def _check_types(bundle: TensorBundle, recognised: Recognised) -> None:
    for names in recognised.parameters.values():
        for name in names:
            if bundle.dtype(name).kind != "f":
                raise EncoderError(f"{bundle.prefix}: {name} holds {bundle.dtype(name)}, not floating-point numbers")


def _tensors(bundle: TensorBundle, recognised: Recognised) -> dict[str, PendingTensor]:
    tensors = {}
    for parameter, names in recognised.parameters.items():
        shapes = [bundle.variables[name].shape for name in names]
        # Of factors [V, E] and [E, D] the product is [V, D].
        shape = (*shapes[0][:-1], shapes[-1][-1])
        if _is_transposed(names[0]):
            shape = shape[::-1]
        tensors[parameter] = PendingTensor("F32", shape, partial(_values, bundle, names))
    return tensors


def _values(bundle: TensorBundle, names: tuple[str, ...]) -> NDArray[np.float32]:
    values, *factors = (bundle.read(name).astype(np.float32, copy=False) for name in names)
    for factor in factors:
        values = values @ factor
    return values.T if _is_transposed(names[0]) else values


def _is_transposed(variable: str) -> bool:
    # TensorFlow's dense layers compute x @ kernel, torch's x @ weight.T.
    return variable.endswith("/kernel")


def _identity(width: int) -> dict[str, PendingTensor]:
    return {
        f"{MAPPING_IN}.weight": PendingTensor("F32", (width, width), lambda: np.eye(width, dtype=np.float32)),
        f"{MAPPING_IN}.bias": PendingTensor("F32", (width,), lambda: np.zeros(width, dtype=np.float32)),
    }


def _variant(recognised: Recognised) -> tuple[str, ...]:
    sizes, parameters = recognised.sizes, recognised.parameters
    parts: list[Any] = []
    if recognised.folded:
        parts.append(f"one shared layer, embeddings of {sizes['E']} folded into one table of {sizes['D']}")
    elif len(recognised.numbers) == 2:
        groups, inner = recognised.numbers
        parts.append(f"{groups} x {inner} shared layers" if groups * inner > 1 else "one shared layer")
    if recognised.family.model_type == "electra":
        parts.append("discriminator")
    elif not any(name.startswith("pooler.") for name in parameters):
        parts.append("without pooler (training makes a fresh one)")
    else:
        parts.append("with pooler")
    if not recognised.folded and sizes["E"] != sizes["D"]:
        parts.append(f"embeddings of {sizes['E']} projected to {sizes['D']}")
    return tuple(parts)

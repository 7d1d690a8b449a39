"""A Hugging Face directory with PyTorch pickles -> one with safetensors; nothing pickled is executed."""

import math
import shutil
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fenlei.atomic import atomic_folder
from fenlei.encoders.file_kind import mistaken_for
from fenlei.encoders.load_report import LoadReport
from fenlei.encoders.tf_config import read_config
from fenlei.encoders.tokenizer import load_tokenizer, save_tokenizer
from fenlei.encoders.weights_file import PendingTensor, write_weights
from fenlei.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS = "pytorch_model.bin"
_INDEX = "pytorch_model.bin.index.json"
# Tokenizers of every kind are made of these.
_TOKENIZER_FILES = (
    "tokenizer*",
    "vocab*",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "merges.txt",
)


def is_torch_directory(path: Path) -> bool:
    """Whether `path` is a Hugging Face directory that has `.bin` weights and no safetensors."""
    has_weights = (path / _WEIGHTS).exists() or (path / _INDEX).exists()
    return has_weights and (path / "config.json").exists() and not any(path.glob("*.safetensors"))


def convert_torch_directory(source: Path, out: Path) -> LoadReport:
    """Write `source` with its weights as `model.safetensors` and a fast tokenizer.

    Tensors keep their names and types. A tensor that is another one under a second name is left out, as
    transformers ties it again.

    Raises:
        EncoderError: a file is missing, damaged, or holds more than tensors; or the vocabulary does not fit.
    """
    config = read_config(source / "config.json")
    tokenizer = load_tokenizer(source)
    weights: dict[str, Tensor] = {}
    for file in _weight_files(source):
        weights |= _load(file)
    tensors, tied = _pending(weights, source)
    with atomic_folder(out) as folder:
        shutil.copyfile(source / "config.json", folder / "config.json")
        if (source / "tokenizer.json").exists():
            for pattern in _TOKENIZER_FILES:
                for file in source.glob(pattern):
                    shutil.copyfile(file, folder / file.name)
        else:
            save_tokenizer(tokenizer, folder, max_tokens=config.get("max_position_embeddings", 512))
        write_weights(folder / "model.safetensors", tensors)
    return LoadReport(
        source=str(source),
        out=str(out),
        family=str(config.get("model_type", "unknown")),
        recognised_by="config.json beside PyTorch weights",
        config=config,
        config_file=str(source / "config.json"),
        parameters=sum(math.prod(tensor.shape) for tensor in tensors.values()),
        used=tuple(tensors),
        dropped={"that are another tensor under a second name": tuple(tied)} if tied else {},
        vocabulary=f"{source}, {tokenizer.tokenizer.get_vocab_size():,} tokens",
    )


def _weight_files(source: Path) -> list[Path]:
    if not (source / _INDEX).exists():
        return [source / _WEIGHTS]
    shards = sorted(set(read_config(source / _INDEX).get("weight_map", {}).values()))
    missing = [name for name in shards if not (source / name).is_file()]
    if missing or not shards:
        raise EncoderError(
            f"{source / _INDEX} names {', '.join(missing) or 'no file'}" + (", missing" if missing else ""),
            hint="download the missing files from the same place",
        )
    return [source / name for name in shards]


def _load(file: Path) -> dict[str, "Tensor"]:
    import torch

    try:
        # Mapping needs the zip form that torch has written since 1.6.
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except Exception as error:  # damaged pickles raise whatever their bytes happen to ask for
        mistaken = mistaken_for(file)
        # torch's own form is a zip: one that does not open was cut off.
        if mistaken and mistaken[0] != "a zip archive":
            raise EncoderError(f"{file} is {mistaken[0]}", hint=mistaken[1]) from error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(
            f"{file} cannot be read as PyTorch weights: {reason}",
            hint="it is damaged, or holds more than tensors, which is not loaded since it could run code",
        ) from error
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise EncoderError(f"{file} holds no table of tensors but a {type(content).__name__} of other things")
    return content


def _pending(weights: dict[str, "Tensor"], source: Path) -> tuple[dict[str, PendingTensor], list[str]]:
    import torch

    names = {
        torch.float64: "F64",
        torch.float32: "F32",
        torch.float16: "F16",
        torch.bfloat16: "BF16",
        torch.int64: "I64",
        torch.int32: "I32",
        torch.int16: "I16",
        torch.int8: "I8",
        torch.uint8: "U8",
        torch.bool: "BOOL",
    }
    pending: dict[str, PendingTensor] = {}
    tied: list[str] = []
    seen: set[tuple[Any, ...]] = set()
    for name, tensor in weights.items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and place in seen:
            tied.append(name)
            continue
        seen.add(place)
        if tensor.dtype not in names:
            raise EncoderError(f"{source}: {name} is of type {tensor.dtype}, which safetensors does not hold")
        # The names of the very first PyTorch models, which transformers knows as weight and bias.
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        pending[name] = PendingTensor(names[tensor.dtype], tuple(tensor.shape), partial(_bytes, tensor))
    return pending, tied


def _bytes(tensor: "Tensor") -> NDArray[np.uint8]:
    import torch

    # NumPy has no bfloat16; the bytes are all that is wanted.
    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy()

"""A safetensors file written one tensor at a time, so that a model need not fit into memory to be converted.

Format: https://github.com/huggingface/safetensors/blob/v0.6.2/README.md#format
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ITEM_SIZES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}


@dataclass(frozen=True)
class PendingTensor:
    """A tensor that is made when its turn comes.

    Attributes:
        dtype: in the words of safetensors, such as `F32`.
        shape: the dimensions.
        load: gives the values, of that type and shape (or any view of the same bytes), when called.
    """

    dtype: str
    shape: tuple[int, ...]
    load: Callable[[], NDArray[Any]]

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) * _ITEM_SIZES[self.dtype]


def write_weights(path: Path, tensors: Mapping[str, PendingTensor]) -> None:
    """Write `tensors` to a new safetensors file at `path`."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    # The largest alignment first, as safetensors' own writer does: readers map the values as they lie.
    names = sorted(tensors, key=lambda name: (-_ITEM_SIZES[tensors[name].dtype], name))
    for name in names:
        tensor = tensors[name]
        offsets = [end, end := end + tensor.size]
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            values = np.ascontiguousarray(tensors[name].load())
            assert values.nbytes == tensors[name].size, name
            file.write(values.data.cast("B") if values.size else b"")

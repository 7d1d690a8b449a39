"""TensorFlow's checkpoint format ("tensor bundle", V2) without TensorFlow: strict; only what is asked for.

A checkpoint with prefix P is `P.index` (names, shapes, places) and `P.data-00000-of-0000N` (raw bytes). Sizes
are checked before anything is read, checksums before a value is given out.
Source: https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/core/util/tensor_bundle/tensor_bundle.cc
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.encoders.file_kind import mistaken_for
from fenlei.encoders.tf_messages import Entry, Extents, Header, read_entry, read_header
from fenlei.encoders.tf_table import MISSING_FILE, damaged, masked_crc32c, read_table
from fenlei.errors import EncoderError

_BFLOAT16 = 14
# TensorFlow's number of a type -> the type of the bytes on disk. bfloat16 has none in NumPy.
_DTYPES = {
    1: "f4",
    2: "f8",
    3: "i4",
    4: "u1",
    5: "i2",
    6: "i1",
    8: "c8",
    9: "i8",
    10: "?",
    _BFLOAT16: "u2",
    17: "u2",
    18: "c16",
    19: "f2",
    22: "u4",
    23: "u8",
}


@dataclass(frozen=True)
class TensorBundle:
    """An opened checkpoint: the index is read and the data files are long enough.

    Attributes:
        prefix: path without `.index`.
        header: what holds for the whole checkpoint.
        variables: name -> entry, in the order of the names.
        pieces: key of a slice -> entry, for partitioned variables.
    """

    prefix: Path
    header: Header
    variables: dict[str, Entry]
    pieces: dict[bytes, Entry]

    def read(self, name: str) -> NDArray[Any]:
        """The values of a variable, checksum verified; bfloat16 comes as float32.

        Raises:
            EncoderError: the bytes are damaged, or of a type that is no number.
            KeyError: there is no such variable.
        """
        entry = self.variables[name]
        if not entry.slices:
            return self._values(name, entry)
        where = f"{self.prefix}.index ({name})"
        pieces = [self.pieces.get(_slice_key(name, extents)) for extents in entry.slices]
        filled = sum(math.prod(piece.shape) for piece in pieces if piece and piece.dtype == entry.dtype)
        # TensorFlow's parts do not overlap: their sizes add up exactly when none is missing.
        if filled != math.prod(entry.shape):
            raise damaged(where, f"its parts hold {filled:,} values of {math.prod(entry.shape):,}")
        whole = np.empty(entry.shape, dtype=self.dtype(name))
        for extents, piece in zip(entry.slices, pieces, strict=True):
            target = whole[tuple(slice(start, None if size < 0 else start + size) for start, size in extents)]
            if piece is None or target.shape != piece.shape:
                raise damaged(where, f"its part {extents} is missing or of another shape")
            target[...] = self._values(name, piece)
        return whole

    def dtype(self, name: str) -> np.dtype[Any]:
        """The type in which `read` gives a variable.

        Raises:
            EncoderError: it holds no numbers.
            KeyError: there is no such variable.
        """
        return _result_type(name, self.variables[name])

    def _values(self, name: str, entry: Entry) -> NDArray[Any]:
        _result_type(name, entry)
        path = data_file(self.prefix, entry.shard, self.header.shards)
        try:
            stored = np.fromfile(path, dtype=np.uint8, count=entry.size, offset=entry.offset)
        except OSError as error:
            raise EncoderError(f"{path} cannot be read: {error.strerror}") from error
        if len(stored) != entry.size or masked_crc32c(stored) != entry.crc:
            raise EncoderError(
                f"{path}: the bytes of {name} (from byte {entry.offset:,}, {entry.size:,} long) do not match "
                f"the checksum in {self.prefix.name}.index",
                hint="it is damaged, or index and data are of two checkpoints; download both from one place",
            )
        dtype = np.dtype(_DTYPES[entry.dtype])
        values = stored.view(dtype)
        if self.header.big_endian:
            values = values.byteswap()
        if entry.dtype == _BFLOAT16:
            # bfloat16 is the upper half of a float32.
            values = (values.astype(np.uint32) << 16).view(np.float32)
        try:
            return values.reshape(entry.shape)
        except ValueError as error:
            raise damaged(f"{self.prefix}.index ({name})", f"shape {entry.shape}: {error}") from None


def open_bundle(prefix: Path) -> TensorBundle:
    """Read the index of the checkpoint at `prefix` and check it against the data files' sizes.

    Raises:
        EncoderError: a file is missing, too short, damaged or of another format; says which and what to do.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    table = read_table(index)
    if not table or table[0][0] != b"":
        raise damaged(str(index), "it has no header")
    header = read_header(table[0][1], f"{index} (header)")
    if header.shards < 1:
        raise damaged(f"{index} (header)", f"it names {header.shards} data files")
    if header.min_consumer > 1:
        raise EncoderError(f"{index} asks for reader version {header.min_consumer}; fenlei reads version 1")
    variables: dict[str, Entry] = {}
    pieces: dict[bytes, Entry] = {}
    for key, value in table[1:]:
        if key.startswith(b"\0"):
            pieces[key] = read_entry(value, f"{index} (a part of a partitioned variable)")
        else:
            try:
                name = key.decode()
            except UnicodeDecodeError:
                raise damaged(str(index), f"the name {key!r} is not UTF-8") from None
            variables[name] = read_entry(value, f"{index} ({name})")
    needed: dict[int, int] = {}
    stored = [(name, entry) for name, entry in variables.items() if not entry.slices]
    for name, entry in [*stored, *((repr(key), entry) for key, entry in pieces.items())]:
        _check_place(f"{index} ({name})", entry, header)
        needed[entry.shard] = max(needed.get(entry.shard, 0), entry.offset + entry.size)
    for shard, size in sorted(needed.items()):
        _check_data_file(data_file(prefix, shard, header.shards), size)
    return TensorBundle(prefix, header, variables, pieces)


def data_file(prefix: Path, shard: int, shards: int) -> Path:
    """The path of one data file."""
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")


def _check_place(where: str, entry: Entry, header: Header) -> None:
    if not 0 <= entry.shard < header.shards:
        raise damaged(where, f"it lies in data file {entry.shard} of {header.shards}")
    if entry.offset < 0 or entry.size < 0:
        raise damaged(where, f"it lies at byte {entry.offset} and is {entry.size} bytes long")
    if entry.dtype in _DTYPES:
        expected = math.prod(entry.shape) * np.dtype(_DTYPES[entry.dtype]).itemsize
        if entry.size != expected:
            raise damaged(where, f"shape {list(entry.shape)} needs {expected:,} bytes, not {entry.size:,}")


def _check_data_file(path: Path, needed: int) -> None:
    if not path.is_file():
        halves = sorted(other.name for other in path.parent.glob(f"{path.name}*") if other != path)
        raise EncoderError(
            f"{path} is missing" + (f"; beside it lies {halves[0]}, a download that did not end" if halves else ""),
            hint=MISSING_FILE,
        )
    found = path.stat().st_size
    if found < needed:
        kind = mistaken_for(path)
        raise EncoderError(
            f"{path} has {found:,} bytes, its index needs {needed:,}" + (f"; it is {kind[0]}" if kind else ""),
            hint=kind[1] if kind else "the download was cut off; download the file again",
        )


def _result_type(name: str, entry: Entry) -> np.dtype[Any]:
    if entry.dtype not in _DTYPES:
        what = "holds strings" if entry.dtype == 7 else f"is of TensorFlow's type {entry.dtype}"
        raise EncoderError(f"the variable {name} {what}; only numbers are read")
    return np.dtype(np.float32 if entry.dtype == _BFLOAT16 else _DTYPES[entry.dtype])


def _slice_key(name: str, extents: Extents) -> bytes:
    """The key under which a slice of a partitioned variable stands, in TensorFlow's order-keeping code.

    Source: https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/core/lib/strings/ordered_code.cc
    """
    numbers = b"".join(_signed(number) for extent in extents for number in extent)
    return b"\0" + name.encode() + b"\0\1" + bytes([1, len(extents)]) + numbers


def _signed(number: int) -> bytes:
    """As many leading one bits (for a negative number: zero bits) as there are bytes, then the number."""
    size = 1
    while not -(1 << (7 * size - 1)) <= number < 1 << (7 * size - 1):
        size += 1
    header = ((1 << size) - 1) << (7 * size)
    return ((number & ((1 << (8 * size)) - 1)) ^ header).to_bytes(size, "big")

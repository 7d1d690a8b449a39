"""The protocol-buffer messages in a checkpoint's index: header and entries, without a protobuf library.

A field equal to its default is absent; unknown fields are skipped by their wire type.
Source: https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/core/protobuf/tensor_bundle.proto
"""

from dataclasses import dataclass

from fenlei.encoders.tf_table import Scanner, damaged

Extents = tuple[tuple[int, int], ...]
"""A slice of a tensor: (start, length) of each dimension, length -1 for the whole dimension."""


@dataclass(frozen=True)
class Header:
    """What holds for the whole checkpoint.

    Attributes:
        shards: number of data files.
        big_endian: byte order of the values.
        min_consumer: the oldest reader version that may read it.
    """

    shards: int
    big_endian: bool
    min_consumer: int


@dataclass(frozen=True)
class Entry:
    """Where a tensor's bytes stand.

    Attributes:
        dtype: TensorFlow's number of the type.
        shape: the dimensions.
        shard: number of the data file.
        offset: first byte in that file.
        size: number of bytes.
        crc: masked CRC32C of the bytes.
        slices: the parts of a partitioned variable; shard, offset, size and crc mean nothing then.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    slices: tuple[Extents, ...]


def read_header(data: bytes, where: str) -> Header:
    """Decode BundleHeaderProto.

    Raises:
        EncoderError: the bytes are not such a message.
    """
    message = _Message(data, where)
    version = _Message(message.submessage(3), where)
    return Header(message.number(1), message.number(2) == 1, version.number(2))


def read_entry(data: bytes, where: str) -> Entry:
    """Decode BundleEntryProto.

    Raises:
        EncoderError: the bytes are not such a message, or the shape is unknown or negative.
    """
    message = _Message(data, where)
    shape_message = _Message(message.submessage(2), where)
    shape = tuple(_Message(dim, where).number(1) for dim in shape_message.submessages(2))
    if shape_message.number(3) or any(size < 0 for size in shape):
        raise damaged(where, "its shape is not known in full")
    slices = tuple(
        tuple(_extent(_Message(extent, where)) for extent in _Message(part, where).submessages(1))
        for part in message.submessages(7)
    )
    number = message.number
    return Entry(number(1), shape, number(3), number(4), number(5), number(6), slices)


def _extent(message: "_Message") -> tuple[int, int]:
    return message.number(1), message.number(2, default=-1)


class _Message:
    """The fields of a message: number -> values in the order they stand."""

    def __init__(self, data: bytes, where: str) -> None:
        self._where = where
        self._fields: dict[int, list[int | bytes]] = {}
        scanner = Scanner(data, where)
        while not scanner.at_end():
            tag = scanner.varint()
            value: int | bytes
            match tag & 7:
                case 0:
                    value = scanner.varint()
                case 1:
                    value = int.from_bytes(scanner.take(8), "little")
                case 2:
                    value = scanner.take(scanner.varint())
                case 5:
                    value = scanner.fixed32()
                case wire_type:
                    raise damaged(where, f"wire type {wire_type} does not exist")
            self._fields.setdefault(tag >> 3, []).append(value)

    def number(self, field: int, *, default: int = 0) -> int:
        """A field as a signed 64-bit number; the last one counts."""
        value = self._fields.get(field, [default])[-1]
        if not isinstance(value, int):
            raise damaged(self._where, f"field {field} is no number")
        return value - (1 << 64) if value >= 1 << 63 else value

    def submessage(self, field: int) -> bytes:
        """A field as bytes, empty where it is absent."""
        return b"".join(self.submessages(field)[-1:])

    def submessages(self, field: int) -> list[bytes]:
        """All values of a repeated field as bytes."""
        values = [value for value in self._fields.get(field, []) if isinstance(value, bytes)]
        if len(values) != len(self._fields.get(field, [])):
            raise damaged(self._where, f"field {field} is no message")
        return values

"""Writes tensor bundles byte by byte, also such as TensorFlow would not; shares nothing with fenlei."""

import struct

import google_crc32c
import numpy as np

TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
MAGIC = bytes.fromhex("57fb808b247547db")


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def masked(data):
    crc = google_crc32c.value(bytes(data))
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def block(entries, *, kind=0):
    """A block with its trailer; no key shares a prefix with the one before."""
    body = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
    body += struct.pack("<II", 0, 1) + bytes([kind])
    return body + masked(body)


def table(entries, *, per_block=1000, kind=0):
    """An `.index` file of these keys and values, in the order given."""
    out, handles = b"", []
    for start in range(0, len(entries), per_block):
        data = block(entries[start : start + per_block], kind=kind)
        handles.append((entries[start : start + per_block][-1][0], varint(len(out)) + varint(len(data) - 5)))
        out += data
    metaindex, index = block([]), block(handles)
    footer = varint(len(out)) + varint(len(metaindex) - 5)
    footer += varint(len(out) + len(metaindex)) + varint(len(index) - 5)
    return out + metaindex + index + footer.ljust(40, b"\0") + MAGIC


def number(field, value):
    return varint(field << 3) + varint(value % (1 << 64)) if value else b""


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def header(*, shards=1, big_endian=False, min_consumer=0):
    return number(1, shards) + number(2, int(big_endian)) + message(3, number(1, 1) + number(2, min_consumer))


def entry(*, dtype, shape, size, crc, shard=0, offset=0, slices=b""):
    dims = b"".join(message(2, number(1, length)) for length in shape)
    places = number(3, shard) + number(4, offset) + number(5, size)
    return number(1, dtype) + message(2, dims) + places + b"\x35" + crc + slices


def write_bundle(prefix, tensors, *, big_endian=False, per_block=1000):
    """Write arrays by name, in one data file."""
    entries, data = [(b"", header(big_endian=big_endian))], b""
    for name in sorted(tensors, key=str.encode):
        array = np.asarray(tensors[name])
        stored = array.astype(array.dtype.newbyteorder(">")).tobytes() if big_endian else array.tobytes()
        place = {"shape": array.shape, "offset": len(data), "size": len(stored), "crc": masked(stored)}
        entries.append((name.encode(), entry(dtype=TYPES[array.dtype.name], **place)))
        data += stored
    prefix.parent.mkdir(parents=True, exist_ok=True)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(entries, per_block=per_block))
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)

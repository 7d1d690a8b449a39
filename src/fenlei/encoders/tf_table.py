"""The `.index` file of a TensorFlow checkpoint: a LevelDB table, read strictly into its keys and values.

Layout: data blocks, a metaindex block (empty, never read), an index block with one handle a data block, a
footer of 48 bytes. Every block carries a masked CRC32C, which is verified before anything in it is believed.
Source: https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/core/lib/io/format.h
"""

import itertools
from pathlib import Path

from fenlei.encoders.file_kind import mistaken_for
from fenlei.errors import EncoderError

MAGIC = bytes.fromhex("57fb808b247547db")
DOWNLOAD_AGAIN = "download the checkpoint again, all files of it from one place"
MISSING_FILE = "a checkpoint is its .index and every .data file; download the missing one from the same place"

_FOOTER = 48
_TRAILER = 5  # compression byte and checksum after each block


class Scanner:
    """Reads front to back through bytes that may be damaged.

    Args:
        data: the bytes.
        where: the file and part of it, for messages.

    Every method raises EncoderError where the bytes end too soon.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self._data = data
        self._at = 0
        self._where = where

    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > len(self._data) - self._at:
            raise damaged(self._where, f"{size} bytes expected, {len(self._data) - self._at} left")
        self._at += size
        return self._data[self._at - size : self._at]

    def fixed32(self) -> int:
        """An unsigned 32-bit number, little-endian."""
        return int.from_bytes(self.take(4), "little")

    def varint(self) -> int:
        """An unsigned 64-bit number in groups of 7 bits, low group first."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 64:
                    break
                return value
        raise damaged(self._where, "a number is longer than 64 bits")


def damaged(where: str, what: str) -> EncoderError:
    """The error for bytes that are not as TensorFlow writes them."""
    return EncoderError(f"{where} is damaged: {what}", hint=DOWNLOAD_AGAIN)


def masked_crc32c(data: object) -> int:
    """The checksum of `data` (bytes or a uint8 array) as TensorFlow stores it."""
    import google_crc32c

    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_table(path: Path) -> list[tuple[bytes, bytes]]:
    """All keys and values of the table, keys strictly increasing.

    Raises:
        EncoderError: the file is no such table, is damaged or is compressed; says what it is and what to do.
    """
    try:
        file = path.read_bytes()
    except OSError as error:
        raise EncoderError(f"{path} cannot be read: {error.strerror}") from error
    if len(file) < _FOOTER or file[-8:] != MAGIC:
        if mistaken := mistaken_for(path):
            raise EncoderError(f"{path} is {mistaken[0]}", hint=mistaken[1])
        raise EncoderError(
            f"{path} ({len(file):,} bytes) is not the index of a TensorFlow checkpoint, or is cut short: "
            "the mark at its end is missing",
            hint=DOWNLOAD_AGAIN,
        )
    footer = Scanner(file[-_FOOTER:-8], f"{path} (footer)")
    footer.varint(), footer.varint()  # the metaindex block: empty, and nobody reads it
    entries: list[tuple[bytes, bytes]] = []
    for _, handle in _block(file, footer, path):
        entries += _block(file, Scanner(handle, f"{path} (block handle)"), path)
    if any(first >= second for (first, _), (second, _) in itertools.pairwise(entries)):
        raise damaged(str(path), "its names are not in order")
    return entries


def _block(file: bytes, handle: Scanner, path: Path) -> list[tuple[bytes, bytes]]:
    """The entries of the block that `handle` points to: its offset and its size without the trailer."""
    offset, size = handle.varint(), handle.varint()
    where = f"{path} (block at byte {offset})"
    end = offset + size
    if end + _TRAILER > len(file) - _FOOTER:
        raise damaged(where, f"it would end at byte {end + _TRAILER} of {len(file)}")
    # The type byte is part of what is summed.
    if masked_crc32c(file[offset : end + 1]) != int.from_bytes(file[end + 1 : end + _TRAILER], "little"):
        raise damaged(where, "its checksum does not match")
    if file[end] != 0:
        raise EncoderError(
            f"{where} is compressed ({'Snappy' if file[end] == 1 else f'type {file[end]}'}); "
            "only the uncompressed index that TensorFlow's Saver writes is read",
            hint="save the checkpoint again with TensorFlow's own Saver",
        )
    restarts = int.from_bytes(file[end - 4 : end], "little") if size >= 4 else 0
    length = size - 4 * (restarts + 1)
    if restarts < 1 or length < 0:
        raise damaged(where, f"{restarts} restart points do not fit into {size} bytes")
    return _entries(Scanner(file[offset : offset + length], where), where)


def _entries(scanner: Scanner, where: str) -> list[tuple[bytes, bytes]]:
    """Keys share a prefix with the key before them; only the rest is stored."""
    entries = []
    key = b""
    while not scanner.at_end():
        shared, own, size = scanner.varint(), scanner.varint(), scanner.varint()
        if shared > len(key):
            raise damaged(where, f"a name shares {shared} bytes with one of {len(key)}")
        key = key[:shared] + scanner.take(own)
        entries.append((key, scanner.take(size)))
    return entries

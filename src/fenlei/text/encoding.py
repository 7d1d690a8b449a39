"""Which character encoding a text file has, and opening it in that.

In this order: byte order mark, strict UTF-8, UTF-16 by its zero bytes, strict GB18030, UTF-8 and GB18030 with few wrong
bytes, and only then charset-normalizer, which alone takes short GBK texts for Big5.
"""

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fenlei.errors import DataError, SettingsError

# Enough to be sure; a wrong byte further on is reported when it is read.
_SAMPLE = 4 << 20

# What no text holds, but bytes that are none soon do.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f]")

# Of what is UTF-16 and valid UTF-8 too, which is nearly all ASCII, every second byte is 0.
_FEW_ZEROS = 8

# Python's way to keep a byte that is none of an encoding.
_STRAY_BYTES = "surrogateescape"
STRAY = re.compile("[\udc80-\udcff]")
"""What `open_text` makes of such a byte."""

# A file whose stray bytes are fewer, among the characters beyond ASCII, has that encoding.
_FEW_STRAY = 0.01

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def require_utf8_name(path: Path) -> None:
    """Refuse a folder whose path has bytes that are no UTF-8, as old servers have them.

    Raises:
        SettingsError: the libraries that read weights could not open what lies there.
    """
    if STRAY.search(str(path)):
        raise SettingsError(
            f"the path {path} is not UTF-8, and the libraries that read weights cannot open it",
            hint="rename the folder, or go into it and give a path relative to it",
        )


def detect_encoding(path: Path) -> str:
    """The encoding of the file, under the name of Python's codec.

    Raises:
        DataError: no encoding fits, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            sample = file.read(_SAMPLE)
            whole = len(sample) < _SAMPLE
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return encoding_of(sample, whole=whole, name=str(path))


def encoding_of(sample: bytes, *, whole: bool, name: str) -> str:
    """The encoding of a file that begins with `sample`.

    Args:
        sample: its first bytes.
        whole: whether that is all of it; otherwise a character may be cut at the end.
        name: of the file, for the message.

    Raises:
        DataError: no encoding fits.
    """
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    # A few zero bytes in UTF-8 are dirt in a cell, which is reported with its row.
    few_zeros = sample.count(0) * _FEW_ZEROS <= len(sample)
    if few_zeros and _decodes(sample, "utf-8", whole):
        return "utf-8"
    # A zero byte stands in no text but UTF-16's and UTF-32's: in the high or the low byte of what is ASCII.
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if even or odd:
        encoding = "utf-16-le" if odd >= even else "utf-16-be"
        if _decodes(sample, encoding, whole) and not _CONTROL.search(sample.decode(encoding, "ignore")):
            return encoding
    elif _decodes(sample, "gb18030", whole):
        return "gb18030"
    if few_zeros and _nearly_decodes(sample, "utf-8", whole):
        return "utf-8"
    if not (even or odd):
        if _nearly_decodes(sample, "gb18030", whole):
            return "gb18030"
        from charset_normalizer import from_bytes

        if guess := from_bytes(sample).best():
            return guess.encoding
    raise DataError(
        f"the character encoding of {name} is not known: it is not UTF-8, UTF-16 or GB18030",
        hint="name it with --encoding, or save the file as UTF-8",
    )


def known_encoding(encoding: str) -> str:
    """The encoding that the user named.

    Raises:
        DataError: Python does not know it.
    """
    try:
        "".encode(encoding)
    except LookupError as error:
        raise DataError(
            f"--encoding is {encoding!r}, which Python does not know",
            hint="common ones: utf-8, gb18030, utf-16, big5",
        ) from error
    return encoding


def open_text(file: Path | IO[bytes], encoding: str) -> IO[str]:
    """Open a text file; only line feeds end a line.

    csv takes care of line ends inside quotes, and U+2028 in a text is not one. A byte that is none of the encoding
    becomes half a surrogate pair, so that it costs its row and not the file.
    """
    opened = file.open("rb") if isinstance(file, Path) else file
    return io.TextIOWrapper(opened, encoding=encoding, errors=_STRAY_BYTES, newline="\n")


@contextmanager
def reported(name: str, encoding: str) -> Iterator[None]:
    """Say which file has characters of another encoding than its own.

    Raises:
        DataError: in place of UnicodeDecodeError.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not {encoding}: {error.reason} ({bytes(error.object[error.start : error.end])!r})",
            hint="name the encoding with --encoding, or save the file as UTF-8",
        ) from error


def _nearly_decodes(sample: bytes, encoding: str, whole: bool) -> bool:
    text = codecs.getincrementaldecoder(encoding)(_STRAY_BYTES).decode(sample, final=whole)
    beyond_ascii = sum(not char.isascii() for char in text)
    return len(STRAY.findall(text)) <= _FEW_STRAY * beyond_ascii


def _decodes(sample: bytes, encoding: str, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample, final=whole)
    except UnicodeDecodeError:
        return False
    return True

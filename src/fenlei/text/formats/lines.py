"""Text files without a header: plain lines, fastText's `__label__` lines, and two fields parted by a tab.

The tab-separated kind is PaddleNLP's `text<TAB>A,B` or, as in cnews, `label<TAB>text`: the labels are on the
side whose values repeat more. Which kind a file is, its first lines decide together.
"""

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Literal

from fenlei.text.encoding import encoding_of, open_text, reported
from fenlei.text.rows import Row, RowSource, identity_of

Kind = Literal["lines", "fastText lines", "text<TAB>labels lines", "labels<TAB>text lines"]

# So many lines settle what kind of file it is, if this share of them agrees; the others are bad rows then.
_SAMPLE, _AGREEING = 1000, 0.9

_LABEL = re.compile(r"(?:^|\s)__label__(\S+)")


def open_lines(path: Path, encoding: str) -> RowSource:
    """The rows of a text file; columns `text` and, where lines carry labels, `labels`."""
    with reported(str(path), encoding), open_text(path, encoding) as file:
        kind = _kind([line.rstrip("\r\n") for line in islice(file, _SAMPLE) if line.strip()])
    columns = ("text",) if kind == "lines" else ("text", "labels")

    def rows() -> Iterator[Row]:
        with reported(str(path), encoding), open_text(path, encoding) as file:
            yield from _rows(file, kind)

    return RowSource(str(path), kind, encoding, columns, rows, identity_of(path))


def lines_of_bytes(content: bytes, name: str, *, encoding: str | None = None) -> RowSource:
    """The rows of plain lines that came through a pipe."""
    found = encoding or encoding_of(content, whole=True, name=name)

    def rows() -> Iterator[Row]:
        with reported(name, found), open_text(io.BytesIO(content), found) as file:
            yield from _rows(file, "lines")

    return RowSource(name, "lines", found, ("text",), rows, [hashlib.blake2b(content, digest_size=16).hexdigest()])


def _kind(lines: list[str]) -> Kind:
    needed = max(1, _AGREEING * len(lines))
    if sum(line.startswith("__label__") for line in lines) >= needed:
        return "fastText lines"
    tabbed = [line.split("\t") for line in lines if line.count("\t") == 1]
    if len(tabbed) >= needed:
        first, second = zip(*tabbed, strict=True)
        return "labels<TAB>text lines" if len(set(first)) < len(set(second)) else "text<TAB>labels lines"
    return "lines"


def _rows(file: IO[str], kind: Kind) -> Iterator[Row]:
    parse: Callable[[int, str], Row] = {
        "lines": lambda number, line: Row(number, {"text": line}),
        "fastText lines": _fasttext,
        "text<TAB>labels lines": lambda number, line: _two_fields(number, line, text=0),
        "labels<TAB>text lines": lambda number, line: _two_fields(number, line, text=1),
    }[kind]
    for number, line in enumerate(file, 1):
        content = line.rstrip("\r\n")
        # Among plain lines an empty one keeps its place: results go line by line.
        if content or kind == "lines":
            yield parse(number, content)


def _fasttext(number: int, line: str) -> Row:
    return Row(number, {"text": _LABEL.sub("", line).strip(), "labels": _LABEL.findall(line)})


def _two_fields(number: int, line: str, *, text: int) -> Row:
    fields = line.split("\t")
    if len(fields) != 2:
        return Row(number, {"text": line}, f"{len(fields) - 1} tabs where most lines have one")
    return Row(number, {"text": fields[text], "labels": fields[1 - text]})

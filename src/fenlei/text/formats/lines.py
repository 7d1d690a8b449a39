"""Text files without a header: plain lines, fastText's `__label__` lines, and two fields parted by a tab.

The tab-separated kind is PaddleNLP's `text<TAB>A,B` or, as in cnews, `label<TAB>text`. Which side holds the labels is
told by a header line, by the labels of the classifier that the rows are for, or else by what repeats more and is
shorter. Which kind a file is, its first lines decide together.
"""

import hashlib
import io
import re
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Literal

from fenlei.errors import DataError
from fenlei.text.cells import NO_LABEL, SEPARATORS, pieces_of
from fenlei.text.columns import LABEL_NAMES, TEXT_NAMES
from fenlei.text.encoding import encoding_of, open_text, reported
from fenlei.text.rows import Row, RowSource, identity_of

Kind = Literal["lines", "fastText lines", "text<TAB>labels lines", "labels<TAB>text lines"]

# So many lines settle what kind of file it is, if this share of them agrees; the others are bad rows then.
_SAMPLE, _AGREEING = 1000, 0.9

_HEADS_OF_TEXT = (*TEXT_NAMES, "text_a")

# A side that is so many times as varied is that of the texts; closer than that, the longer one is.
_MORE_VARIED = 2

_LABEL = re.compile(r"(?:^|[\s,])__label__((?:(?!,__label__)\S)+)")


def open_lines(path: Path, encoding: str, *, known: Collection[str] = ()) -> RowSource:
    """The rows of a text file; columns `text` and, where lines carry labels, `labels`.

    Args:
        path: the file.
        encoding: of its characters.
        known: the labels of the classifier that the rows are for, if there is one.

    Raises:
        DataError: lines have two fields, and nothing tells which is the text.
    """
    with reported(str(path), encoding), open_text(path, encoding) as file:
        lines = [line.rstrip("\r\n") for line in islice(file, _SAMPLE)]
    named = _kind_of_header(lines[0]) if lines else None
    kind = named or _kind([line for line in lines if line.strip()], frozenset(known), str(path))
    columns = ("text",) if kind == "lines" else ("text", "labels")

    def rows() -> Iterator[Row]:
        with reported(str(path), encoding), open_text(path, encoding) as file:
            yield from islice(_rows(file, kind), 1 if named else 0, None)

    return RowSource(str(path), kind, encoding, columns, rows, identity_of(path))


def lines_of_bytes(content: bytes, name: str, *, encoding: str | None = None) -> RowSource:
    """The rows of plain lines that came through a pipe."""
    found = encoding or encoding_of(content, whole=True, name=name)

    def rows() -> Iterator[Row]:
        with reported(name, found), open_text(io.BytesIO(content), found) as file:
            yield from _rows(file, "lines")

    return RowSource(name, "lines", found, ("text",), rows, [hashlib.blake2b(content, digest_size=16).hexdigest()])


def _kind_of_header(line: str) -> Kind | None:
    """The kind of a file whose first line names its two fields; None: it names none."""
    match [field.strip().lower() for field in line.split("\t")]:
        case [text, labels] if text in _HEADS_OF_TEXT and labels in LABEL_NAMES:
            return "text<TAB>labels lines"
        case [labels, text] if text in _HEADS_OF_TEXT and labels in LABEL_NAMES:
            return "labels<TAB>text lines"
    return None


def _kind(lines: list[str], known: frozenset[str], name: str) -> Kind:
    needed = max(1, _AGREEING * len(lines))
    if sum(line.startswith("__label__") for line in lines) >= needed:
        return "fastText lines"
    tabbed = [line.split("\t") for line in lines if line.count("\t") == 1]
    if len(tabbed) >= needed:
        first, second = zip(*tabbed, strict=True)
        labels_first = _labels_come_first(first, second, known, name)
        return "labels<TAB>text lines" if labels_first else "text<TAB>labels lines"
    return "lines"


def _labels_come_first(first: tuple[str, ...], second: tuple[str, ...], known: frozenset[str], name: str) -> bool:
    """Whether the labels stand in the first fields, and not in the second ones.

    Raises:
        DataError: labels are known, most lines have them in neither, and neither repeats much more than the other.
    """
    counts = [sum(_is_known(field, known) for field in fields) for fields in (first, second)]
    if max(counts) * 2 >= len(first):
        return counts[0] > counts[1]
    variety = [_variety(fields) for fields in (first, second)]
    if max(variety) >= _MORE_VARIED * min(variety):
        return variety[0] < variety[1]
    if known:
        raise DataError(
            f"{name}: lines have two fields, and neither holds labels of the classifier, such as {min(known)!r}",
            hint="save it as .tsv with a first line that names the fields, as id<TAB>text, or keep the texts alone",
        )
    return sum(map(len, first)) < sum(map(len, second))


def _is_known(field: str, known: frozenset[str]) -> bool:
    none = field.strip().lower() in NO_LABEL
    return bool(known) and (none or field in known or known.issuperset(pieces_of(field, SEPARATORS)))


def _variety(fields: tuple[str, ...]) -> float:
    """How many different names there are for one in the fields: 1 where none comes again."""
    names = [name for field in fields for name in pieces_of(field, SEPARATORS)]
    return len(set(names)) / max(1, len(names))


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

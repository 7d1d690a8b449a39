"""A workbook with columns added to its first sheet; formats, formulas and other sheets stay as they are.

The sheet's XML (ECMA-376, part 1, 18.3.1) passes through a filter as a stream; all other parts are copied.
"""

import math
import re
import shutil
import zipfile
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import IO
from xml.sax import SAXParseException, make_parser
from xml.sax.saxutils import XMLFilterBase, XMLGenerator, escape
from xml.sax.xmlreader import AttributesImpl

from fenlei.text.formats.sheet_xml import column_letters, column_number, first_sheet

NewCells = Iterator[tuple[int, list[str]]]
"""Row numbers, ascending, with the cells that are added there."""

# Characters that XML has not, in the writing of ECMA-376, part 1, 22.9.2.19.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_LARGE = 1 << 30


class CannotWidenError(Exception):
    """The sheet is written in a way that this module does not know, or its cells are in the way."""


def widen(path: Path, rows: NewCells, first: int, count: int, out: Path) -> None:
    """Copy the workbook at `path` to `out` with `count` columns more.

    Args:
        path: an xlsx file.
        rows: what is added.
        first: the first of the new columns, from 0; from there on the sheet must be empty but for formats.
        count: how many they are.
        out: the new file.

    Raises:
        CannotWidenError: as there; `out` may have been begun.
        OSError: `out` cannot be written.
    """
    with zipfile.ZipFile(path) as book, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as wider:
        sheet = first_sheet(book)
        if not sheet:
            raise CannotWidenError("no sheet is found in it")
        for part in book.infolist():
            # Some readers of workbooks do not know ZIP64: only for a part that may become larger than 2 GB.
            large = part.file_size > _LARGE
            with book.open(part) as source, wider.open(_named_as(part), "w", force_zip64=large) as target:
                if part.filename == sheet:
                    _widen_sheet(source, target, rows, range(first, first + count))
                else:
                    shutil.copyfileobj(source, target)


def _named_as(part: zipfile.ZipInfo) -> zipfile.ZipInfo:
    copy = zipfile.ZipInfo(part.filename, part.date_time)
    copy.compress_type, copy.external_attr = zipfile.ZIP_DEFLATED, part.external_attr
    return copy


def _widen_sheet(source: IO[bytes], target: IO[bytes], rows: NewCells, columns: range) -> None:
    parser = _Widening(make_parser(), rows, columns)
    # A wrapper of our own gathers what the generator writes in very small pieces.
    text = TextIOWrapper(target, "utf-8", newline="")
    parser.setContentHandler(XMLGenerator(text, "utf-8", short_empty_elements=True))
    try:
        parser.parse(source)
    except SAXParseException as error:
        raise CannotWidenError(str(error)) from error
    finally:
        text.detach()


class _Widening(XMLFilterBase):
    """Adds cells to the rows that pass; a cell in their place gives them its format where it has no more than that."""

    def __init__(self, parser: object, rows: NewCells, columns: range) -> None:
        super().__init__(parser)  # type: ignore[arg-type]
        self._rows, self._columns = rows, columns
        self._next = next(rows, None)
        self._formats: dict[int, str] = {}
        # A new name of a column looks like the one beside it.
        self._format_beside, self._in_header = "", True
        self._row, self._replaced = 0, False

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        if self._replaced:
            raise CannotWidenError(f"row {self._row} already has a cell where a column would be added")
        match name.rpartition(":")[2]:
            case "dimension":  # how far the sheet reaches, which need not be told
                return
            case "row":
                self._begin_row(int(attrs.get("r", str(self._row + 1))))
                attrs = AttributesImpl({key: value for key, value in attrs.items() if key != "spans"})
            case "c":
                place = column_number(attrs.get("r", ""))
                if place < 0:
                    raise CannotWidenError(f"row {self._row} has a cell that does not tell its column")
                if place in self._columns:
                    self._formats[place] = attrs.get("s", "")
                    self._replaced = True
                    return
                if place > self._columns[-1]:
                    self._add(name)
                else:
                    self._format_beside = attrs.get("s", "")
        super().startElement(name, attrs)

    def endElement(self, name: str) -> None:  # noqa: N802
        kind = name.rpartition(":")[2]
        if kind == "dimension":
            return
        if kind == "c" and self._replaced:
            self._replaced = False
            return
        if kind == "row":
            self._add(name[: -len("row")] + "c")
        super().endElement(name)

    def characters(self, content: str) -> None:
        # A bare carriage return would be read back as a line feed.
        self.ignorableWhitespace(escape(content, {"\r": "&#13;"}))

    def endDocument(self) -> None:  # noqa: N802
        self._require_none_left()
        super().endDocument()

    def _begin_row(self, number: int) -> None:
        self._require_none_left(before=number)
        self._row, self._formats = number, {}

    def _require_none_left(self, before: float = math.inf) -> None:
        if self._next and self._next[0] < before:
            raise CannotWidenError(f"row {self._next[0]} is not found in it")

    def _add(self, cell: str) -> None:
        """The new cells, once a row: what they hold, or the formats that stood in their place."""
        values, beside = [""] * len(self._columns), ""
        if self._next and self._next[0] == self._row:
            values, beside = self._next[1], self._format_beside if self._in_header else ""
            self._next, self._in_header = next(self._rows, None), False
        for place, value in zip(self._columns, values, strict=True):
            attributes = {"r": f"{column_letters(place)}{self._row}"}
            if format_of := self._formats.pop(place, "") or beside:
                attributes["s"] = format_of
            elif not value:
                continue
            prefix = cell[:-1]
            super().startElement(cell, AttributesImpl(attributes | ({"t": "inlineStr"} if value else {})))
            if value:
                super().startElement(f"{prefix}is", AttributesImpl({}))
                super().startElement(f"{prefix}t", AttributesImpl({"xml:space": "preserve"}))
                self.characters(_NO_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", value))
                super().endElement(f"{prefix}t")
                super().endElement(f"{prefix}is")
            super().endElement(cell)

"""What a sheet of a workbook says beside its values: merged cells and errors, which calamine does not tell.

A streaming search of the sheet's XML (ECMA-376, part 1, 18.3.1): its tags are found without reading it as a tree.
"""

import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fenlei.errors import DataError

# What Python's zipfile raises where a file is damaged.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)

_CHUNK = 1 << 20
# Longer than any match: a formula has at most 8,192 characters.
_OVERLAP = 1 << 16

_MARK = re.compile(
    rb'<c r="([A-Z]+)(\d+)"[^>]*\bt="e"[^>]*>(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)?<v>([^<]*)</v>'
    rb'|<mergeCell ref="([A-Z]+)(\d+):[A-Z]+(\d+)"'
)
# A cell that holds something, and not only a format or a formula without its result.
_FILLED = re.compile(rb'<c r="([A-Z]+)\d+"[^>/]*>(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)?(?:<v[^>]*>[^<]|<is>)')
_SHEET, _ID = re.compile(r"<sheet [^>]*>"), re.compile(r'r:id="([^"]+)"')


@dataclass(frozen=True)
class SheetMarks:
    """Places in a sheet: rows as Excel numbers them, columns from 0 at the first that holds anything, as calamine's.

    Attributes:
        first: the column that holds anything first, as Excel counts them, from 0.
        errors: row -> (column, what the cell shows, such as `#N/A`) of its errors.
        merged: row -> columns in which its cell is merged with the one above; of several columns the first.
    """

    first: int
    errors: dict[int, set[tuple[int, str]]]
    merged: dict[int, set[int]]


def marks_of_first_sheet(path: Path) -> SheetMarks:
    """The marks of the workbook's first sheet; none where its XML is written in another way.

    Raises:
        DataError: the file is damaged.
    """
    try:
        return _marks(path)
    except _DAMAGED as error:
        raise DataError(f"{path} cannot be read as xlsx: {error}") from error


def _marks(path: Path) -> SheetMarks:
    if not zipfile.is_zipfile(path):  # a workbook of before 2007 under a newer name
        return SheetMarks(0, {}, {})
    errors, merged, filled = set[tuple[int, int, str]](), set[tuple[int, int]](), set[bytes]()
    with zipfile.ZipFile(path) as book:
        for piece in _pieces(book, first_sheet(book)):
            filled.update(_FILLED.findall(piece))
            for found in _MARK.finditer(piece):
                column, row, value, left, top, bottom = found.groups()
                if column:
                    errors.add((int(row), column_number(column.decode()), value.decode()))
                else:
                    merged.update(
                        (below, column_number(left.decode())) for below in range(int(top) + 1, int(bottom) + 1)
                    )
    first = min((column_number(letters.decode()) for letters in filled), default=0)
    marks = SheetMarks(first, defaultdict(set), defaultdict(set))
    for line, place, shown in errors:
        marks.errors[line].add((place - first, shown))
    for line, place in merged:
        if place >= first:
            marks.merged[line].add(place - first)
    return marks


def first_sheet(book: zipfile.ZipFile) -> str:
    """The name of the part that holds the workbook's first sheet; empty: it is not found."""
    names = set(book.namelist())
    try:
        sheet = _SHEET.search(book.read("xl/workbook.xml").decode())
        identity = _ID.search(sheet[0]) if sheet else None
        links = book.read("xl/_rels/workbook.xml.rels").decode()
    except KeyError:
        return ""
    for link in re.findall(r"<Relationship [^>]*>", links):
        if identity and f'Id="{identity[1]}"' in link and (target := re.search(r'Target="/?([^"]+)"', link)):
            return next((name for name in (f"xl/{target[1]}", target[1]) if name in names), "")
    return ""


def _pieces(book: zipfile.ZipFile, sheet: str) -> Iterator[bytes]:
    """The sheet's XML in pieces that overlap, so that no match is cut."""
    if not sheet:
        return
    with book.open(sheet) as file:
        before = b""
        while piece := file.read(_CHUNK):
            yield before + piece
            before = (before + piece)[-_OVERLAP:]


def column_number(cell: str) -> int:
    """The column of a cell such as `B7`: A -> 0, Z -> 25, AA -> 26; -1: no column is named."""
    number = 0
    for letter in cell.rstrip("0123456789"):
        number = number * 26 + ord(letter) - 64
    return number - 1


def column_letters(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    while number >= 0:
        number, letter = divmod(number, 26)
        letters, number = chr(65 + letter) + letters, number - 1
    return letters

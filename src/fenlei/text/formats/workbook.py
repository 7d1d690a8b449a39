"""The first sheet of an xlsx workbook, read by fastexcel (calamine), and with columns added."""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from fenlei.errors import DataError
from fenlei.text.formats.sheet_xml import SheetMarks, marks_of_first_sheet
from fenlei.text.formats.widened import widen
from fenlei.text.rows import Row, RowSource, distinct_columns, identity_of

# What calamine makes of a date without a time, and of a time without a date.
_MIDNIGHT, _NO_DATE = re.compile(r"(\d{4}-\d\d-\d\d) 00:00:00"), re.compile(r"1899-12-3[01] (\d\d:\d\d:\d\d)")


def open_workbook(path: Path) -> RowSource:
    """The rows of the first sheet, every cell as a string; the first row that is not empty names the columns.

    Number formats are not applied: 7 shown as `007` is `7`, 50% is `0.5`, a date is `2024-01-02`. What cells that are
    merged downwards hold counts for all their rows; an error is what it looks like, such as `#N/A`.

    Raises:
        DataError: it is no workbook, or its first sheet is empty.
    """
    with _readable_book(path) as book:
        more = book.sheet_names[1:]
    marks = marks_of_first_sheet(path)
    line, header = next(_filled(path, marks), (0, ()))
    if not header:
        raise DataError(f"{path}: the first sheet is empty")
    columns = distinct_columns(header, str(path), line=line)
    not_read = (
        f"only the first sheet is read (another can be moved to the front), not {', '.join(more)}" if more else ""
    )
    return RowSource(str(path), "xlsx", "", columns, lambda: _rows(path, marks, columns), identity_of(path), not_read)


def add_columns(path: Path, cells: Iterable[list[str]], count: int, out: Path, *, skipped: Collection[int]) -> None:
    """Copy a workbook to `out` with columns behind those that `open_workbook` reads; all else stays as it is.

    Args:
        path: the workbook.
        cells: the new ones, those of the header first, then of every row that is not skipped.
        count: how many a row.
        out: the new file.
        skipped: numbers of rows that get none.

    Raises:
        CannotWidenError: the sheet is written in a way that is not known here; `out` may have been begun.
        OSError: `out` cannot be written.
    """
    marks = marks_of_first_sheet(path)
    filled = _filled(path, marks)
    header, names = next(filled)
    numbers = chain([header], (number for number, _ in filled if number not in skipped))
    widen(path, zip(numbers, cells, strict=True), marks.first + len(names), count, out)


def _rows(path: Path, marks: SheetMarks, columns: tuple[str, ...]) -> Iterator[Row]:
    rows = _filled(path, marks)
    next(rows, None)
    yield from (Row(number, dict(zip(columns, cells, strict=False))) for number, cells in rows)


def _filled(path: Path, marks: SheetMarks) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold anything, each with its number in the sheet."""
    above: list[str] = []
    with _readable_book(path) as book:
        # As strings: an id typed as 007 stays it. Without rows to skip the empty ones at the top are counted too.
        sheet = book.load_sheet(0, header_row=None, dtypes="string", skip_rows=0, skip_whitespace_tail_rows=True)
        for number, values in enumerate(sheet.to_polars().iter_rows(), 1):
            cells = ["" if value is None else _readable(str(value)) for value in values]
            empty = not any(cells)
            # Beyond the last used column merged cells are empty, and calamine does not count them.
            for column in (column for column in marks.merged.get(number, ()) if column < len(cells)):
                cells[column] = above[column]
            for column, error in marks.errors.get(number, ()):
                cells[column] = error
            above = cells
            if not empty or number in marks.errors:
                yield number, cells


@contextmanager
def _readable_book(path: Path) -> Iterator[Any]:
    """The workbook; raises DataError in place of fastexcel's own error."""
    import fastexcel

    try:
        yield fastexcel.read_excel(path)
    except fastexcel.FastExcelError as error:
        raise DataError(f"{path} cannot be read as xlsx: {error}") from error


def _readable(cell: str) -> str:
    found = _NO_DATE.fullmatch(cell) or _MIDNIGHT.fullmatch(cell)
    return found[1] if found else cell

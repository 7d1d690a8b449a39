"""The first sheet of an xlsx workbook, read by fastexcel (calamine)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fenlei.errors import DataError
from fenlei.text.rows import Row, RowSource, distinct_columns, identity_of


def open_workbook(path: Path) -> RowSource:
    """The rows of the first sheet; every cell as the string that it shows.

    Raises:
        DataError: it is no workbook, or its first sheet is empty.
    """
    header = next(_values(path), None)
    if not header:
        raise DataError(f"{path}: the first sheet is empty")
    columns = distinct_columns(["" if name is None else str(name) for name in header], str(path))
    return RowSource(str(path), "xlsx", "", columns, lambda: _rows(path, columns), identity_of(path))


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    values = _values(path)
    next(values, None)
    for number, cells in enumerate(values, 2):
        if any(cell is not None for cell in cells):
            texts = ("" if cell is None else str(cell) for cell in cells)
            yield Row(number, dict(zip(columns, texts, strict=False)))


def _values(path: Path) -> Iterator[tuple[Any, ...]]:
    import fastexcel

    try:
        book = fastexcel.read_excel(path)
        # As strings: an id of 007 or a label of 1.0 stays what the cell shows.
        sheet = book.load_sheet(0, header_row=None, dtypes="string", skip_whitespace_tail_rows=True)
        yield from sheet.to_polars().iter_rows()
    except fastexcel.FastExcelError as error:
        raise DataError(f"{path} cannot be read as xlsx: {error}") from error

"""CSV and TSV, by Python's own reader: it knows the line of a bad row, and streams."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from fenlei.errors import DataError
from fenlei.text.encoding import open_text, reported
from fenlei.text.rows import Row, RowSource, column_name, distinct_columns, identity_of

# csv's own limit of 128 KiB a cell is shorter than a long document.
_LONGEST_CELL = 64 << 20


def open_delimited(path: Path, encoding: str, *, tabs: bool) -> RowSource:
    """The rows of a CSV file, or of a TSV file.

    Quotes are signs like any other in a file that was written without quoting, as databases export TSV: where each line
    that has one falls into as many cells as there are columns, and some such line alone is no valid CSV. With commas,
    which stand in texts too, the whole file must also be no valid CSV, or have rows of other lengths.

    Raises:
        DataError: it has no header line, a column name repeats, or the header is no valid CSV.
    """
    kind = "tsv" if tabs else "csv"
    with reported(str(path), encoding), open_text(path, encoding) as file:
        dialect = _Dialect("\t" if tabs else _delimiter(file))
        header = next(_well_formed(dialect.reader(file), path, kind), None)
    if not header:
        raise DataError(f"{path} is empty: it has no header line")
    columns = distinct_columns(header, str(path))
    with reported(str(path), encoding), open_text(path, encoding) as file:
        if _has_bare_quotes(file, dialect.delimiter, len(columns)):
            file.seek(0)
            if dialect.delimiter == "\t" or not _is_regular(dialect.reader(file), len(columns)):
                dialect = replace(dialect, quoted=False)

    def rows() -> Iterator[Row]:
        with reported(str(path), encoding), open_text(path, encoding) as file:
            reader = dialect.reader(file)
            yield from _rows(reader, _well_formed(reader, path, kind), columns)

    return RowSource(str(path), kind, encoding, columns, rows, identity_of(path))


@dataclass(frozen=True)
class _Dialect:
    """What stands between cells, and whether quotes hold one together."""

    delimiter: str
    quoted: bool = True

    def reader(self, file: IO[str]) -> Any:
        csv.field_size_limit(_LONGEST_CELL)
        if self.quoted:
            return csv.reader(file, delimiter=self.delimiter, strict=True)
        return csv.reader(file, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)


def _delimiter(file: IO[str]) -> str:
    """By the header; the file is at its beginning again."""
    header = file.readline()
    file.seek(0)
    # Excel calls its tab-separated "Unicode text" .csv when told to, and separates by semicolons in some countries.
    return next((sign for sign in ",\t;" if sign in header), ",")


def _rows(reader: Any, rows: Iterator[list[str]], columns: tuple[str, ...]) -> Iterator[Row]:
    """The reader's rows behind the header; it knows their lines."""
    header = [column_name(cell) for cell in next(rows, [])]
    begins = reader.line_num + 1
    for cells in rows:
        number, begins = begins, reader.line_num + 1
        if not cells:
            continue
        problem = None
        if column_name(cells[0]) == header[0] and [column_name(cell) for cell in cells] == header:
            problem = "it is the header again"
        if len(cells) != len(columns):
            problem = f"{len(cells)} cells where the header has {len(columns)}"
        yield Row(number, dict(zip(columns, cells, strict=False)), problem)


def _well_formed(reader: Any, path: Path, kind: str) -> Iterator[list[str]]:
    """What the reader gives; raises DataError in place of csv's own error."""
    try:
        yield from reader
    except csv.Error as error:
        hint = 'a cell that begins with " ends with one, and has each " between them twice'
        if "new-line" in str(error):
            hint = "save it with the line ends of Windows or Unix"
        raise DataError(f"{path} is no valid {kind.upper()} at line {reader.line_num}: {error}", hint=hint) from error


def _has_bare_quotes(file: IO[str], delimiter: str, columns: int) -> bool:
    found = False
    for line in file:
        if '"' not in line:
            continue
        if line.count(delimiter) != columns - 1:
            return False
        try:
            next(csv.reader([line], delimiter=delimiter, strict=True), None)
        except csv.Error:
            found = True
    return found


def _is_regular(reader: Any, columns: int) -> bool:
    """Whether it is valid CSV of so many cells a row."""
    try:
        return all(len(cells) in (0, columns) for cells in reader)
    except csv.Error:
        return False

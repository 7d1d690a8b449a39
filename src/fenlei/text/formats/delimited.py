"""CSV and TSV, by Python's own reader: it knows the line of a bad row, and streams."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fenlei.errors import DataError
from fenlei.text.encoding import open_text, reported
from fenlei.text.rows import Row, RowSource, distinct_columns, identity_of

# csv's own limit of 128 KiB a cell is shorter than a long document.
_LONGEST_CELL = 64 << 20


def open_delimited(path: Path, encoding: str, *, tabs: bool) -> RowSource:
    """The rows of a CSV file, or of a TSV file.

    Raises:
        DataError: it has no header line, a column name repeats, or the header is no valid CSV.
    """
    kind = "tsv" if tabs else "csv"
    with reported(str(path), encoding), _well_formed(path, kind), open_text(path, encoding) as file:
        header = next(_reader(file, tabs), None)
    if not header:
        raise DataError(f"{path} is empty: it has no header line")
    columns = distinct_columns(header, str(path))
    return RowSource(
        str(path), kind, encoding, columns, lambda: _rows(path, encoding, tabs, columns), identity_of(path)
    )


def _rows(path: Path, encoding: str, tabs: bool, columns: tuple[str, ...]) -> Iterator[Row]:
    kind = "tsv" if tabs else "csv"
    with reported(str(path), encoding), _well_formed(path, kind), open_text(path, encoding) as file:
        reader = _reader(file, tabs)
        next(reader, None)
        begins = reader.line_num + 1
        for cells in reader:
            number, begins = begins, reader.line_num + 1
            if not cells:
                continue
            problem = None
            if len(cells) != len(columns):
                problem = f"{len(cells)} cells where the header has {len(columns)}"
            yield Row(number, dict(zip(columns, cells, strict=False)), problem)


@contextmanager
def _well_formed(path: Path, kind: str) -> Iterator[None]:
    """Raises DataError in place of csv's own error."""
    try:
        yield
    except csv.Error as error:
        hint = "save it with the line ends of Windows or Unix" if "new-line" in str(error) else None
        raise DataError(f"{path} is no valid {kind.upper()}: {error}", hint=hint) from error


def _reader(file: IO[str], tabs: bool) -> Any:
    csv.field_size_limit(_LONGEST_CELL)
    header = file.readline()
    file.seek(0)
    # Excel calls its tab-separated "Unicode text" .csv when told to, and separates by semicolons in some countries.
    found = next((sign for sign in ",\t;" if sign in header), ",")
    return csv.reader(file, delimiter="\t" if tabs else found, strict=True)

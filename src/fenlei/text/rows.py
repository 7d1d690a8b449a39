"""Files -> rows of cells, streamed, each with its place in the file.

CSV, TSV, JSON lines, a JSON array, plain lines and xlsx.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fenlei.errors import DataError
from fenlei.text.encoding import detect_encoding, encoding_of

# csv's own limit of 128 KiB a cell is shorter than a long document.
_LONGEST_CELL = 64 << 20

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".txt": "lines",
    ".xlsx": "xlsx",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Attributes:
        number: the line where it begins, from 1; the sheet's row in xlsx.
        cells: column name -> value; a string, or what JSON holds.
        problem: why the row cannot be used; None if it can.
    """

    number: int
    cells: dict[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class RowSource:
    """A file that gives its rows.

    Attributes:
        name: for messages.
        format: `csv`, `tsv`, `json`, `jsonl`, `lines` or `xlsx`.
        encoding: of its characters; empty for xlsx.
        columns: the names in the header; those of the first row in JSON lines; `("text",)` for plain lines.
    """

    name: str
    format: str
    encoding: str
    columns: tuple[str, ...]
    _path: Path | None
    _bytes: bytes | None = None

    def fingerprint(self) -> list[str | int]:
        """The file's path, size and time of change; the content itself for a pipe."""
        if self._path is None:
            return [hashlib.blake2b(self._bytes or b"", digest_size=16).hexdigest()]
        stat = self._path.stat()
        return [str(self._path.resolve()), stat.st_size, stat.st_mtime_ns]

    def __iter__(self) -> Iterator[Row]:
        if self.format == "xlsx":
            assert self._path
            yield from _sheet_rows(self._path, self.columns)
            return
        with self._open() as file:
            try:
                if self.format in ("json", "jsonl"):
                    yield from _json_rows(file, self.name)
                elif self.format == "lines":
                    yield from (Row(number, {"text": line.rstrip("\r\n")}) for number, line in enumerate(file, 1))
                else:
                    yield from _csv_rows(file, self.format, self.columns)
            except UnicodeDecodeError as error:
                raise _undecodable(self.name, self.encoding, error) from error
            except csv.Error as error:
                raise DataError(f"{self.name} is no valid {self.format.upper()}: {error}") from error

    def _open(self) -> IO[str]:
        return _opened(self._path, self._bytes, self.encoding)


def open_rows(path: Path, *, encoding: str | None = None) -> RowSource:
    """The rows of a file; the format by its suffix.

    Args:
        path: the file.
        encoding: of its characters; None: detected.

    Raises:
        DataError: no such file, an unknown suffix or encoding, or no header.
    """
    if not path.exists():
        raise DataError(f"there is no file {path}")
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise DataError(
            f"{path}: the suffix {path.suffix!r} is not known; accepted are {', '.join(_FORMATS)}",
            hint="save an .xls file as .xlsx or CSV" if path.suffix.lower() == ".xls" else None,
        )
    if kind == "xlsx":
        return RowSource(str(path), kind, "", _sheet_columns(path), path)
    found = _known(encoding) if encoding else detect_encoding(path)
    return RowSource(str(path), kind, found, _columns(path, None, kind, found), path)


def rows_of_stdin(content: bytes, *, encoding: str | None = None) -> RowSource:
    """The rows of plain lines that came through a pipe.

    Raises:
        DataError: the encoding is not known.
    """
    found = _known(encoding) if encoding else encoding_of(content, whole=True, name="stdin")
    return RowSource("stdin", "lines", found, ("text",), None, content)


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)
    except LookupError as error:
        raise DataError(
            f"--encoding is {encoding!r}, which Python does not know",
            hint="common ones: utf-8, gb18030, utf-16, big5",
        ) from error
    return encoding


def _undecodable(name: str, encoding: str, error: UnicodeDecodeError) -> DataError:
    return DataError(
        f"{name} is not {encoding}: {error.reason} ({bytes(error.object[error.start : error.end])!r})",
        hint="name the encoding with --encoding, or save the file as UTF-8",
    )


def _opened(path: Path | None, content: bytes | None, encoding: str) -> IO[str]:
    raw: IO[bytes] = path.open("rb") if path else io.BytesIO(content or b"")
    # newline="": csv takes care of line ends inside quotes, and U+2028 in a text is not one.
    return io.TextIOWrapper(raw, encoding=encoding, newline="\n")


def _columns(path: Path, content: bytes | None, kind: str, encoding: str) -> tuple[str, ...]:
    if kind == "lines":
        return ("text",)
    with _opened(path, content, encoding) as file:
        try:
            if kind in ("json", "jsonl"):
                first = next((row for row in _json_rows(file, str(path)) if row.problem is None), None)
                return tuple(first.cells) if first else ()
            header = next(_reader(file, kind), None)
        except UnicodeDecodeError as error:
            raise _undecodable(str(path), encoding, error) from error
    if not header:
        raise DataError(f"{path} is empty: it has no header line")
    return _distinct(header, path)


def _distinct(header: list[str], path: Path) -> tuple[str, ...]:
    names = tuple(name.strip().lstrip("\ufeff") for name in header)
    repeated = [name for name in names if name and names.count(name) > 1]
    if repeated:
        raise DataError(f"{path}, line 1: the column {repeated[0]!r} occurs more than once", hint="rename one of them")
    return names


def _reader(file: IO[str], kind: str) -> Any:
    csv.field_size_limit(_LONGEST_CELL)
    header = file.readline()
    file.seek(0)
    # Excel calls its tab-separated "Unicode text" .csv when told to.
    tabs = kind == "tsv" or ("\t" in header and "," not in header)
    return csv.reader(file, delimiter="\t" if tabs else ",", strict=True)


def _csv_rows(file: IO[str], kind: str, columns: tuple[str, ...]) -> Iterator[Row]:
    reader = _reader(file, kind)
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


def _json_rows(file: IO[str], name: str) -> Iterator[Row]:
    """JSON lines; or one array of objects, which is held in memory and whose rows are numbered."""
    if _begins_with(file, "["):
        yield from _array_rows(file, name)
        return
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield _json_row(number, json.loads(line))
        except json.JSONDecodeError as error:
            yield Row(number, {"": line.strip()[:80]}, f"broken JSON: {error.msg} at column {error.colno}")


def _array_rows(file: IO[str], name: str) -> Iterator[Row]:
    try:
        rows = json.load(file)
    except json.JSONDecodeError as error:
        raise DataError(f"{name} is no valid JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    yield from (_json_row(number, cells) for number, cells in enumerate(rows, 1))


def _json_row(number: int, cells: Any) -> Row:
    if isinstance(cells, dict):
        return Row(number, cells)
    return Row(number, {"": str(cells)[:80]}, "not a JSON object")


def _begins_with(file: IO[str], sign: str) -> bool:
    first = file.read(1)
    while first.isspace():
        first = file.read(1)
    file.seek(0)
    return first == sign


def _sheet_columns(path: Path) -> tuple[str, ...]:
    header = next(_sheet_values(path), None)
    if not header:
        raise DataError(f"{path}: the first sheet is empty")
    return _distinct(["" if name is None else str(name) for name in header], path)


def _sheet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    values = _sheet_values(path)
    next(values, None)
    for number, cells in enumerate(values, 2):
        if any(cell is not None for cell in cells):
            yield Row(
                number,
                {name: "" if cell is None else str(cell) for name, cell in zip(columns, cells, strict=False)},
            )


def _sheet_values(path: Path) -> Iterator[tuple[Any, ...]]:
    import fastexcel

    try:
        book = fastexcel.read_excel(path)
        # As strings: an id of 007 or a label of 1.0 stays what the cell shows.
        sheet = book.load_sheet(0, header_row=None, dtypes="string", skip_whitespace_tail_rows=True)
        yield from sheet.to_polars().iter_rows()
    except fastexcel.FastExcelError as error:
        raise DataError(f"{path} cannot be read as xlsx: {error}") from error

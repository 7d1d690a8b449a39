"""Rows of cells with their place in a file: what every format gives and every reader takes."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fenlei.errors import DataError
from fenlei.text.encoding import STRAY


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Attributes:
        number: the line where it begins, from 1; the sheet's row in xlsx, the record elsewhere.
        cells: column name -> value; a string, or what JSON or Parquet holds.
        problem: why the row cannot be used; None if it can.
        file: the row's own file where a source has many; None: the source's name.
    """

    number: int
    cells: dict[str, Any]
    problem: str | None = None
    file: str | None = None


@dataclass(frozen=True, eq=False)
class RowSource:
    """A file that gives its rows, streamed, as often as asked.

    Attributes:
        name: for messages.
        format: for messages and to choose a like format for results.
        encoding: of its characters; empty where the format settles it.
        columns: the names of the cells; of records, which need not have the same, those of any.
        rows: begins to read.
        identity: what changes when the content does; as JSON.
        not_read: what of the file is left alone, for messages; empty: nothing.
    """

    name: str
    format: str
    encoding: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    identity: list[str | int]
    not_read: str = ""

    @property
    def title(self) -> str:
        """Name, format and encoding, for messages."""
        return f"{self.name}: {self.format}" + (f" {self.encoding}" if self.encoding else "")

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows():
            if self.encoding and row.problem is None and _has_stray_bytes(row.cells):
                row = replace(row, problem=f"it holds bytes that are not {self.encoding}")
            yield row


def _has_stray_bytes(value: Any) -> bool:
    if isinstance(value, str):
        return STRAY.search(value) is not None
    if isinstance(value, dict | list):
        return any(map(_has_stray_bytes, value.values() if isinstance(value, dict) else value))
    return False


def identity_of(path: Path) -> list[str | int]:
    """A file's path, size and time of change."""
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]


def column_name(cell: str) -> str:
    """A cell of a header line without the white space around it, and without a byte order mark."""
    return cell.strip().lstrip("\ufeff")


def distinct_columns(header: list[str], name: str, *, line: int = 1) -> tuple[str, ...]:
    """The names in a header line; a column without one is called by its place, `column 3`, so that none is lost.

    Raises:
        DataError: one occurs more than once, or has bytes that are none of the file's encoding.
    """
    if _has_stray_bytes(header):
        raise DataError(
            f"{name}, line {line}: the names of the columns have bytes of another encoding: {header}",
            hint="name the encoding with --encoding, or save the file as UTF-8",
        )
    given = [column_name(cell) for cell in header]
    names = tuple(column or f"column {place}" for place, column in enumerate(given, 1))
    if repeated := [column for column, times in Counter(names).items() if times > 1]:
        raise DataError(
            f"{name}, line {line}: the column {repeated[0]!r} occurs more than once", hint="rename one of them"
        )
    return names


def unnamed(columns: Sequence[str]) -> list[str]:
    """Those that `distinct_columns` had to name."""
    return [column for place, column in enumerate(columns, 1) if column == f"column {place}"]

"""Files to predict -> their texts, streamed, each with the other cells of its row."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fenlei.errors import DataError
from fenlei.text.cells import CellError, text_of
from fenlei.text.columns import is_written, present, text_columns
from fenlei.text.reader import BadRow, ReadOptions
from fenlei.text.sources import open_rows, rows_of_stdin


@dataclass(frozen=True)
class TextRow:
    """A row to predict: its text and all its cells."""

    text: str
    cells: dict[str, Any]


class TextSource:
    """The texts of a file, streamed row by row with their other columns.

    Args:
        source: a file, or the bytes of plain lines that came through a pipe.
        options: encoding, text column, and what a bad row does.
        known: the labels of the classifier that the texts are for; see `open_rows`.

    Attributes:
        path: of the file; None: it came from a pipe.
        format: of the file.
        columns: of the file; empty for plain lines.
        skipped: the bad rows that were left out so far.
        empty: how many rows so far have no text; they are given all the same, so that every row gets an answer.

    Raises:
        DataError: the file or its text column is missing; while iterating: a bad row that is not to be skipped.
    """

    def __init__(self, source: Path | bytes, options: ReadOptions, *, known: Collection[str] = ()) -> None:
        self.path = source if isinstance(source, Path) else None
        if isinstance(source, bytes):
            self._rows = rows_of_stdin(source, encoding=options.encoding)
        else:
            self._rows = open_rows(source, encoding=options.encoding, known=known)
        self._options = options
        self.format = self._rows.format
        self.columns = () if self.format == "lines" else self._rows.columns
        self.skipped: list[BadRow] = []
        self.empty = 0
        self._text = text_columns(self._rows, options.text_columns or present(self._rows, options.trained_text))
        self._pair = options.pair or (is_written(self._rows) and len(self._text) == 1)

    def fingerprint(self) -> dict[str, Any]:
        """What the rows depend on, as JSON; a changed file has another size or time."""
        return {
            "file": self._rows.identity,
            "encoding": self._rows.encoding,
            "text": list(self._text),
            "pair": self._pair,
            "on_bad_row": self._options.on_bad_row,
        }

    def note(self) -> str:
        """A line for people: format, encoding, columns."""
        not_read = f"; {self._rows.not_read}" if self._rows.not_read else ""
        return f"{self._rows.title}, text in {' + '.join(map(repr, self._text))}{not_read}"

    def count(self) -> int:
        """How many rows there are, by reading them once."""
        return sum(1 for _ in self._rows)

    def __iter__(self) -> Iterator[TextRow]:
        for row in self._rows:
            try:
                if row.problem:
                    raise CellError(row.problem, "", next(iter(row.cells.values()), ""))
                text = text_of(row.cells, self._text, pair=self._pair)
            except CellError as error:
                bad = BadRow.of(row, self._rows, error)
                if self._options.on_bad_row == "error":
                    raise DataError(str(bad), hint="mend it, or leave it out with --on-bad-row skip") from error
                self.skipped.append(bad)
                continue
            self.empty += not text
            yield TextRow(text, row.cells)

"""Predictions as rows of a file: CSV, JSON lines, plain lines, Parquet, xlsx.

Parquet and xlsx cannot be appended to safely: such results are kept as CSV while they grow, and turned
at the end by `finish`.
"""

import csv
import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fenlei.atomic import atomic_file
from fenlei.csv_text import csv_text
from fenlei.errors import DataError, SettingsError
from fenlei.predict.prediction import Prediction
from fenlei.text.cells import label_cell
from fenlei.text.formats.widened import CannotWidenError
from fenlei.text.formats.workbook import add_columns
from fenlei.text.unlabelled import TextSource

if TYPE_CHECKING:
    from polars import LazyFrame

_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".txt": "lines", ".parquet": "parquet", ".xlsx": "xlsx"}
FORMATS = tuple(_SUFFIXES.values())
STREAMED = ("csv", "jsonl", "lines")

# Limits of the xlsx format itself.
_XLSX_ROWS, _XLSX_CELL = 1_048_575, 32_767


def settle_format(named: str | None, out: Path | None, of_input: str) -> str:
    """The format of the result: as named, or by the suffix of `out`, or like the input.

    Raises:
        SettingsError: the named format is unknown, needs a file, or nothing tells.
    """
    if named is not None and named not in FORMATS:
        raise SettingsError(f"--format is {named!r}; accepted are {', '.join(FORMATS)}")
    if out is None:
        if named is not None and named not in STREAMED:
            raise SettingsError(f"--format {named} cannot be written to stdout", hint="name a file with --out")
        return named or (of_input if of_input in STREAMED else "csv")
    if named is None and out.suffix.lower() not in _SUFFIXES:
        raise SettingsError(
            f"the format of {out} is not known from its name; known are {', '.join(_SUFFIXES)}",
            hint=f"add --format with one of {', '.join(FORMATS)}",
        )
    return named or _SUFFIXES[out.suffix.lower()]


# What each column that is added says, in JSON and in a cell.
_AS_JSON: dict[str, Callable[[Prediction], Any]] = {
    "predicted": lambda answer: list(answer.labels),
    "needs_person": lambda answer: answer.needs_person,
    "scores": lambda answer: {label: round(score, 6) for label, score in answer.scores},
    "windows": lambda answer: {label: [begin, end] for label, begin, end in answer.windows},
}
_AS_TEXT: dict[str, Callable[[Prediction], str]] = {
    "predicted": lambda answer: label_cell(answer.labels),
    "needs_person": lambda answer: "yes" if answer.needs_person else "",
    "scores": lambda answer: "|".join(f"{label} {score:.4f}" for label, score in answer.scores),
    "windows": lambda answer: "|".join(f"{label} {begin}-{end}" for label, begin, end in answer.windows),
}


class RowFormat:
    """Rows with their predictions -> text.

    Args:
        result_format: one of `FORMATS`.
        columns: the input's columns, all kept; empty for plain lines.
        with_scores: whether a column of scores is added.
        with_person: whether a column says which rows need a person.
        with_windows: whether a column says which characters of a long text decided; plain lines never do.

    Raises:
        SettingsError: the input already has a column that would be added.
    """

    def __init__(
        self,
        result_format: str,
        columns: tuple[str, ...],
        *,
        with_scores: bool,
        with_person: bool = False,
        with_windows: bool = False,
    ) -> None:
        with_windows = with_windows and result_format != "lines"
        wanted = {"needs_person": with_person, "scores": with_scores, "windows": with_windows}
        added = ("predicted", *(name for name, is_wanted in wanted.items() if is_wanted))
        if taken := set(added) & set(columns):
            raise SettingsError(
                f"the input already has the column {sorted(taken)[0]!r}, which predict would add",
                hint="rename that column in the input",
            )
        self._format, self._columns, self._added = result_format, columns or ("text",), added

    def header(self) -> str:
        """What stands before the first row."""
        return "" if self._format in ("jsonl", "lines") else csv_text([[*self._columns, *self._added]])

    def row(self, cells: dict[str, Any], text: str, prediction: Prediction) -> str:
        """One row: its cells, or for plain lines its text, and the prediction.

        Raises:
            DataError: a cell is too long for xlsx.
        """
        if self._format == "jsonl":
            answer = {name: _AS_JSON[name](prediction) for name in self._added}
            # Parquet has dates and decimals, JSON has not.
            return json.dumps(cells | answer, ensure_ascii=False, default=str) + "\n"
        answers = [_AS_TEXT[name](prediction) for name in self._added]
        if self._format == "lines":
            return "\t".join([*map(_one_field, answers), _on_one_line(text)]) + "\n"
        written = [*(_text(cells.get(column)) for column in self._columns), *answers]
        if self._format == "xlsx" and (longest := max(map(len, written))) > _XLSX_CELL:
            raise DataError(
                f"a cell has {longest:,} characters and xlsx holds at most {_XLSX_CELL:,}: {text[:40]!r}…",
                hint="write .csv or .parquet instead, or fewer scores (--top-k)",
            )
        return csv_text([written])


def check_rows(result_format: str, rows: int) -> None:
    """Refuse what the format cannot hold, before the work.

    Raises:
        DataError: more rows than an xlsx sheet has.
    """
    if result_format == "xlsx" and rows > _XLSX_ROWS:
        raise DataError(
            f"{rows:,} rows are more than an xlsx sheet holds ({_XLSX_ROWS:,})", hint="write .csv or .parquet instead"
        )


def finish(result_format: str, grown: Path, out: Path, texts: TextSource) -> None:
    """Turn the rows in `grown` into the final file `out`, which appears whole; where that fails `grown` is still there.

    Args:
        result_format: one of `FORMATS`.
        grown: the rows; for Parquet and xlsx as CSV.
        out: the final file.
        texts: what was read to its end; from Parquet to Parquet its columns are taken over as they are, from xlsx to
            xlsx the whole workbook.

    Raises:
        OSError: `out` cannot be written.
    """
    if result_format in STREAMED:
        # Straight to its name: under a temporary one it would go with it where the last step fails.
        grown.replace(out)
        return
    with atomic_file(out) as temporary:
        if result_format == "parquet":
            _as_parquet(grown, texts).sink_parquet(temporary)
        elif not _widened_workbook(grown, texts, temporary):
            _as_workbook(grown, temporary)


def _as_parquet(grown: Path, texts: TextSource) -> "LazyFrame":
    import polars as pl

    # All columns as text: what a cell of another format is was never guessed.
    rows = pl.scan_csv(grown, infer_schema=False, empty_string_is_null=False)
    if texts.format != "parquet" or texts.path is None:
        return rows
    number = "\0row"  # no column's name holds a NUL
    given = pl.scan_parquet(texts.path).with_row_index(number, offset=1)
    given = given.filter(~pl.col(number).is_in([row.line for row in texts.skipped])).drop(number)
    return pl.concat([given, rows.drop(*texts.columns)], how="horizontal")


def _widened_workbook(grown: Path, texts: TextSource, out: Path) -> bool:
    """What was read, with the answers beside its columns; false: it is no workbook, or cannot be widened."""
    if texts.format != "xlsx" or texts.path is None:
        return False
    given, skipped = len(texts.columns), {row.line for row in texts.skipped}
    with grown.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        added = [next(rows)[given:]]
        answers = chain(added, (cells[given:] for cells in rows))
        try:
            add_columns(texts.path, answers, len(added[0]), out, skipped=skipped)
        except CannotWidenError:
            return False
    return True


def _as_workbook(grown: Path, out: Path) -> None:
    import xlsxwriter

    as_text = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    try:
        with (
            grown.open(encoding="utf-8", newline="") as file,
            xlsxwriter.Workbook(str(out), {"constant_memory": True, **as_text}) as book,
        ):
            sheet = book.add_worksheet()
            for number, cells in enumerate(csv.reader(file)):
                sheet.write_row(number, 0, cells)
    except xlsxwriter.exceptions.XlsxFileError as error:
        raise OSError(str(error)) from error


def _on_one_line(text: str) -> str:
    return " ".join(text.replace("\r", "\n").split("\n"))


def _one_field(answer: str) -> str:
    return _on_one_line(answer).replace("\t", " ")


def _text(cell: Any) -> str:
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return "" if cell is None else str(cell)

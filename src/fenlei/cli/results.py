"""Predictions as CSV, JSON lines or plain lines, row after row."""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fenlei.atomic import atomic_file
from fenlei.errors import SettingsError

if TYPE_CHECKING:
    from fenlei.predict import Prediction

FORMATS = ("csv", "jsonl", "lines")
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".txt": "lines"}
_COLUMNS = ("predicted", "scores")


def settle_format(named: str | None, out: Path | None, of_input: str) -> str:
    """The format of the result: as named, or by the suffix of `out`, or like the input.

    Raises:
        SettingsError: the named format is unknown, or nothing tells.
    """
    if named is not None:
        if named not in FORMATS:
            raise SettingsError(f"--format is {named!r}; accepted are {', '.join(FORMATS)}")
        return named
    if out is not None:
        if out.suffix.lower() not in _SUFFIXES:
            raise SettingsError(
                f"the format of {out} is not known from its name; known are {', '.join(_SUFFIXES)}",
                hint=f"add --format with one of {', '.join(FORMATS)}",
            )
        return _SUFFIXES[out.suffix.lower()]
    return of_input if of_input in FORMATS else "csv"


class Results:
    """Writes rows with their predictions.

    Args:
        file: a text file.
        result_format: one of `FORMATS`.
        columns: the input's columns, all kept; empty for plain lines.
        with_scores: whether a column of scores is added.

    Raises:
        SettingsError: the input already has a column that would be added.
    """

    def __init__(self, file: IO[str], result_format: str, columns: tuple[str, ...], *, with_scores: bool) -> None:
        added = _COLUMNS if with_scores else _COLUMNS[:1]
        if taken := set(added) & set(columns):
            raise SettingsError(
                f"the input already has the column {sorted(taken)[0]!r}, which predict would add",
                hint="rename that column in the input",
            )
        self._file, self._format, self._with_scores = file, result_format, with_scores
        self._columns = columns or ("text",)
        self._csv = csv.writer(file, lineterminator="\n")
        if result_format == "csv":
            self._csv.writerow([*self._columns, *added])

    def write(self, cells: dict[str, Any], text: str, prediction: "Prediction") -> None:
        """Write one row: its cells, or for plain lines its text, and the prediction."""
        labels = "|".join(prediction.labels)
        scores = "|".join(f"{label} {score:.4f}" for label, score in prediction.scores)
        if self._format == "lines":
            parts = [labels, scores, text] if self._with_scores else [labels, text]
            self._file.write("\t".join(parts) + "\n")
        elif self._format == "csv":
            kept = [cells.get(column, "") for column in self._columns]
            self._csv.writerow([*kept, labels, scores] if self._with_scores else [*kept, labels])
        else:
            answer: dict[str, Any] = {"predicted": list(prediction.labels)}
            if self._with_scores:
                answer["scores"] = {label: round(score, 6) for label, score in prediction.scores}
            self._file.write(json.dumps(cells | answer, ensure_ascii=False) + "\n")


@contextmanager
def result_file(out: Path | None, result_format: str) -> Iterator[IO[str]]:
    """The file for results: stdout, or `out`, which appears whole when the block ends well."""
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    # Excel takes a CSV for UTF-8 only when it begins with a byte order mark.
    encoding = "utf-8-sig" if result_format == "csv" else "utf-8"
    with atomic_file(out) as temporary, temporary.open("w", encoding=encoding, newline="") as file:
        yield file

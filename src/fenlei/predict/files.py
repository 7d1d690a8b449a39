"""A file of texts -> a labelled file of any length, in flat memory; goes on where a killed run stopped.

The result grows in `OUT.part`, beside it `OUT.part.json` says how many rows of which job are safely in it.
Blocks of rows always begin at the same row, so that an interrupted and an uninterrupted run give the same bytes.
"""

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from fenlei.atomic import alone_at, write_text
from fenlei.errors import FenleiError, SettingsError
from fenlei.journal import Journal
from fenlei.predict.classifier import Classifier
from fenlei.predict.results import STREAMED, RowFormat, check_rows, finish
from fenlei.text.unlabelled import TextSource

# Rows in memory at once: enough to sort by length, little beside the network.
_BLOCK = 2048


def predict_file(
    classifier: Classifier,
    texts: TextSource,
    out: Path,
    *,
    result_format: str,
    top_k: int | None = None,
    journal: Journal | None = None,
) -> int:
    """Label every row of `texts` and write the result to `out`, which appears when it is whole.

    Args:
        classifier: gives the labels.
        texts: the rows.
        out: the result; `out.part` beside it while it grows.
        result_format: one of `fenlei.predict.results.FORMATS`.
        top_k: how many scores a row gets; None: no scores.
        journal: told of the progress.

    Returns:
        How many rows had been labelled by an earlier, interrupted run of the same job.

    Raises:
        DataError: a bad row that is not to be skipped, or something the format cannot hold; what was
            labelled so far stays in `out.part`.
        SettingsError: the input already has a column that would be added, or `out` cannot be replaced.
        FenleiError: the result cannot be put in its place and stays in `out.part`, or another process makes it.
    """
    journal = journal or Journal()
    # What would fail at the end is checked before the work.
    _require_replaceable(out, texts)
    rows_format = _row_format(classifier, texts, result_format, top_k)
    total = texts.count()
    check_rows(result_format, total)
    job = {
        "input": texts.fingerprint(),
        "bundle": classifier.fingerprint(),
        "format": result_format,
        "top_k": top_k,
        "block": _BLOCK,
    }
    # Excel takes a CSV for UTF-8 only when it begins with a byte order mark.
    mark = "\ufeff" if result_format == "csv" else ""
    with alone_at(out):
        part = _Part(out.with_name(f"{out.name}.part"), job, mark + rows_format.header())
        with part:
            journal.begin("predict", total)
            journal.advance(part.rows, resumed=True)
            done_before = part.rows
            for lines, rows in _labelled(classifier, texts, rows_format, top_k, part.rows, journal):
                part.append(lines, rows)
            journal.end()
        try:
            finish(result_format, part.path, out, texts)
        except OSError as error:
            raise FenleiError(
                f"all rows are labelled, but {out} cannot be written: {error.strerror or error}",
                hint=f"mend that and give the same command again: the rows are kept in {part.path}",
            ) from error
        part.forget()
    return done_before


def predict_to_stream(
    classifier: Classifier,
    texts: TextSource,
    stream: IO[str],
    *,
    result_format: str,
    top_k: int | None = None,
    journal: Journal | None = None,
) -> None:
    """Label every row of `texts` and write the result to an open text stream; arguments as for `predict_file`.

    Raises:
        DataError: a bad row that is not to be skipped.
        SettingsError: the input already has a column that would be added.
        ValueError: the format cannot be streamed.
    """
    if result_format not in STREAMED:
        raise ValueError(f"{result_format} cannot be streamed")
    journal = journal or Journal()
    rows_format = _row_format(classifier, texts, result_format, top_k)
    journal.begin("predict", texts.count())
    stream.write(rows_format.header())
    for lines, _ in _labelled(classifier, texts, rows_format, top_k, 0, journal):
        stream.write(lines)
    stream.flush()
    journal.end()


def _require_replaceable(out: Path, texts: TextSource) -> None:
    if out.exists() and texts.path is not None and out.samefile(texts.path):
        raise SettingsError(f"--out is {out}, the file that is read", hint="name another file")
    if out.is_dir():
        raise SettingsError(f"--out is {out}, which is a folder; a result is a file", hint="name a file in it")
    if out.exists():
        try:
            # Windows lets nobody write to, nor replace, a file that Excel has open.
            out.open("r+b").close()
        except OSError as error:
            raise SettingsError(
                f"{out} cannot be replaced: {error.strerror or error}",
                hint="close it in other programs, or name another --out",
            ) from error


def _row_format(classifier: Classifier, texts: TextSource, result_format: str, top_k: int | None) -> RowFormat:
    return RowFormat(
        result_format,
        texts.columns,
        with_scores=top_k is not None,
        with_person=classifier.decision.person_below > 0,
        with_windows=classifier.reads_windows,
    )


def _labelled(
    classifier: Classifier, texts: TextSource, rows_format: RowFormat, top_k: int | None, skip: int, journal: Journal
) -> Iterator[tuple[str, int]]:
    """The rows after the first `skip`, block by block, as text with their number."""
    rows = islice(iter(texts), skip, None)
    while block := list(islice(rows, _BLOCK)):
        # Without scores in the result none are sorted and named: with ten thousand labels that would be the work.
        predictions = classifier.predict([row.text for row in block], top_k=top_k or 0, advance=journal.advance)
        lines = (
            rows_format.row(row.cells, row.text, prediction) for row, prediction in zip(block, predictions, strict=True)
        )
        yield "".join(lines), len(block)


class _Part:
    """A growing file, and how many rows of which job are safely in it.

    Args:
        path: the growing file; its state lies in `path.json`.
        job: what the rows depend on, as JSON; the part of another job is begun anew.
        beginning: what stands before the first row.

    Attributes:
        rows: how many are in it.
    """

    def __init__(self, path: Path, job: dict[str, Any], beginning: str) -> None:
        self.path = path
        self._state_path = path.with_name(f"{path.name}.json")
        self._job: dict[str, Any] = json.loads(json.dumps(job))
        self._beginning = beginning.encode(errors="backslashreplace")
        self.rows, self._bytes = self._found()

    def __enter__(self) -> "_Part":
        if not self._bytes:
            # The state of another job would be believed of these rows, should both be of one length.
            self._state_path.unlink(missing_ok=True)
        self._file = self.path.open("r+b" if self._bytes else "wb")
        # What was written after the last state may be half a row.
        self._file.truncate(self._bytes)
        self._file.seek(self._bytes)
        if not self._bytes:
            self._write(self._beginning)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, lines: str, rows: int) -> None:
        """Add rows; when this returns they survive a kill."""
        # Half a surrogate pair in a cell that is no text becomes an escape, which JSON reads back.
        self._write(lines.encode(errors="backslashreplace"))
        self.rows += rows
        self._save_state()

    def forget(self) -> None:
        """Delete the part: the result is whole."""
        self.path.unlink(missing_ok=True)
        self._state_path.unlink(missing_ok=True)

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._bytes += len(content)

    def _save_state(self) -> None:
        state = {"job": self._job, "rows": self.rows, "bytes": self._bytes}
        write_text(self._state_path, json.dumps(state, ensure_ascii=False))

    def _found(self) -> tuple[int, int]:
        try:
            state = json.loads(self._state_path.read_text(encoding="utf-8"))
            if state["job"] == self._job and self.path.stat().st_size >= state["bytes"]:
                return int(state["rows"]), int(state["bytes"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no part, or none that can be trusted: begin anew
        return 0, 0

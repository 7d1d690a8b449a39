"""The data, and what people corrected in a sheet, in Label Studio or in doccano -> the corrected data.

A correction is for one id and one text: where either does not fit, nothing is applied.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fenlei.clean.suspect_files import CORRECTED, ID, sheet_text
from fenlei.errors import DataError
from fenlei.text.cells import NO_LABEL, SEPARATORS, pieces_of
from fenlei.text.example import Example, canonical_text, readable_text
from fenlei.text.formats.json_records import LABELS, NOT_ANNOTATED
from fenlei.text.labels import LabelSet, Task, nearest_told
from fenlei.text.repair import Change
from fenlei.text.rows import Row
from fenlei.text.sources import open_rows

_SHOWN = 5
_SHOWN_CHARACTERS = 40

_CHANGED_SINCE = "the data are not those that the list was made of: give those, or make a new list with `fenlei clean`"


@dataclass(frozen=True)
class Corrected:
    """The data with the corrections.

    Attributes:
        examples: all of them, in order.
        changes: what became of whose labels.
        confirmed: how many rows a person left as they were.
        open: how many rows of the list nobody has answered.
    """

    examples: tuple[Example, ...]
    changes: tuple[Change, ...]
    confirmed: int
    open: int


class _RefusedError(Exception):
    """A correction that cannot be applied, with the next step."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


def apply_corrections(
    examples: Sequence[Example],
    path: Path,
    task: Task,
    *,
    new_labels: bool = False,
) -> Corrected:
    """Put the answers in `path` into the data.

    Args:
        examples: the labelled rows that the list was made of.
        path: the filled-in sheet (CSV or xlsx), or an export of Label Studio or doccano.
        task: `multiclass`: an answer is exactly one label.
        new_labels: whether an answer may be a label that no row has.

    Raises:
        DataError: an answer fits no row, or not its text, or names an unknown label; nothing is applied then. Or
            there is no answer at all.
    """
    reader = _Answers(examples, task, new_labels)
    answers: dict[str, tuple[str, ...]] = {}
    problems: list[tuple[str, str]] = []
    open_rows_of_list = 0
    for row in open_rows(path):
        try:
            found = reader.read(row)
            if found is None:
                open_rows_of_list += 1
                continue
            id, labels = found
            if set(answers.setdefault(id, labels)) != set(labels):
                reason = f"row {id} is corrected twice, to {_shown(answers[id])} and to {_shown(labels)}"
                raise _RefusedError(reason, "leave one of the two")
        except _RefusedError as refused:
            problems.append((f"{path}, line {row.number}: {refused}", refused.hint))
    if problems:
        shown = "\n".join(f"  {problem}" for problem, _ in problems[:_SHOWN])
        more = f"\n  and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
        raise DataError(
            f"nothing was corrected, since {len(problems):,} answers cannot be used:\n{shown}{more}",
            hint=problems[0][1],
        )
    if not answers:
        raise DataError(
            f"{path} has no answers: all of its {open_rows_of_list:,} rows are still open",
            hint=f"fill in the column {CORRECTED!r} of the sheet, or annotate before exporting",
        )
    return _applied(examples, answers, open_rows_of_list)


def _applied(examples: Sequence[Example], answers: Mapping[str, tuple[str, ...]], still_open: int) -> Corrected:
    corrected, changes = [], []
    for example in examples:
        given, answer = example.labels or (), answers.get(example.id)
        if answer is not None and set(answer) != set(given):
            # Tools sort: what stays, stays in its place.
            labels = tuple(dict.fromkeys([*(label for label in given if label in answer), *answer]))
            changes.append(Change(example.id, "labels corrected", "|".join(given), "|".join(labels)))
            example = replace(example, labels=labels)
        corrected.append(example)
    return Corrected(tuple(corrected), tuple(changes), len(answers) - len(changes), still_open)


class _Answers:
    """Rows of a corrected file -> ids and labels."""

    def __init__(self, examples: Sequence[Example], task: Task, new_labels: bool) -> None:
        self._examples = {example.id: example for example in examples}
        self._names = LabelSet.from_examples(examples).names
        self._known = frozenset(self._names)
        self._task, self._new_labels = task, new_labels

    def read(self, row: Row) -> tuple[str, tuple[str, ...]] | None:
        """Id and labels; None: nobody has answered.

        Raises:
            _RefusedError: the answer cannot be used.
        """
        if row.problem == NOT_ANNOTATED:
            return None
        if row.problem:
            raise _RefusedError(row.problem, "settle it there, and export or save again")
        cells = {**(row.cells["meta"] if isinstance(row.cells.get("meta"), dict) else {}), **row.cells}
        if CORRECTED in cells:
            id, answer = cells.get("id"), cells[CORRECTED]
        elif ID in cells:
            id, answer = cells[ID], cells.get(LABELS, cells.get("label"))
        else:
            raise _RefusedError(
                f"it has neither a column {CORRECTED!r} nor a field {ID!r}",
                "give the filled-in sheet, or a JSON or JSONL export of Label Studio or doccano",
            )
        # In a cell, nothing is no answer; in a list it is the answer that no label fits.
        if answer is None or (isinstance(answer, str) and not answer.strip()):
            return None
        example = self._example(str(id), cells.get("text", cells.get("data")))
        return example.id, self._labels(answer, example.id)

    def _example(self, id: str, text: Any) -> Example:
        example = self._examples.get(id)
        if example is None:
            hint = f"{_CHANGED_SINCE}; a CSV saved by Excel may have changed ids such as 007 or 1-2: use the xlsx"
            raise _RefusedError(f"the data have no row {id!r}", hint)
        own = readable_text(example.text)
        if canonical_text(str(text)) not in (canonical_text(own), canonical_text(sheet_text(own))):
            reason = (
                f"row {id} has another text in the data: {own[:_SHOWN_CHARACTERS]!r}, "
                f"and here {str(text)[:_SHOWN_CHARACTERS]!r}"
            )
            raise _RefusedError(reason, _CHANGED_SINCE)
        return example

    def _labels(self, answer: Any, id: str) -> tuple[str, ...]:
        names = list(dict.fromkeys(name.strip() for name in self._pieces(answer)))
        unknown = [name for name in names if name not in self._known]
        if unknown and not self._new_labels:
            reason = f"no row of the data has the label {unknown[0]!r}{nearest_told(unknown[0], self._names)}"
            raise _RefusedError(reason, "mend the answer, or allow new labels with --new-labels")
        if self._task == "multiclass" and len(names) != 1:
            reason = f"{len(names)} labels for row {id}; a multiclass task has exactly one a row"
            raise _RefusedError(reason, "give one label, or name --task multilabel")
        return tuple(names)

    def _pieces(self, answer: Any) -> list[str]:
        """The label names in an answer, whatever they are joined with."""
        if isinstance(answer, str) and answer.strip().startswith(("[", '{"')) and answer.strip() not in self._known:
            # Otherwise a name that begins like JSON.
            with suppress(ValueError, RecursionError):
                answer = json.loads(answer)
        if isinstance(answer, dict):
            answer = answer.get("choices")
        if isinstance(answer, list) and all(isinstance(name, str) for name in answer):
            return answer
        if not isinstance(answer, str):
            raise _RefusedError(f"labels are neither a string nor a list of strings: {answer!r}", "mend the answer")
        cell = answer.strip()
        if cell in self._known:
            return [cell]
        if cell.lower() in NO_LABEL:
            return []
        splits = [pieces_of(cell, (sign,)) for sign in SEPARATORS if sign in cell]
        if not splits:
            return [cell]
        # The separator that leaves the fewest unknown pieces is meant, so that an error names the one mistyped.
        best = min(splits, key=lambda pieces: sum(piece not in self._known for piece in pieces) / max(1, len(pieces)))
        # Of a class that is new, the sign is part of the name.
        return [cell] if self._task == "multiclass" and self._known.isdisjoint(best) else best


def _shown(labels: Sequence[str]) -> str:
    return "|".join(labels) or "no label"

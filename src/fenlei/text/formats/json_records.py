"""JSON lines and JSON arrays; the exports of doccano and Label Studio become plain records.

Formats: https://labelstud.io/guide/export and https://github.com/doccano/doccano (both as of 2026).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fenlei.errors import DataError
from fenlei.text.encoding import open_text, reported
from fenlei.text.rows import Row, RowSource, identity_of

LABELS = "labels"
"""The column that an annotation tool's answers go to."""

NOT_ANNOTATED = "nobody has annotated it"
"""The problem of a task that was exported without an annotation."""


def open_json(path: Path, encoding: str) -> RowSource:
    """The records of a JSON-lines file, or of a file with one JSON array.

    The columns are those of all records, in the order in which they occur: the file is read once for their names.

    Raises:
        DataError: an array that is no valid JSON.
    """
    columns = dict.fromkeys(name for row in _rows(path, encoding) if row.problem is None for name in row.cells)
    if not columns and (first := next(_rows(path, encoding), None)):
        raise DataError(
            f"{path}, line {first.number}: {first.problem}, and no other row has any field",
            hint="it takes an array of objects, [{…}, {…}], or an object a line",
        )
    kind = "json" if path.suffix.lower() == ".json" else "jsonl"
    return RowSource(str(path), kind, encoding, tuple(columns), lambda: _rows(path, encoding), identity_of(path))


def _rows(path: Path, encoding: str) -> Iterator[Row]:
    """An array is held in memory and its records are numbered."""
    with reported(str(path), encoding), open_text(path, encoding) as file:
        if _begins_with(file, "["):
            try:
                records = json.load(file)
            except UnicodeDecodeError:
                raise  # told with its place by `reported`
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path} is no valid JSON: {_reason(error)}") from error
            yield from (_row(number, record) for number, record in enumerate(records, 1))
            return
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield _row(number, json.loads(line))
            except (ValueError, RecursionError) as error:
                yield Row(number, {"": line.strip()[:80]}, f"broken JSON: {_reason(error)}")


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    return "nested too deeply" if isinstance(error, RecursionError) else "a number of thousands of digits"


def _row(number: int, record: Any) -> Row:
    if not isinstance(record, dict):
        return Row(number, {"": str(record)[:80]}, "not a JSON object")
    if isinstance(record.get("data"), dict):
        return _label_studio(number, record)
    if "text" in record and isinstance(record.get("annotations"), list):
        return _early_doccano(number, record)
    return Row(number, record)


def _label_studio(number: int, task: dict[str, Any]) -> Row:
    """A task with its annotations: the one marked as ground truth, otherwise what all annotators agree on."""
    cells = {**task["data"], **({"id": task["id"]} if "id" in task else {})}
    annotations = task.get("annotations", task.get("completions"))
    if annotations is None:
        return Row(number, cells)
    try:
        done = [one for one in annotations if isinstance(one, dict) and not one.get("was_cancelled")]
        done = [one for one in done if one.get("ground_truth")] or done
        answers = {tuple(sorted(_choices(one))) for one in done}
    except (TypeError, AttributeError):
        return Row(number, cells, "its annotations are none as Label Studio writes them")
    if not answers:
        return Row(number, cells, NOT_ANNOTATED)
    if len(answers) > 1:
        shown = " / ".join("|".join(answer) or "no label" for answer in sorted(answers))
        return Row(number, cells, f"its annotators disagree ({shown})")
    return Row(number, {**cells, LABELS: list(answers.pop())})


def _choices(annotation: dict[str, Any]) -> list[str]:
    results = [one.get("value", {}) for one in annotation.get("result", ()) if isinstance(one, dict)]
    return [
        # A taxonomy's choice is the path from its root.
        "/".join(choice) if isinstance(choice, list) else str(choice)
        for value in results
        for choice in (*value.get("choices", ()), *value.get("taxonomy", ()))
    ]


def _early_doccano(number: int, record: dict[str, Any]) -> Row:
    """Before its 1.0, doccano listed one annotation a label and annotator; the same label twice is one label."""
    labels = [str(one["label"]) for one in record["annotations"] if isinstance(one, dict) and "label" in one]
    return Row(number, {**record, LABELS: list(dict.fromkeys(labels))})


def _begins_with(file: IO[str], sign: str) -> bool:
    first = file.read(1)
    while first.isspace():
        first = file.read(1)
    file.seek(0)
    return first == sign

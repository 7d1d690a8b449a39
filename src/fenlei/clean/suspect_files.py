"""Suspects -> the files that people work in: a sheet for Excel, and tasks for Label Studio and doccano.

Formats: https://labelstud.io/guide/predictions and https://doccano.github.io/doccano/ (both as of 2026).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from fenlei.atomic import atomic_folder, is_occupied, write_text
from fenlei.clean.suspects import Findings, Suspect
from fenlei.csv_text import csv_text, write_csv
from fenlei.errors import DataError
from fenlei.text.cells import SEPARATORS
from fenlei.text.labels import Task

CORRECTED = "corrected"
"""The column of the sheet that people fill in."""

ID = "fenlei_id"
"""The field of the tools' files that holds a row's id; `id` is the tools' own."""

_COLUMNS = ("rank", "id", "kind", "text", "labels", "suspected", "suggested", "score", "same_as", CORRECTED)
_WIDTHS = (6, 12, 22, 70, 18, 18, 18, 8, 24, 18)

# Excel's cells hold 32,767 UTF-16 units; a text of emoji takes two a character.
_LONGEST_CELL = 16_000

# Of the rows that a text agrees with and whose labels differ.
_SHOWN_OTHERS = 5


def require_new(folder: Path) -> None:
    """Check that a list may be written to `folder`.

    Raises:
        DataError: something is there already, which may hold somebody's corrections.
    """
    if is_occupied(folder):
        raise DataError(f"{folder} exists and may hold corrections", hint="name another --out")


def write_suspects(folder: Path, findings: Findings, task: Task) -> None:
    """Write the list into a new `folder`, whole or not at all; raises as `require_new` does."""
    require_new(folder)
    with atomic_folder(folder) as temporary:
        rows = _sheet_rows(findings)
        write_csv(temporary / "suspects.csv", csv_text([_COLUMNS, *rows]))
        _write_workbook(temporary / "suspects.xlsx", rows, findings.labels, task)
        tasks = [_label_studio_task(suspect) for suspect in findings.suspects]
        write_text(temporary / "label_studio.json", json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
        write_text(temporary / "label_studio.xml", _label_studio_config(findings.labels, task))
        lines = [json.dumps(_doccano_record(suspect), ensure_ascii=False) + "\n" for suspect in findings.suspects]
        write_text(temporary / "doccano.jsonl", "".join(lines))
        summary = json.dumps({"task": task, **findings.to_dict()}, ensure_ascii=False, indent=2)
        write_text(temporary / "clean.json", summary + "\n")


def sheet_text(text: str) -> str:
    """A text as the sheet shows it: without control characters, cut where a cell of Excel would be full."""
    return "".join(char for char in text if char >= " " or char in "\n\t")[:_LONGEST_CELL]


def _sheet_rows(findings: Findings) -> list[tuple[Any, ...]]:
    names = "".join(findings.labels)
    separator = next((sign for sign in SEPARATORS if sign not in names), None)

    def joined(labels: Sequence[str]) -> str:
        if separator is None:
            return json.dumps(labels, ensure_ascii=False) if labels else ""
        return separator.join(labels)

    return [
        (
            one.rank,
            one.id,
            "+".join(one.kinds),
            sheet_text(one.text),
            joined(one.labels),
            joined(one.wrong),
            joined(one.suggested),
            "" if one.score is None else round(one.score, 4),
            _others(one, joined),
            "",
        )
        for one in findings.suspects
    ]


def _others(suspect: Suspect, joined: Any) -> str:
    shown = "; ".join(f"{id}: {joined(labels)}" for id, labels in suspect.others[:_SHOWN_OTHERS])
    return shown + ("; …" if len(suspect.others) > _SHOWN_OTHERS else "")


def _write_workbook(path: Path, rows: Sequence[tuple[Any, ...]], labels: Sequence[str], task: Task) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(path) as book:
        sheet, names = book.add_worksheet("suspects"), book.add_worksheet("labels")
        bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
        # As text, so that Excel makes no date of an answer.
        as_text = book.add_format({"num_format": "@", "valign": "top", "bg_color": "#FFF2CC"})
        for column, (name, width) in enumerate(zip(_COLUMNS, _WIDTHS, strict=True)):
            sheet.write_string(0, column, name, bold)
            sheet.set_column(column, column, width, as_text if name == CORRECTED else wrapped)
        sheet.freeze_panes(1, 2)
        for number, cells in enumerate(rows, 1):
            for column, cell in enumerate(cells):
                if isinstance(cell, str):
                    # Never as a formula or a link, whatever a text begins with.
                    sheet.write_string(number, column, cell, as_text if column == len(cells) - 1 else wrapped)
                else:
                    sheet.write_number(number, column, cell, wrapped)
        names.write_string(0, 0, "label", bold)
        for number, name in enumerate(labels, 1):
            names.write_string(number, 0, name)
        if task == "multiclass" and rows and labels:
            choices = {"validate": "list", "source": f"=labels!$A$2:$A${len(labels) + 1}"}
            # Other names are refused or allowed when the sheet is read back.
            sheet.data_validation(1, len(_COLUMNS) - 1, len(rows), len(_COLUMNS) - 1, choices | {"show_error": False})


def _notes(suspect: Suspect) -> dict[str, Any]:
    return {
        "rank": suspect.rank,
        "kind": "+".join(suspect.kinds),
        "given": "|".join(suspect.labels),
        "suspected": "|".join(suspect.wrong),
        "suggested": "|".join(suspect.suggested),
        "score": None if suspect.score is None else round(suspect.score, 4),
        "same_as": _others(suspect, "|".join),
    }


def _label_studio_task(suspect: Suspect) -> dict[str, Any]:
    """The given labels are the pre-annotation: to submit it unchanged is to confirm them."""
    choices = {
        "from_name": "labels",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": list(suspect.labels)},
    }
    notes = {name: "" if value is None else value for name, value in _notes(suspect).items()}
    return {
        "data": {ID: suspect.id, "text": suspect.text, **notes},
        "predictions": [{"model_version": "given labels", "result": [choices] if suspect.labels else []}],
    }


def _label_studio_config(labels: Sequence[str], task: Task) -> str:
    choice = "single" if task == "multiclass" else "multiple"
    lines = [
        "<View>",
        '  <Header value="$kind: $suspected → $suggested"/>',
        '  <Text name="text" value="$text"/>',
        f'  <Choices name="labels" toName="text" choice="{choice}">',
        *(f"    <Choice value={quoteattr(label)}/>" for label in labels),
        "  </Choices>",
        "</View>",
    ]
    return "\n".join(lines) + "\n"


def _doccano_record(suspect: Suspect) -> dict[str, Any]:
    return {"text": suspect.text, "label": list(suspect.labels), ID: suspect.id, **_notes(suspect)}

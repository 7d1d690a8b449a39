"""What the commands share: read labelled files and tell people what was found in them."""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from fenlei.predict.classifier import Classifier
    from fenlei.text.example import Example
    from fenlei.text.labels import Task
    from fenlei.text.read import Table
    from fenlei.text.reader import BadRow, ReadOptions


def options_like_training(
    classifier: "Classifier", *, text_column: Sequence[str] | None = None, pair: bool = False, **options: Any
) -> "ReadOptions":
    """Reading options for a file that the classifier is to judge: columns as in training unless named.

    Several text columns must be there; of one, and of the labels, the file may have another name. One named column is
    no pair, also where the bundle takes them.
    """
    from fenlei.text.reader import ReadOptions

    trained = classifier.text_columns
    columns = text_column or (trained if len(trained) > 1 else ())
    return ReadOptions(
        text_column=columns,
        pair=pair or (classifier.takes_pairs and len(columns) > 1),
        trained_text=trained,
        trained_labels=classifier.label_columns,
        **options,
    )


def require_apart(out: Path, data: Sequence[str | Path]) -> None:
    """Refuse an output that would be read as a class the next time.

    Raises:
        SettingsError: it lies in a folder of classes that is read.
    """
    from fenlei.errors import SettingsError

    for folder in map(Path, data):
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise SettingsError(
                f"--out {out} lies in {folder}, whose folders are read as classes", hint="name a folder elsewhere"
            )


def read_labelled(
    paths: Sequence[str | Path],
    options: "ReadOptions",
    console: "Console",
    *,
    task: "Task | None" = None,
    known: Collection[str] = (),
) -> tuple["Example", ...]:
    """The examples of the files; says how they were read and which rows were skipped.

    `known` are the labels of the classifier that the rows are for, if there is one.
    """
    return read_labelled_parts({"": paths}, options, console, task=task, known=known)[""]


def read_labelled_parts(
    parts: Mapping[str, Sequence[str | Path]],
    options: "ReadOptions",
    console: "Console",
    *,
    task: "Task | None" = None,
    known: Collection[str] = (),
) -> dict[str, tuple["Example", ...]]:
    """The same for several parts, whose labels are read alike."""
    from fenlei.text.read import read_parts

    tables = read_parts(parts, options, task=task, known=known)
    for table in tables.values():
        for note in table.notes:
            say(console, f"read       {note}")
        say_skipped(console, table.skipped)
    return {name: table.examples for name, table in tables.items()}


def read_files(
    paths: Sequence[str], options: "ReadOptions", console: "Console", *, task: "Task | None" = None
) -> dict[str, "Table"]:
    """Each file (those that a pattern fits, one by one) as a part of its own, under a short name."""
    from fenlei.text.read import read_parts
    from fenlei.text.sources import find_files, part_names

    files = find_files(paths)
    tables = read_parts(dict(zip(part_names(files), files, strict=True)), options, task=task)
    for table in tables.values():
        say(console, f"read       {table.notes[0]}")
    return tables


def say_audit(parts: "Mapping[str, Sequence[Example]]", task: "Task | None", console: "Console") -> None:
    """What `fenlei check` would find in the parts, apart from near duplicates and leaks, which training handles."""
    from fenlei.text.audit import audit_examples

    for finding in audit_examples(parts, task=task, near=False).findings:
        if finding.kind != "shared_texts":
            say(console, f"{finding.severity:<10} {finding.message}")


def say_skipped(console: "Console", rows: Sequence["BadRow"]) -> None:
    """The bad rows that were left out: the first ten, and how many more."""
    for row in rows[:10]:
        say(console, f"skipped    {row}")
    if len(rows) > 10:
        say(console, f"skipped    and {len(rows) - 10:,} more rows")


def stdout_for_data() -> TextIO:
    """Stdout for what programs read: UTF-8 whatever the locale's encoding is, unless a person sees it."""
    if not sys.stdout.isatty() and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    return sys.stdout


def json_text(plain: Any) -> str:
    """Plain JSON values as they are written and printed."""
    return json.dumps(plain, ensure_ascii=False, indent=2) + "\n"


def print_data(text: str) -> None:
    """Print what programs read."""
    stdout_for_data().write(text)


def say(console: "Console", message: str) -> None:
    """A line for people, as it is: no colours, no wrapping."""
    console.print(message, highlight=False, markup=False, soft_wrap=True)

"""What `train` and `evaluate` share: read labelled files and tell people what was found in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from fenlei.text.example import Example
    from fenlei.text.labels import Task
    from fenlei.text.read import BadRow, ReadOptions


def read_labelled(
    paths: Sequence[Path], options: "ReadOptions", console: "Console", *, task: "Task | None" = None
) -> tuple["Example", ...]:
    """The examples of the files; says how they were read and which rows were skipped."""
    from fenlei.text.read import read_examples

    table = read_examples(paths, options, task=task)
    for note in table.notes:
        say(console, f"read       {note}")
    say_skipped(console, table.skipped)
    return table.examples


def say_skipped(console: "Console", rows: Sequence["BadRow"]) -> None:
    """The bad rows that were left out: the first ten, and how many more."""
    for row in rows[:10]:
        say(console, f"skipped    {row}")
    if len(rows) > 10:
        say(console, f"skipped    and {len(rows) - 10:,} more rows")


def say(console: "Console", message: str) -> None:
    """A line for people, as it is: no colours, no wrapping."""
    console.print(message, highlight=False, markup=False, soft_wrap=True)

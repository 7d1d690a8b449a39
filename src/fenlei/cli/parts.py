"""The parts that `fenlei train` learns from and is judged on: leaks out, missing ones cut, those cut written."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from fenlei.counted import counted
from fenlei.csv_text import write_csv
from fenlei.errors import DataError
from fenlei.text.example import Example

if TYPE_CHECKING:
    from rich.console import Console

    from fenlei.train.config import TrainSettings

Parts = dict[str, tuple[Example, ...]]

LEAKS = ("drop", "keep", "error")


def missing_parts(parts: Parts, settings: "TrainSettings") -> Parts:
    """Cut a missing dev part from the training rows, with it a missing test part; never a dev part from test."""
    from fenlei.text.split import split_examples

    if "dev" in parts:
        return {}
    ratios = {"train": 0.9, "dev": 0.1} if "test" in parts else {"train": 0.8, "dev": 0.1, "test": 0.1}
    return split_examples(parts["train"], settings.task, ratios=ratios, seed=settings.seed)


def require_fitting(parts: Parts, settings: "TrainSettings") -> None:
    """Refuse a dev or test part that the classifier could not be measured on.

    Raises:
        DataError: it has no rows, a label that the training rows lack, or rows of another task.
    """
    from fenlei.text.labels import LabelSet, settle_task

    task, labels = settings.task or settle_task(parts["train"]), LabelSet.from_examples(parts["train"])
    for name in ("dev", "test"):
        rows = parts.get(name)
        if rows is None:
            continue
        if not rows:
            raise DataError(f"the {name} part has no rows", hint=f"give more rows, or some with --{name}")
        try:
            labels.encode_sparse(rows, task)
        except DataError as error:
            raise DataError(f"the {name} part does not fit: {error}", hint=error.hint) from error


def say_unseen_by_dev(parts: Parts, console: "Console") -> None:
    """Tell which labels no dev row has, or every one: nothing can be fitted to them."""
    from fenlei.cli.reading import say
    from fenlei.text.labels import LabelSet

    counts = Counter(label for row in parts["dev"] for label in row.labels or ())
    labels = LabelSet.from_examples(parts["train"]).names
    for what, found in (
        ("no dev row has", [label for label in labels if not counts[label]]),
        ("every dev row has", [label for label in labels if counts[label] == len(parts["dev"])]),
    ):
        if found:
            shown = ", ".join(found[:10]) + (", …" if len(found) > 10 else "")
            say(
                console,
                f"remark     {what} {len(found):,} of {len(labels):,} labels, and neither calibration nor thresholds "
                f"can be fitted to them: {shown}",
            )


def write_split(folder: Path, cut: Parts, seed: int, console: "Console") -> None:
    """Write the parts that were cut; those of a run that goes on are there, and the same."""
    from fenlei.cli.reading import say
    from fenlei.text.write import write_examples

    for name, rows in cut.items():
        if not (folder / f"{name}.csv").exists():
            write_examples(folder / f"{name}.csv", rows)
    if cut:
        sizes = ", ".join(f"{name} {len(rows):,}" for name, rows in cut.items())
        say(console, f"split      {sizes} rows (seed {seed}), written to {folder}")


def without_leaks(parts: Parts, leaks: str, listed: Path, console: "Console") -> Parts:
    """Take the training rows that also stand in dev or test out of training, and list them in a file.

    Raises:
        DataError: there are some, and they are an error.
    """
    from fenlei.cli.reading import say
    from fenlei.text.leaks import find_leaks, leaks_csv

    listed.unlink(missing_ok=True)
    every = find_leaks(parts)
    found = [leak for leak in every if leak.part == "train"]
    if not every:
        return parts
    write_csv(listed, leaks_csv(every))
    if len(found) < len(every):
        say(
            console,
            f"leaks      {counted(len(every) - len(found), 'dev row stands', 'dev rows stand')} in test too; "
            f"nothing is done about that; listed in {listed}",
        )
    if not found:
        return parts
    exact = sum(leak.exact for leak in found)
    shown = "; ".join(f"row {leak.row} = {leak.other_part} row {leak.other_row}" for leak in found[:5])
    message = (
        f"{counted(len(found), 'training row stands', 'training rows stand')} in dev or test too ({exact:,} exactly), "
        f"listed in {listed}: {shown}{' …' if len(found) > 5 else ''}"
    )
    if leaks == "error":
        raise DataError(message, hint="mend the files, or leave such rows out with --leaks drop")
    if leaks == "keep":
        say(console, f"leaks      {message}; they are kept, so expect scores that are too good")
        return parts
    say(console, f"leaks      {message}; they are left out of training")
    leaked = {leak.row for leak in found}
    return parts | {"train": tuple(row for row in parts["train"] if row.id not in leaked)}

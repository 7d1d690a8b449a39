"""`fenlei split`: labelled files -> parts whose labels are alike and that share no text."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fenlei.cli import options
from fenlei.cli.flags import with_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fenlei.text.example import Example

_SHOWN_LABELS = 100
_RATIOS = "8:1:1"


@with_flags(reading=options.READING)
def split(
    data: Annotated[list[str], typer.Argument(help="Labelled files, patterns, or a folder of classes.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the parts: one CSV each.")],
    ratios: Annotated[
        str, typer.Option(help="Shares of train, dev and test (8:1:1), of train and test (9:1), or named (a=3,b=1).")
    ] = _RATIOS,
    folds: Annotated[int | None, typer.Option(help="K equal parts instead: fold-1.csv to fold-K.csv.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same parts.", min=0)] = 42,
    near: Annotated[
        bool | None,
        typer.Option("--near/--no-near", help="Keep near duplicates together; by default among up to 200,000 rows."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace parts that are there already.")] = False,
    task: Annotated[
        str | None, typer.Option(help="multilabel or multiclass; settled from the data if not given.")
    ] = None,
    *,
    reading: dict[str, Any],
) -> None:
    """Split labelled files: stratified by label, groups and duplicates (exact and near) on one side.

    Prints each label's share of each part.
    """
    from rich.console import Console

    from fenlei.cli.reading import read_labelled, require_apart, say
    from fenlei.errors import DataError, SettingsError
    from fenlei.text.labels import known_task
    from fenlei.text.reader import ReadOptions
    from fenlei.text.sources import find_files
    from fenlei.text.split import fold_ratios, parse_ratios, split_examples
    from fenlei.text.write import write_examples

    if folds is not None and ratios != _RATIOS:
        raise SettingsError("--folds makes equal parts, and --ratios names others", hint="give one of the two")
    shares = fold_ratios(folds) if folds is not None else parse_ratios(ratios)
    settled = known_task(task)
    require_apart(out, data)
    files = {name: out / f"{name}.csv" for name in shares}
    there = [file for file in files.values() if file.exists()]
    given = [path for path in find_files(data) if path.exists()]
    if read := [file for file in there if any(map(file.samefile, given))]:
        raise DataError(f"{read[0]} is read, and would be replaced by a part of itself", hint="name another --out")
    if there and not overwrite:
        raise DataError(f"{there[0]} exists", hint="name another --out, or add --overwrite")
    console = Console(stderr=True)
    read_options = ReadOptions(**reading)
    rows = read_labelled(data, read_options, console, task=settled)
    parts = split_examples(rows, settled, ratios=shares, seed=seed, near=near, first_has_all=folds is None)
    if empty := [name for name, part in parts.items() if not part]:
        raise DataError(
            f"the part {empty[0]} would have none of the {len(rows):,} rows: too few, or their labels too rare",
            hint="give more rows, or fewer parts (--ratios 9:1)",
        )
    for name, part in parts.items():
        write_examples(files[name], part)
        say(console, f"wrote      {files[name]}: {len(part):,} rows")
    if "train" in files:
        others = "".join(f" --{name} {files[name]}" for name in ("dev", "test") if name in files)
        say(console, f"next       fenlei train {files['train']}{others} --out runs/NAME")
    print(balance_text(parts))


def balance_text(parts: "Mapping[str, tuple[Example, ...]]") -> str:
    """Each label's rows, and its share of the rows of each part; also of parts without any label."""
    from fenlei.plain_table import aligned

    of_part = {name: Counter(label for row in part for label in row.labels or ()) for name, part in parts.items()}
    total_of = sum(of_part.values(), Counter[str]())
    labels = sorted(total_of, key=lambda label: (-total_of[label], label))
    sizes = {name: len(part) for name, part in parts.items()}
    table = [["label", "rows", *parts]]
    table.append(["", f"{sum(sizes.values()):,}", *(f"{size:,}" for size in sizes.values())])
    for label in labels[:_SHOWN_LABELS]:
        shares = [f"{of_part[name][label] / max(1, size):.1%}" for name, size in sizes.items()]
        table.append([label, f"{total_of[label]:,}", *shares])
    lines = aligned(table)
    if len(labels) > _SHOWN_LABELS:
        lines.append(f"and {len(labels) - _SHOWN_LABELS:,} rarer labels")
    if not labels:
        return "\n".join([*lines, "", "no row has a label: the parts are cut by chance, duplicates on one side"])
    total = sum(sizes.values())
    distance, label, name = max(
        (abs(of_part[name][label] / max(1, sizes[name]) - total_of[label] / total), label, name)
        for label in labels
        for name in parts
    )
    lines += ["", f"farthest from its share of all rows: {label} in {name}, by {100 * distance:.2f} points"]
    return "\n".join(lines)

"""`fenlei clean`: labelled files -> rows whose labels may be wrong, and people's corrections back into the data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fenlei.cli import options
from fenlei.cli.flags import with_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from fenlei.clean.evidence import Evidence
    from fenlei.predict.classifier import Classifier
    from fenlei.text.example import Example
    from fenlei.text.labels import Task

_FOLDS = 5


@with_flags(reading=options.READING, where=options.RUNTIME)
def clean(
    data: Annotated[list[str], typer.Argument(help="Labelled files, patterns, or a folder of classes.")],
    out: Annotated[Path, typer.Option(help="Folder for the list; with --corrections the CSV for the corrected rows.")],
    corrections: Annotated[
        Path | None,
        typer.Option(help="The filled-in sheet, or an export of Label Studio or doccano: put it into the data."),
    ] = None,
    new_labels: Annotated[
        bool, typer.Option("--new-labels", help="Corrections may name labels that no row has.")
    ] = False,
    bundle: Annotated[
        Path | None, typer.Option(help="Score by this trained classifier the rows that it has not seen.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Without a bundle: score each row by a model of the other folds; by default 5.")
    ] = None,
    most: Annotated[int | None, typer.Option(help="The list has at most so many rows; by default all found.")] = None,
    near: Annotated[
        bool | None,
        typer.Option("--near/--no-near", help="Search near duplicates; by default among up to 200,000 rows."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same folds.", min=0)] = 42,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    task: Annotated[
        str | None, typer.Option(help="multilabel or multiclass; settled from the data if not given.")
    ] = None,
    *,
    reading: dict[str, Any],
    where: dict[str, Any],
) -> None:
    """Find rows whose labels may be wrong, and put corrections back.

    Lists labels that are likely wrong, labels that are likely missing, and equal or nearly equal texts with different
    labels: for Excel, Label Studio and doccano. With --corrections, writes the data with what people answered.
    """
    from rich.console import Console

    from fenlei.clean.suspect_files import require_new
    from fenlei.cli.reading import options_like_training, read_labelled
    from fenlei.errors import SettingsError
    from fenlei.judge.label_errors import issue_finder
    from fenlei.text.labels import known_task, settle_task
    from fenlei.text.reader import ReadOptions

    _refuse_what_does_not_go_together(
        corrections, new_labels=new_labels, bundle=bundle, folds=folds, most=most, near=near, task=task
    )
    if most is not None and most < 1:
        raise SettingsError(f"--most is {most}; it must be 1 or more")
    console, settled = Console(stderr=True), known_task(task)
    if corrections is None:
        # What would fail at the end is checked before the work.
        require_new(out)
        issue_finder()
    classifier = None
    if bundle is not None:
        from fenlei.predict.classifier import Classifier

        classifier = Classifier.load(bundle, **where)
        settled = classifier.task
    read_options = ReadOptions(**reading) if classifier is None else options_like_training(classifier, **reading)
    known = classifier.labels if classifier else ()
    rows = read_labelled(data, read_options, console, task=settled, known=known)
    settled = settled or settle_task(rows)
    if corrections is not None:
        _correct(rows, corrections, settled, data, out, new_labels, console, as_json=as_json)
        return
    evidence = _evidence(rows, settled, classifier, bundle, folds, seed, console)
    _find(rows, evidence, out, near, most, console, as_json=as_json)


def _refuse_what_does_not_go_together(corrections: Path | None, *, new_labels: bool, **of_the_search: Any) -> None:
    from fenlei.errors import SettingsError

    named = [f"--{name}" for name, value in of_the_search.items() if value is not None and name != "task"]
    if corrections is not None and named:
        raise SettingsError(f"{named[0]} is for finding, --corrections for putting back", hint="leave out one of them")
    if corrections is None and new_labels:
        raise SettingsError("--new-labels is for --corrections", hint="leave it out")
    for own in ("folds", "task"):
        if of_the_search["bundle"] is not None and of_the_search[own] is not None:
            raise SettingsError(f"--{own} and --bundle do not go together", hint="leave out one of them")


def _evidence(
    rows: "Sequence[Example]",
    task: "Task",
    classifier: "Classifier | None",
    bundle: Path | None,
    folds: int | None,
    seed: int,
    console: "Console",
) -> "Evidence":
    from fenlei.clean.evidence import evidence_of_bundle, evidence_of_folds
    from fenlei.journal import Journal

    with Journal(console=console) as journal:
        journal.begin("score", len(rows))
        if classifier is None:
            count = _FOLDS if folds is None else folds
            evidence = evidence_of_folds(rows, task, folds=count, seed=seed, advance=journal.advance)
        else:
            evidence = evidence_of_bundle(classifier, rows, name=str(bundle), advance=journal.advance)
        journal.end()
    return evidence


def _find(
    rows: "Sequence[Example]",
    evidence: "Evidence",
    out: Path,
    near: bool | None,
    most: int | None,
    console: "Console",
    *,
    as_json: bool,
) -> None:
    from fenlei.clean.suspect_files import write_suspects
    from fenlei.clean.suspects import find_suspects
    from fenlei.cli.reading import json_text, print_data, say

    findings = find_suspects(rows, evidence, near=near, most=most)
    write_suspects(out, findings, evidence.task)
    if as_json:
        print_data(json_text({"task": evidence.task, **findings.to_dict()}))
    else:
        print(findings.to_text(), end="")
    say(console, f"suspects   {out}: {len(findings.suspects):,} rows; fill in the column `corrected`, then:")
    say(console, f"           fenlei clean DATA --corrections {out / 'suspects.xlsx'} --out corrected.csv")


def _correct(
    rows: "Sequence[Example]",
    corrections: Path,
    task: "Task",
    data: "Sequence[str]",
    out: Path,
    new_labels: bool,
    console: "Console",
    *,
    as_json: bool,
) -> None:
    from fenlei.clean.corrections import apply_corrections
    from fenlei.cli.reading import json_text, print_data, say
    from fenlei.csv_text import write_csv
    from fenlei.errors import DataError, SettingsError
    from fenlei.text.repair import changes_csv
    from fenlei.text.write import write_examples

    log = out.with_name(f"{out.stem}.changes.csv")
    if out.suffix.lower() != ".csv":
        raise SettingsError(
            f"--out is {out}; the corrected rows are written as CSV", hint="name a file such as new.csv"
        )
    for file in (out, log):
        # Which is also how neither the data nor the answers are ever written over.
        if file.exists():
            raise DataError(f"{file} exists", hint="name another --out")
    done = apply_corrections(rows, corrections, task, new_labels=new_labels)
    write_examples(out, done.examples)
    write_csv(log, changes_csv(done.changes))
    if as_json:
        counts = {"rows": len(rows), "changed": len(done.changes), "confirmed": done.confirmed, "open": done.open}
        print_data(json_text(counts))
    else:
        print(
            f"{len(done.changes):,} rows changed, {done.confirmed:,} confirmed as they were, {done.open:,} still open"
        )
    say(console, f"corrected  {out}: {len(done.examples):,} rows; each change is listed in {log}")

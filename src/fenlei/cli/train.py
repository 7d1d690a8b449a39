"""`fenlei train`: labelled files -> a bundle and, where there is a test part, its report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fenlei.atomic import write_text
from fenlei.cli import options
from fenlei.cli.flags import settings_flags, with_flags
from fenlei.errors import DataError, FenleiError, SettingsError
from fenlei.text.example import Example

if TYPE_CHECKING:
    from rich.console import Console

    from fenlei.train.config import TrainSettings

Parts = dict[str, tuple[Example, ...]]

LEAKS = ("drop", "keep", "error")


@with_flags(given=settings_flags(), reading=options.READING, where=options.RUNTIME)
def train(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Labelled files (CSV, TSV, JSON, JSONL, xlsx, Parquet, txt), patterns, or a folder of classes."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the bundle.")],
    dev: Annotated[
        list[Path] | None, typer.Option(help="Labelled rows that choose the epoch and fit the decision.")
    ] = None,
    test: Annotated[list[Path] | None, typer.Option(help="Labelled rows that are scored once, at the end.")] = None,
    recipe: Annotated[
        str, typer.Option(help="Which set of settings the flags below start from: fast, balanced or strong.")
    ] = "balanced",
    given: dict[str, Any],
    seeds: Annotated[
        int, typer.Option(help="Train so many, a seed each from --seed on: mean, spread, and the best on dev.", min=1)
    ] = 1,
    checkpoint_every: Annotated[
        int | None, typer.Option(help="Updates between checkpoints; by the clock, under 3% of the time.", min=1)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run with the same settings stopped.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the bundle at --out.")] = False,
    fingerprints: Annotated[
        bool,
        typer.Option(
            "--fingerprints/--no-fingerprints",
            help="Keep 16-byte hashes of the texts in the bundle: `evaluate` then counts rows that it was made of.",
        ),
    ] = True,
    leaks: Annotated[
        str, typer.Option(help="Training rows that stand in dev or test too, exactly or nearly: drop, keep or error.")
    ] = "drop",
    reading: dict[str, Any],
    where: dict[str, Any],
) -> None:
    """Train a classifier on labelled files and write a bundle.

    Without --test (and --dev) a stratified split is made and written beside the bundle for reuse. With --seeds the
    bundle is the one that was best on dev; the others and seeds.json are kept beside it.
    """
    from rich.console import Console

    from fenlei.bundle import refuse_to_overwrite, report_folder
    from fenlei.cli.evaluate import evaluate_and_write
    from fenlei.cli.reading import read_labelled_parts, say, say_audit
    from fenlei.predict.classifier import Classifier
    from fenlei.runtime import open_runtime
    from fenlei.study.protocol import CIRCUMSTANCES
    from fenlei.study.seeds import train_seeds
    from fenlei.text.read import ReadOptions
    from fenlei.train.checkpoint import can_go_on, delete_checkpoints
    from fenlei.train.journal import Journal
    from fenlei.train.recipes import settings_of

    settings = settings_of(recipe, **given)
    read_options = ReadOptions(**reading)
    # What would fail at the end is checked before the work.
    if leaks not in LEAKS:
        raise SettingsError(f"--leaks is {leaks!r}; accepted are {', '.join(LEAKS)}")
    refuse_to_overwrite(out, overwrite=overwrite)
    run = folder_of_run(out)
    if resume and not (run / "journal.jsonl").exists():
        raise FenleiError(
            f"there is no checkpoint to resume from in {run}: no run has begun there",
            hint="leave out --resume to start from the beginning",
        )
    runtime = open_runtime(**where)
    console = Console(stderr=True)
    if resume and not (can_go_on(run) or (run / "seeds" / CIRCUMSTANCES).exists()):
        say(console, "resumed    from the start: the run had not come to its training yet, or it was done")
        resume = False
    given_files = {"train": data, "dev": dev or [], "test": test or []}
    named = {name: files for name, files in given_files.items() if files}
    parts = read_labelled_parts(named, read_options, console, task=settings.task)
    say_audit(parts, settings.task, console)
    # Leaked rows go before a dev part is cut, so that none gets into dev either.
    parts = _without_leaks(parts, leaks, run / "leaks.csv", console)
    every_file = [path for files in given_files.values() for path in files]
    cut = _missing_parts(parts, settings)
    if cut and (own := _read_from(run / "split", every_file)):
        raise DataError(
            f"{own} lies where the parts would be written", hint="give --dev and --test too, or name another --out"
        )
    parts = parts | cut
    _require_fitting(parts, settings)
    record = {
        "files": {name: [str(path) for path in files] for name, files in given_files.items()},
        "rows": {name: len(rows) for name, rows in parts.items()},
        "text_columns": list(read_options.text_columns),
        "pair": read_options.pair,
    }
    run.mkdir(parents=True, exist_ok=True)
    if not resume:
        _delete_leavings(run, every_file)
    _write_split(run / "split", cut, settings.seed, console)
    way: dict[str, Any] = {
        "settings": settings,
        "runtime": runtime,
        "record": record,
        "checkpoint_every": checkpoint_every,
        "resume": resume,
        "keep_fingerprints": fingerprints,
    }
    with Journal(run / "journal.jsonl", console) as journal:
        if seeds > 1:
            found, classifier = train_seeds(
                parts["train"],
                parts["dev"],
                test_rows=parts.get("test", ()),
                folder=run / "seeds",
                count=seeds,
                journal=journal,
                **way,
            )
            write_text(run / "seeds.json", json.dumps(found.to_dict(), indent=2) + "\n")
            print(found.to_text())
        else:
            classifier = Classifier.train(
                parts["train"], dev=parts["dev"], journal=journal, checkpoint_folder=run, **way
            )
    classifier.save(out, overwrite=overwrite)
    # Not before: where the bundle cannot be written, the run goes on from them.
    delete_checkpoints(run)
    say(console, f"bundle     {out}")
    if "test" in parts:
        evaluate_and_write(classifier, parts["test"], report_folder(out, "test"), console)
    else:
        say(console, "no test part was given: measure with `fenlei evaluate`")


def folder_of_run(out: Path) -> Path:
    """Where a run keeps its journal, its split and its checkpoints: beside the bundle, which holds no text."""
    return out.with_name(f"{out.name}.run")


def _missing_parts(parts: Parts, settings: "TrainSettings") -> Parts:
    """Cut a missing dev part from the training rows, with it a missing test part; never a dev part from test."""
    from fenlei.text.split import split_examples

    if "dev" in parts:
        return {}
    ratios = {"train": 0.9, "dev": 0.1} if "test" in parts else {"train": 0.8, "dev": 0.1, "test": 0.1}
    return split_examples(parts["train"], settings.task, ratios=ratios, seed=settings.seed)


def _require_fitting(parts: Parts, settings: "TrainSettings") -> None:
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


def _read_from(folder: Path, files: list[Path]) -> Path | None:
    """The first of the files that lies in `folder`."""
    return next((file for file in files if file.resolve().is_relative_to(folder.resolve())), None)


def _delete_leavings(run: Path, files: list[Path]) -> None:
    """Delete what an earlier run left in `run`; not its split, where this run reads one of its files there."""
    from fenlei.study.seeds import delete_seeds
    from fenlei.train.checkpoint import delete_checkpoints

    for left_over in (run / "journal.jsonl", run / "seeds.json"):
        left_over.unlink(missing_ok=True)
    delete_checkpoints(run)
    delete_seeds(run / "seeds")
    if not _read_from(run / "split", files):
        for part in ("train", "dev", "test"):
            (run / "split" / f"{part}.csv").unlink(missing_ok=True)


def _write_split(folder: Path, cut: Parts, seed: int, console: "Console") -> None:
    """Write the parts that were cut; those of a run that goes on are there, and the same."""
    from fenlei.cli.reading import say
    from fenlei.text.write import write_examples

    for name, rows in cut.items():
        if not (folder / f"{name}.csv").exists():
            write_examples(folder / f"{name}.csv", rows)
    if cut:
        sizes = ", ".join(f"{name} {len(rows):,}" for name, rows in cut.items())
        say(console, f"split      {sizes} rows (seed {seed}), written to {folder}")


def _without_leaks(parts: Parts, leaks: str, listed: Path, console: "Console") -> Parts:
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
    write_text(listed, leaks_csv(every), encoding="utf-8-sig")
    if len(found) < len(every):
        say(
            console, f"leaks      {len(every) - len(found):,} dev rows stand in test too; they stay, listed in {listed}"
        )
    if not found:
        return parts
    exact = sum(leak.similarity == 1 for leak in found)
    shown = "; ".join(f"row {leak.row} = {leak.other_part} row {leak.other_row}" for leak in found[:5])
    message = (
        f"{len(found):,} training rows stand in dev or test too ({exact:,} exactly, the others nearly), "
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

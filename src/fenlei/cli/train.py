"""`fenlei train`: labelled files -> a bundle and, where there is a test part, its report."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fenlei.atomic import alone_at, write_text
from fenlei.cli import options
from fenlei.cli.flags import settings_flags, with_flags
from fenlei.errors import DataError, FenleiError, SettingsError


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
        int | None, typer.Option(help="Updates between checkpoints; by the clock, about 2% of the time.", min=1)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run with the same settings stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the bundle at --out, and an interrupted run beside it.")
    ] = False,
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
    from fenlei.cli.parts import LEAKS, missing_parts, require_fitting, say_unseen_by_dev, without_leaks, write_split
    from fenlei.cli.reading import read_labelled_parts, require_apart, say, say_audit
    from fenlei.journal import Journal
    from fenlei.predict.classifier import Classifier
    from fenlei.predict.origin import data_files
    from fenlei.runtime import crowded, open_runtime
    from fenlei.study.protocol import CIRCUMSTANCES
    from fenlei.study.seeds import train_seeds
    from fenlei.text.encoding import require_utf8_name
    from fenlei.text.labels import settle_task
    from fenlei.text.reader import ReadOptions
    from fenlei.text.sources import find_files
    from fenlei.train.checkpoint import can_go_on, delete_checkpoints, work_left
    from fenlei.train.recipes import settings_of

    settings = settings_of(recipe, **given)
    read_options = ReadOptions(**reading)
    files = {name: paths for name, paths in (("train", data), ("dev", dev), ("test", test)) if paths}
    every_file = [path for paths in files.values() for path in paths]
    # What would fail at the end is checked before the work.
    if leaks not in LEAKS:
        raise SettingsError(f"--leaks is {leaks!r}; accepted are {', '.join(LEAKS)}")
    refuse_to_overwrite(out, overwrite=overwrite)
    require_apart(out, every_file)
    require_utf8_name(out)
    run = folder_of_run(out)
    _require_free(run, resume=resume, overwrite=overwrite)
    runtime = open_runtime(**where)
    console = Console(stderr=True)
    if "threads" not in where and (remark := crowded(runtime.threads)):
        say(console, f"remark     {remark}")
    if resume and not (can_go_on(run) or (run / "seeds" / CIRCUMSTANCES).exists()):
        say(console, "resumed    from the start: the run had not come to its training yet, or it was done")
        resume = False
    with alone_at(run):
        given_parts = read_labelled_parts(files, read_options, console, task=settings.task)
        say_audit(given_parts, settings.task, console)
        # Leaked rows go before a dev part is cut, so that none gets into dev either.
        given_parts = without_leaks(given_parts, leaks, run / "leaks.csv", console)
        # Of all rows: a part of them may lack the only row with two labels.
        settings = replace(settings, task=settings.task or settle_task(given_parts["train"]))
        cut = missing_parts(given_parts, settings)
        if cut:
            _require_no_file_in(run / "split", every_file)
        parts = given_parts | cut
        require_fitting(parts, settings)
        if dev:
            say_unseen_by_dev(parts, console)
        record = {
            "files": {name: [str(path) for path in files.get(name, ())] for name in ("train", "dev", "test")},
            "rows": {name: len(rows) for name, rows in parts.items()},
            "text_columns": list(read_options.text_columns),
            "label_columns": list(read_options.label_columns),
            "pair": read_options.pair,
        }
        if not resume:
            _delete_leavings(run, every_file)
        run.mkdir(parents=True, exist_ok=True)  # nothing may have been written there
        write_split(run / "split", cut, settings.seed, console)
        way: dict[str, Any] = {
            "settings": settings,
            "runtime": runtime,
            "record": record,
            "checkpoint_every": checkpoint_every,
            "resume": resume,
            "keep_fingerprints": fingerprints,
        }
        try:
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
        except KeyboardInterrupt:
            if work_left(run):
                say(console, "interrupted: the same command with --resume goes on from the last checkpoint")
            raise
        classifier.save(out, overwrite=overwrite)
        # Not before: where the bundle cannot be written, the run goes on from them.
        delete_checkpoints(run)
    say(console, f"bundle     {out}")
    if "test" in parts:
        judged_on = find_files(test) if test else [run / "split" / "test.csv"]
        evaluate_and_write(classifier, parts["test"], report_folder(out, "test"), console, data=data_files(judged_on))
    else:
        say(console, "no test part was given: measure with `fenlei evaluate`")


def folder_of_run(out: Path) -> Path:
    """Where a run keeps its journal, its split and its checkpoints: beside the bundle, which holds no text."""
    if not out.name:
        raise SettingsError(f"--out is {str(out)!r}, a folder that has no name of its own", hint="name a folder in it")
    return out.with_name(f"{out.name}.run")


def _require_free(run: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to go on with what has not begun, and to throw away what could go on."""
    from fenlei.train.checkpoint import work_left

    if resume and not (run / "journal.jsonl").exists():
        raise FenleiError(
            f"there is no checkpoint to resume from in {run}: no run has begun there",
            hint="leave out --resume to start from the beginning",
        )
    if not (resume or overwrite) and (left := work_left(run)):
        raise FenleiError(
            f"an interrupted training left {left}",
            hint="go on from there with --resume, or begin anew with --overwrite",
        )


def _require_no_file_in(split: Path, files: list[Path]) -> None:
    if own := _read_from(split, files):
        raise DataError(
            f"{own} lies where the parts would be written", hint="give --dev and --test too, or name another --out"
        )


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

"""`fenlei evaluate`: a bundle and labelled files -> the report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fenlei.cli import options
from fenlei.cli.flags import with_flags

if TYPE_CHECKING:
    from rich.console import Console

    from fenlei.predict.classifier import Classifier
    from fenlei.text.example import Example


@with_flags(reading=options.READING, where=options.RUNTIME)
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder that `fenlei train` wrote.")],
    data: Annotated[list[Path], typer.Argument(help="Labelled files, patterns, or a folder of classes.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; by default BUNDLE/report/<name of the data>.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of text.")] = False,
    *,
    reading: dict[str, Any],
    where: dict[str, Any],
) -> None:
    """Measure a classifier on labelled rows.

    The report goes to stdout; as text, CSV and JSON, with a list of the errors, to a folder.
    """
    from rich.console import Console

    from fenlei.bundle import report_folder
    from fenlei.cli.reading import options_like_training, read_labelled
    from fenlei.predict.classifier import Classifier

    console = Console(stderr=True)
    classifier = Classifier.load(bundle, **where)
    read_options = options_like_training(classifier, **reading)
    rows = read_labelled(data, read_options, console, task=classifier.task)
    evaluate_and_write(classifier, rows, out or report_folder(bundle, data[0].stem), console, as_json=as_json)


def evaluate_and_write(
    classifier: "Classifier",
    rows: tuple["Example", ...],
    folder: Path,
    console: "Console",
    *,
    as_json: bool = False,
) -> None:
    """Evaluate on `rows`, write the report into `folder`, and print it to stdout."""
    from fenlei.atomic import write_text
    from fenlei.cli.reading import say
    from fenlei.judge.error_rows import errors_csv
    from fenlei.train.journal import Journal

    with Journal(console=console) as journal:
        journal.begin("evaluate", len(rows))
        evaluation = classifier.evaluate(rows, advance=journal.advance)
        journal.end()
    report = evaluation.report
    as_text, json_text = report.to_text(), json.dumps(report.to_dict(), ensure_ascii=False, indent=2) + "\n"
    write_text(folder / "report.txt", as_text)
    write_text(folder / "report.json", json_text)
    # Excel takes a CSV for UTF-8 only when it begins with a byte order mark.
    write_text(folder / "report.csv", report.to_csv(), encoding="utf-8-sig")
    write_text(folder / "errors.csv", errors_csv(evaluation.errors), encoding="utf-8-sig")
    print(json_text if as_json else as_text, end="")
    say(console, f"report     {folder}")

"""`fenlei evaluate`: a bundle and labelled files -> the report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fenlei.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from fenlei.predict.classifier import Classifier
    from fenlei.text.example import Example


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder that `fenlei train` wrote.")],
    data: Annotated[list[Path], typer.Argument(help="Labelled files, patterns, or a folder of classes.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; by default BUNDLE/report/<name of the data>.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of text.")] = False,
    encoding: options.Encoding = None,
    text_column: options.TextColumn = None,
    pair: options.Pair = False,
    label_column: options.LabelColumn = None,
    id_column: options.IdColumn = None,
    group_column: options.GroupColumn = None,
    label_separator: options.LabelSeparator = None,
    on_bad_row: options.OnBadRow = "error",
    device: options.Device = None,
    precision: options.Precision = None,
    threads: options.Threads = None,
) -> None:
    """Measure a classifier on labelled rows.

    The report goes to stdout; as text, CSV and JSON, with a list of the errors, to a folder.
    """
    from rich.console import Console

    from fenlei.bundle import report_folder
    from fenlei.cli.reading import options_like_training, read_labelled
    from fenlei.predict.classifier import Classifier

    console = Console(stderr=True)
    classifier = Classifier.load(bundle, device=device, precision=precision, threads=threads)
    reading = options_like_training(
        classifier,
        text_column=text_column,
        pair=pair,
        encoding=encoding,
        label_column=label_column,
        id_column=id_column,
        group_column=group_column,
        label_separator=label_separator,
        on_bad_row=on_bad_row,
    )
    rows = read_labelled(data, reading, console, task=classifier.task)
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

"""`fenlei evaluate`: a bundle and labelled files -> the report."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fenlei.cli import options
from fenlei.cli.flags import with_flags
from fenlei.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from fenlei.judge.notes import Language
    from fenlei.predict.classifier import Classifier
    from fenlei.predict.origin import DataFile
    from fenlei.text.example import Example


@with_flags(reading=options.READING, where=options.RUNTIME)
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder that `fenlei train` wrote.")],
    data: Annotated[list[Path], typer.Argument(help="Labelled files, patterns, or a folder of classes.")],
    out: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder for the report; by default BUNDLE/report/<name of the data>, numbered where other data has "
            "it.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of text.")] = False,
    language: Annotated[
        str | None,
        typer.Option(help="zh or en: what report.html opens in; settled from the labels if not given."),
    ] = None,
    *,
    reading: dict[str, Any],
    where: dict[str, Any],
) -> None:
    """Measure a classifier on labelled rows.

    The report goes to stdout; as a page for a browser, text, CSV and JSON, with a list of the errors, to a folder.
    """
    from rich.console import Console

    from fenlei.cli.reading import options_like_training, read_labelled
    from fenlei.predict.classifier import Classifier
    from fenlei.predict.origin import data_files
    from fenlei.text.sources import find_files

    console = Console(stderr=True)
    spoken = report_language(language)
    files = find_files(data)
    classifier = Classifier.load(bundle, **where)
    read_options = options_like_training(classifier, **reading)
    rows = read_labelled(files, read_options, console, task=classifier.task, known=classifier.labels)
    read = data_files(files)
    folder = out or _folder_for(bundle, files[0].resolve().stem, read)
    evaluate_and_write(classifier, rows, folder, console, data=read, language=spoken, as_json=as_json)


def evaluate_and_write(
    classifier: "Classifier",
    rows: tuple["Example", ...],
    folder: Path,
    console: "Console",
    *,
    data: "Sequence[DataFile]" = (),
    language: "Language | None" = None,
    as_json: bool = False,
) -> None:
    """Evaluate on `rows`, write the report into `folder`, and print it to stdout.

    Args:
        classifier: what is measured.
        rows: on what.
        folder: for report.html, .txt, .json and .csv, and errors.csv.
        console: for people.
        data: the files that the rows were read from.
        language: that report.html opens in; None: settled from the labels.
        as_json: print JSON instead of text.
    """
    from fenlei.atomic import write_text
    from fenlei.cli.reading import json_text, print_data, say
    from fenlei.csv_text import write_csv
    from fenlei.journal import Journal
    from fenlei.judge.error_rows import errors_csv
    from fenlei.page.render import report_page

    with Journal(console=console) as journal:
        journal.begin("evaluate", len(rows))
        evaluation = classifier.evaluate(rows, advance=journal.advance)
        journal.end()
    report = evaluation.report
    origin = replace(evaluation.origin, command=("fenlei", *sys.argv[1:]), data=tuple(data))
    plain = json_text(report.to_dict() | {"origin": origin.to_dict()})
    as_text = report.to_text()
    write_text(folder / "report.txt", as_text)
    write_text(folder / "report.json", plain)
    write_csv(folder / "report.csv", report.to_csv())
    write_csv(folder / "errors.csv", errors_csv(evaluation.errors))
    write_text(folder / "report.html", report_page(report, evaluation.errors, origin, language=language))
    if as_json:
        print_data(plain)
    else:
        print(as_text, end="")
    say(console, f"report     {folder}")


def _folder_for(bundle: Path, stem: str, data: "Sequence[DataFile]") -> Path:
    """The report's folder in the bundle, called after the first file; numbered where one of other data is there."""
    from fenlei.bundle import report_folder

    digests = [file.sha256 for file in data]
    names = (f"{stem}-{number}" if number > 1 else stem for number in count(1))
    return next(folder for folder in (report_folder(bundle, name) for name in names) if _is_free(folder, digests))


def _is_free(folder: Path, digests: Sequence[str]) -> bool:
    """Whether no report lies there, or one of the same data."""
    try:
        there = json.loads((folder / "report.json").read_text("utf-8"))
        return [file["sha256"] for file in there["origin"]["data"]] == digests
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError):  # no report of ours
        return False


def report_language(language: str | None) -> "Language | None":
    """The language as given on the command line, checked.

    Raises:
        SettingsError: it is none of the two.
    """
    accepted: dict[str | None, Language | None] = {"zh": "zh", "en": "en", None: None}
    if language not in accepted:
        raise SettingsError(f"--language is {language!r}; accepted are zh and en")
    return accepted[language]

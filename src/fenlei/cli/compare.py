"""`fenlei compare`: two bundles and labelled files -> which is better, and whether that is more than chance."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fenlei.cli import options
from fenlei.cli.flags import with_flags


@with_flags(reading=options.READING, where=options.RUNTIME)
def compare(
    first: Annotated[Path, typer.Argument(help="Folder that `fenlei train` wrote.")],
    second: Annotated[Path, typer.Argument(help="Another; differences are this one minus the first.")],
    data: Annotated[list[Path], typer.Argument(help="Labelled files that neither was trained on.")],
    out: Annotated[Path | None, typer.Option(file_okay=False, help="Folder for compare.json and changed.csv.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    *,
    reading: dict[str, Any],
    where: dict[str, Any],
) -> None:
    """Compare two classifiers on the same labelled rows, with intervals of the paired difference.

    Says which labels got better or worse beyond chance, and lists the rows that are answered otherwise.
    """
    from rich.console import Console

    from fenlei.atomic import write_text
    from fenlei.cli.reading import json_text, options_like_training, print_data, read_labelled, say
    from fenlei.csv_text import write_csv
    from fenlei.errors import DataError, SettingsError
    from fenlei.journal import Journal
    from fenlei.judge.comparison import changed_csv, compare_classifiers
    from fenlei.predict.classifier import Classifier
    from fenlei.predict.evaluate import groups_of
    from fenlei.text.example import readable_text
    from fenlei.text.labels import LabelSet

    console = Console(stderr=True)
    classifiers = [Classifier.load(bundle, **where) for bundle in (first, second)]
    labels, task = classifiers[0].labels, classifiers[0].task
    if (set(classifiers[1].labels), classifiers[1].task) != (set(labels), task):
        apart = sorted(set(labels) ^ set(classifiers[1].labels))
        raise SettingsError(
            f"{first} and {second} answer different questions: {task} and {classifiers[1].task}, "
            + (f"{len(apart)} labels are not in both, e.g. {apart[0]!r}" if apart else "the same labels"),
            hint="compare classifiers of the same task and labels",
        )
    # Each bundle reads the columns that it was trained on.
    read_options = [options_like_training(classifier, **reading) for classifier in classifiers]
    rows = read_labelled(data, read_options[0], console, task=task, known=labels)
    others = rows
    if read_options[1] != read_options[0]:
        others = read_labelled(data, read_options[1], console, task=task, known=labels)
        if [(row.id, row.labels) for row in rows] != [(row.id, row.labels) for row in others]:
            raise DataError(
                f"{first} and {second} read other columns of the data, and not the same rows have both",
                hint="mend the rows that were skipped for one of them, or name the columns with --text-column",
            )
    texts_of_both = [[row.text for row in read] for read in (rows, others)]
    given = []
    with Journal(console=console) as journal:
        for bundle, classifier, texts in zip((first, second), classifiers, texts_of_both, strict=True):
            journal.begin(bundle.name, len(rows))
            decided = classifier.decision.apply(classifier.scores(texts, advance=journal.advance))
            given.append(decided[:, [classifier.labels.index(label) for label in labels]])
            journal.end()
            seen = classifier.has_seen(texts)
            if seen is not None and seen.any():
                say(console, f"warning: {seen.sum():,} of these rows helped to make {bundle}: it is judged too kindly")
    truth = LabelSet(labels).encode(rows, task)
    comparison = compare_classifiers(truth, given[0], given[1], labels, task, groups=groups_of(rows))
    as_text = json_text(comparison.to_dict())
    if out is not None:
        write_text(out / "compare.json", as_text)
        shown = [readable_text(text) for text in texts_of_both[0]]
        changed = changed_csv(comparison, [row.id for row in rows], shown, [truth, *given], labels)
        write_csv(out / "changed.csv", changed)
        say(console, f"compared   {out}")
    if as_json:
        print_data(as_text)
    else:
        print(comparison.to_text(first.resolve().name, second.resolve().name), end="")

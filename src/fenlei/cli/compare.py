"""`fenlei compare`: two bundles and labelled files -> which is better, and whether that is more than chance."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fenlei.cli import options


def compare(
    first: Annotated[Path, typer.Argument(help="Folder that `fenlei train` wrote.")],
    second: Annotated[Path, typer.Argument(help="Another; differences are this one minus the first.")],
    data: Annotated[list[Path], typer.Argument(help="Labelled files that neither was trained on.")],
    out: Annotated[Path | None, typer.Option(help="Folder for compare.json and changed.csv.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
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
    """Compare two classifiers on the same labelled rows, with intervals of the paired difference.

    Says which labels got better or worse beyond chance, and lists the rows that are answered otherwise.
    """
    from rich.console import Console

    from fenlei.atomic import write_text
    from fenlei.cli.reading import options_like_training, read_labelled, say
    from fenlei.errors import SettingsError
    from fenlei.judge.comparison import changed_csv, compare_classifiers
    from fenlei.predict.classifier import Classifier
    from fenlei.predict.evaluate import groups_of
    from fenlei.text.example import readable_text
    from fenlei.text.labels import LabelSet
    from fenlei.train.journal import Journal

    console = Console(stderr=True)
    classifiers = [
        Classifier.load(bundle, device=device, precision=precision, threads=threads) for bundle in (first, second)
    ]
    labels, task = classifiers[0].labels, classifiers[0].task
    if (set(classifiers[1].labels), classifiers[1].task) != (set(labels), task):
        apart = sorted(set(labels) ^ set(classifiers[1].labels))
        raise SettingsError(
            f"{first} and {second} answer different questions: {task} and {classifiers[1].task}, "
            + (f"{len(apart)} labels are not in both, e.g. {apart[0]!r}" if apart else "the same labels"),
            hint="compare classifiers of the same task and labels",
        )
    reading = options_like_training(
        classifiers[0],
        text_column=text_column,
        pair=pair,
        encoding=encoding,
        label_column=label_column,
        id_column=id_column,
        group_column=group_column,
        label_separator=label_separator,
        on_bad_row=on_bad_row,
    )
    rows = read_labelled(data, reading, console, task=task)
    texts = [row.text for row in rows]
    given = []
    with Journal(console=console) as journal:
        for bundle, classifier in zip((first, second), classifiers, strict=True):
            journal.begin(bundle.name, len(rows))
            decided = classifier.decision.apply(classifier.scores(texts, advance=journal.advance))
            given.append(decided[:, [classifier.labels.index(label) for label in labels]])
            journal.end()
            seen = classifier.has_seen(texts)
            if seen is not None and seen.any():
                say(console, f"warning: {seen.sum():,} of these rows helped to make {bundle}: it is judged too kindly")
    truth = LabelSet(labels).encode(rows, task)
    comparison = compare_classifiers(truth, given[0], given[1], labels, task, groups=groups_of(rows))
    as_text = json.dumps(comparison.to_dict(), ensure_ascii=False, indent=2) + "\n"
    if out is not None:
        write_text(out / "compare.json", as_text)
        shown = [readable_text(text) for text in texts]
        changed = changed_csv(comparison, [row.id for row in rows], shown, [truth, *given], labels)
        # Excel takes a CSV for UTF-8 only when it begins with a byte order mark.
        write_text(out / "changed.csv", changed, encoding="utf-8-sig")
        say(console, f"compared   {out}")
    print(as_text if as_json else comparison.to_text(first.name, second.name), end="")

"""`fenlei train`: labelled files -> a bundle and, where there is a test part, its report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fenlei.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from fenlei.text.example import Example

Rows = tuple["Example", ...]


def train(
    data: Annotated[list[Path], typer.Argument(help="Labelled files: CSV, TSV, JSONL, xlsx and more.")],
    out: Annotated[Path, typer.Option(help="Folder for the bundle.")],
    dev: Annotated[
        list[Path] | None, typer.Option(help="Labelled rows that choose the epoch and fit the decision.")
    ] = None,
    test: Annotated[list[Path] | None, typer.Option(help="Labelled rows that are scored once, at the end.")] = None,
    encoder: Annotated[
        str, typer.Option(help="starter, a folder, a TensorFlow checkpoint, or a hub name.")
    ] = "starter",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the bundle at --out.")] = False,
    task: Annotated[str | None, typer.Option(help="multilabel or multiclass; settled from the data if not given.")] = None,
    loss: Annotated[str | None, typer.Option(help="zlpr or bce (multilabel), ce (multiclass).")] = None,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of a text; longer texts are cut.")] = 300,
    truncation: Annotated[str, typer.Option(help="What stays of a longer text: head or head+tail.")] = "head",
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows; settled from their number.")] = None,
    batch_size: Annotated[int, typer.Option(help="Texts of one update.")] = 32,
    tokens_per_batch: Annotated[
        int, typer.Option(help="Most tokens run at once; lower it when memory is short.")
    ] = 8192,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak rate of the pretrained weights; settled from their width.")
    ] = None,
    head_learning_rate: Annotated[float, typer.Option(help="Peak rate of the fresh weights.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(help="Decoupled weight decay.")] = 0.01,
    warmup: Annotated[float, typer.Option(help="Share of the updates in which the rate rises.")] = 0.1,
    clip_norm: Annotated[float, typer.Option(help="Longest gradient.")] = 1.0,
    patience: Annotated[int, typer.Option(help="Epochs without a better dev score before training stops.")] = 3,
    seed: Annotated[int, typer.Option(help="Of split, order, fresh weights and dropout.")] = 42,
    encoding: options.Encoding = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    label_separator: options.LabelSeparator = None,
    on_bad_row: options.OnBadRow = "error",
    device: options.Device = None,
    precision: options.Precision = None,
    threads: options.Threads = None,
) -> None:
    """Train a classifier on labelled files and write a bundle.

    Without --test (and --dev) a stratified split is made and written beside the bundle for reuse.
    """
    from rich.console import Console

    from fenlei.bundle import refuse_to_overwrite, report_folder
    from fenlei.cli.evaluate import evaluate_and_write
    from fenlei.cli.reading import read_labelled
    from fenlei.predict import Classifier
    from fenlei.runtime import open_runtime
    from fenlei.text.read import ReadOptions
    from fenlei.train.config import TrainSettings
    from fenlei.train.journal import Journal

    settings = TrainSettings(
        encoder=encoder,
        task=task,  # type: ignore[arg-type]  # checked by TrainSettings
        loss=loss,
        max_tokens=max_tokens,
        truncation=truncation,  # type: ignore[arg-type]
        epochs=epochs,
        batch_size=batch_size,
        tokens_per_batch=tokens_per_batch,
        learning_rate=learning_rate,
        head_learning_rate=head_learning_rate,
        weight_decay=weight_decay,
        warmup=warmup,
        clip_norm=clip_norm,
        patience=patience,
        seed=seed,
    )
    # What would fail at the end is checked before the work.
    refuse_to_overwrite(out, overwrite=overwrite)
    runtime = open_runtime(device=device, precision=precision, threads=threads)
    console = Console(stderr=True)
    reading = ReadOptions(
        encoding=encoding,
        text_columns=tuple(text_column or ()),
        label_columns=tuple(label_column or ()),
        label_separator=label_separator,
        on_bad_row=on_bad_row,
        task=task,
    )
    train_rows = read_labelled(data, reading, console)
    dev_rows = read_labelled(dev, reading, console) if dev else None
    test_rows = read_labelled(test, reading, console) if test else None
    train_rows, dev_rows, test_rows = _settle_parts(train_rows, dev_rows, test_rows, settings, out, console)

    record = {
        "files": {name: [str(path) for path in paths or ()] for name, paths in (("train", data), ("dev", dev), ("test", test))},
        "rows": {"train": len(train_rows), "dev": len(dev_rows), "test": len(test_rows or ())},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    journal_path = out.with_name(f"{out.name}.journal.jsonl")
    journal_path.unlink(missing_ok=True)
    with Journal(journal_path, console) as journal:
        classifier = Classifier.train(
            train_rows, dev=dev_rows, settings=settings, runtime=runtime, journal=journal, record=record
        )
        classifier.save(out, overwrite=overwrite)
    console.print(f"bundle     {out}", highlight=False, soft_wrap=True)
    console.print(f"journal    {journal_path}", highlight=False, soft_wrap=True)
    if test_rows:
        evaluate_and_write(classifier, test_rows, report_folder(out, "test"), console)
    else:
        console.print("no test part was given: measure with `fenlei evaluate`", highlight=False, soft_wrap=True)


def _settle_parts(
    train_rows: Rows, dev_rows: Rows | None, test_rows: Rows | None, settings: "object", out: Path, console: "Console"
) -> tuple[Rows, Rows, Rows | None]:
    """Cut the parts that were not given from the training rows, and drop training rows that stand in another part."""
    from fenlei.text.split import split_examples
    from fenlei.text.write import write_examples
    from fenlei.train.config import TrainSettings

    assert isinstance(settings, TrainSettings)
    if dev_rows is None:
        ratios = {"train": 0.9, "dev": 0.1} if test_rows else {"train": 0.8, "dev": 0.1, "test": 0.1}
        parts = split_examples(train_rows, settings.task, ratios=ratios, seed=settings.seed)
        folder = out.with_name(f"{out.name}.split")
        for name, rows in parts.items():
            write_examples(folder / f"{name}.csv", rows)
        sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in parts.items())
        console.print(f"split      {sizes} rows (seed {settings.seed}) in {folder}", highlight=False, soft_wrap=True)
        train_rows, dev_rows = parts["train"], parts["dev"]
        test_rows = parts.get("test", test_rows)
    return _without_leaks(train_rows, (*dev_rows, *(test_rows or ())), console), dev_rows, test_rows


def _without_leaks(train_rows: Rows, held_out: Rows, console: "Console") -> Rows:
    """The training rows whose text does not stand in the dev or test part: scoring those would be scoring memory."""
    from fenlei.bundle import fingerprints
    from fenlei.text.example import text_fingerprint

    held = fingerprints(held_out)
    kept = tuple(row for row in train_rows if text_fingerprint(row.text) not in held)
    if len(kept) < len(train_rows):
        leaked = [row.id for row in train_rows if text_fingerprint(row.text) in held]
        shown = ", ".join(leaked[:5]) + (", …" if len(leaked) > 5 else "")
        console.print(
            f"leaks      {len(leaked):,} training rows also stand in dev or test and are left out: row {shown}",
            highlight=False,
            soft_wrap=True,
        )
    return kept

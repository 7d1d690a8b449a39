"""`fenlei predict`: a bundle and texts -> their labels, row for row, in flat memory."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fenlei.cli import options
from fenlei.cli.flags import with_flags
from fenlei.counted import counted
from fenlei.errors import SettingsError


@with_flags(reading=(options.ENCODING, options.TEXT_COLUMN, options.PAIR, options.ON_BAD_ROW), where=options.RUNTIME)
def predict(
    bundle: Annotated[Path, typer.Argument(help="Folder that `fenlei train` wrote.")],
    file: Annotated[str, typer.Argument(help="A file as for train, labels not needed; - for lines from stdin.")] = "-",
    out: Annotated[Path | None, typer.Option(help="Result file; stdout when not given.")] = None,
    out_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="csv, jsonl, lines, parquet or xlsx; by the name of --out, otherwise like the input."
        ),
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Add the scores of the K highest labels.", min=1)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file at --out.")] = False,
    *,
    reading: dict[str, Any],
    where: dict[str, Any],
) -> None:
    """Predict the labels of each row.

    Rows keep their order and their other columns. With --out a killed run goes on where it stopped when
    the same command is given again.
    """
    from rich.console import Console

    from fenlei.cli.reading import options_like_training, say, say_skipped, stdout_for_data
    from fenlei.journal import Journal
    from fenlei.predict.classifier import Classifier
    from fenlei.predict.files import predict_file, predict_to_stream
    from fenlei.predict.results import settle_format
    from fenlei.text.unlabelled import TextSource

    # An interrupted run left `out.part`, and no `out`.
    if out is not None and out.is_file() and not overwrite:
        raise SettingsError(f"{out} is there already", hint="replace it with --overwrite, or name another --out")
    classifier = Classifier.load(bundle, **where)
    read_options = options_like_training(classifier, **reading)
    texts = TextSource(sys.stdin.buffer.read() if file == "-" else Path(file), read_options, known=classifier.labels)
    result_format = settle_format(out_format, out, texts.format)
    console = Console(stderr=True)
    say(console, f"read       {texts.note()}")
    with Journal(console=console) as journal:
        if out is None:
            stream = stdout_for_data()
            predict_to_stream(classifier, texts, stream, result_format=result_format, top_k=top_k, journal=journal)
        else:
            before = predict_file(classifier, texts, out, result_format=result_format, top_k=top_k, journal=journal)
            if before:
                say(console, f"resumed    {before:,} rows were labelled by an earlier run")
    say_skipped(console, texts.skipped)
    if texts.empty:
        say(
            console,
            f"remark     {counted(texts.empty, 'row has', 'rows have')} no text: what is answered there says nothing",
        )
    if out:
        say(console, f"labelled   {out}")

"""`fenlei predict`: a bundle and texts -> their labels, row for row, in flat memory."""

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from fenlei.cli import options

# Rows in memory at once: enough to sort by length, little beside the network.
_BLOCK = 2048


def predict(
    bundle: Annotated[Path, typer.Argument(help="Folder that `fenlei train` wrote.")],
    file: Annotated[str, typer.Argument(help="CSV, TSV, JSONL, xlsx or plain lines; - for lines from stdin.")] = "-",
    out: Annotated[Path | None, typer.Option(help="Result file; stdout when not given.")] = None,
    out_format: Annotated[
        str | None,
        typer.Option("--format", help="csv, jsonl or lines; by the name of --out, otherwise like the input."),
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Add the scores of the K highest labels.", min=1)] = None,
    encoding: options.Encoding = None,
    text_column: options.TextColumn = None,
    on_bad_row: options.OnBadRow = "error",
    device: options.Device = None,
    precision: options.Precision = None,
    threads: options.Threads = None,
) -> None:
    """Predict the labels of each row; rows keep their order and their other columns."""
    from rich.console import Console

    from fenlei.cli.reading import say, say_skipped
    from fenlei.cli.results import Results, result_file, settle_format
    from fenlei.predict import Classifier
    from fenlei.text.read import ReadOptions
    from fenlei.text.unlabelled import TextSource
    from fenlei.train.journal import Journal

    reading = ReadOptions(encoding=encoding, text_column=text_column, on_bad_row=on_bad_row)  # type: ignore[arg-type]
    content = sys.stdin.buffer.read() if file == "-" else Path(file)
    texts = TextSource(content, reading)
    result_format = settle_format(out_format, out, texts.format)
    classifier = Classifier.load(bundle, device=device, precision=precision, threads=threads)
    console = Console(stderr=True)
    with result_file(out, result_format) as target, Journal(console=console) as journal:
        results = Results(target, result_format, texts.columns, with_scores=top_k is not None)
        journal.begin("predict", texts.count())
        rows = iter(texts)
        while block := list(islice(rows, _BLOCK)):
            scores = classifier.scores([row.text for row in block], advance=journal.advance)
            for row, prediction in zip(block, classifier.decide(scores, top_k=top_k), strict=True):
                results.write(row.cells, row.text, prediction)
        journal.end()
    say_skipped(console, texts.skipped)
    if out:
        say(console, f"labelled   {out}")

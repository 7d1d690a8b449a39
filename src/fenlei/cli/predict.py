"""`fenlei predict`: a bundle and texts -> their labels, row for row, in flat memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from fenlei.cli import options

if TYPE_CHECKING:
    from fenlei.text.read import Row

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

    from fenlei.cli.results import open_results, settle_format
    from fenlei.predict import Classifier
    from fenlei.text.read import ReadOptions, open_texts
    from fenlei.train.journal import Journal

    reading = ReadOptions(encoding=encoding, text_columns=tuple(text_column or ()), on_bad_row=on_bad_row)
    source = open_texts(sys.stdin.buffer if file == "-" else Path(file), reading)
    result_format = settle_format(out_format, out, source.format)
    classifier = Classifier.load(bundle, device=device, precision=precision, threads=threads)
    console = Console(stderr=True)

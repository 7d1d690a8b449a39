"""The command line: one file a command, and the only place that prints and exits."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import fenlei
from fenlei.cli.check import check
from fenlei.cli.clean import clean
from fenlei.cli.compare import compare
from fenlei.cli.convert import convert
from fenlei.cli.decide import decide
from fenlei.cli.evaluate import evaluate
from fenlei.cli.losses import losses
from fenlei.cli.predict import predict
from fenlei.cli.split import split
from fenlei.cli.train import train
from fenlei.errors import FenleiError

app = typer.Typer(
    help="分类 · turn a pretrained encoder and a table of labelled texts into a classifier you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (check, split, clean, losses, train, evaluate, compare, decide, predict, convert):
    app.command()(command)

_INTERRUPTED = 130


def _tell_version(asked: bool) -> None:
    if asked:
        print(fenlei.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line: data goes to stdout, words for people to stderr.

    Exits with 1 after an error of fenlei's own, with 2 after a wrong call, with 130 after Ctrl-C.
    """
    # A stream that was closed by the caller is one that nobody reads, or that ends at once.
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open(encoding="utf-8")
    sys.stdout, sys.stderr = (stream or nowhere.open("w", encoding="utf-8") for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        # A GBK console must not kill a run over one character it lacks.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except FenleiError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        # A full disk, a folder without permission: the system's own words say it best.
        where = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror or error}{where}", file=sys.stderr)
        sys.exit(1)
    except SystemExit as ended:
        # Typer has caught what Ctrl-C raises, and says nothing.
        if ended.code == _INTERRUPTED:
            print("interrupted", file=sys.stderr)
        raise

"""Options that several commands share: how labelled files are read, and where the work runs."""

from typing import Annotated

import typer

from fenlei.cli.flags import flag

_Encoding = Annotated[
    str | None, typer.Option(help="Character encoding of the input, e.g. gb18030; detected when not given.")
]
_TextColumn = Annotated[
    list[str] | None,
    typer.Option(help="Column that holds the text; found by its name when not given. Several are joined, a line each."),
]
_LabelColumn = Annotated[
    list[str] | None,
    typer.Option(
        help="Column that holds the labels; found by its name when not given. Several hold 0 or 1, a label each."
    ),
]
_Pair = Annotated[
    bool,
    typer.Option("--pair", help="The two text columns are a pair of texts for the encoder instead of being joined."),
]
_IdColumn = Annotated[str | None, typer.Option(help="Column that names the rows; by default id, 编号 or 序号.")]
_GroupColumn = Annotated[str | None, typer.Option(help="Column whose equal values never part in a split.")]
_LabelSeparator = Annotated[
    str | None,
    typer.Option(help="What separates labels in a cell; detected when not given; none: nothing does."),
]
_OnBadRow = Annotated[str, typer.Option(help="What a bad row does: error, or skip (counted and listed).")]
_Device = Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; by default a GPU if there is one.")]
_Precision = Annotated[
    str | None, typer.Option(help="float32 or bfloat16; by default bfloat16 where the hardware has it.")
]
_Threads = Annotated[int | None, typer.Option(help="CPU threads; by default all cores this process may use.")]

ENCODING = flag("encoding", _Encoding)
TEXT_COLUMN = flag("text_column", _TextColumn)
PAIR = flag("pair", _Pair, False)
ON_BAD_ROW = flag("on_bad_row", _OnBadRow, "error")
LABELS = (flag("label_column", _LabelColumn), flag("label_separator", _LabelSeparator))
ROWS = (flag("id_column", _IdColumn), flag("group_column", _GroupColumn))

READING = (ENCODING, TEXT_COLUMN, PAIR, *LABELS, *ROWS, ON_BAD_ROW)
"""Fields of `fenlei.text.read.ReadOptions`."""

RUNTIME = (flag("device", _Device), flag("precision", _Precision), flag("threads", _Threads))
"""Arguments of `fenlei.runtime.open_runtime`."""

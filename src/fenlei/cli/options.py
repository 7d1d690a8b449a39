"""Options that several commands share."""

from typing import Annotated

import typer

Encoding = Annotated[
    str | None, typer.Option(help="Character encoding of the input, e.g. gb18030; detected when not given.")
]
TextColumn = Annotated[
    list[str] | None,
    typer.Option(help="Column that holds the text; found by its name when not given. Several are joined, a line each."),
]
LabelColumn = Annotated[
    list[str] | None,
    typer.Option(
        help="Column that holds the labels; found by its name when not given. Several hold 0 or 1, a label each."
    ),
]
Pair = Annotated[
    bool,
    typer.Option("--pair", help="The two text columns are a pair of texts for the encoder instead of being joined."),
]
IdColumn = Annotated[str | None, typer.Option(help="Column that names the rows; by default id, 编号 or 序号.")]
GroupColumn = Annotated[str | None, typer.Option(help="Column whose equal values never part in a split.")]
LabelSeparator = Annotated[
    str | None,
    typer.Option(help="What separates labels in a cell; detected when not given; none: nothing does."),
]
OnBadRow = Annotated[str, typer.Option(help="What a bad row does: error, or skip (counted and listed).")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; by default a GPU if there is one.")]
Precision = Annotated[
    str | None, typer.Option(help="float32 or bfloat16; by default bfloat16 where the hardware has it.")
]
Threads = Annotated[int | None, typer.Option(help="CPU threads; by default all cores this process may use.")]

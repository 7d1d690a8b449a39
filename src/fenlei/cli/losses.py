"""`fenlei losses`: labelled files -> which loss is best on them, by how much, and for which labels."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fenlei.cli import options


def losses(
    data: Annotated[
        list[Path], typer.Argument(help="Labelled files; training, dev and judged rows are cut from them.")
    ],
    out: Annotated[Path, typer.Option(help="Folder where every finished run is kept: the command goes on from it.")],
    names: Annotated[
        str | None,
        typer.Option(
            "--losses", help="Which, with commas; all of the task if not given. The default one is always in."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each loss, a seed each, from 42 on.", min=1)] = 1,
    rows: Annotated[int | None, typer.Option(help="Most rows to train on, for a cheap screen.", min=1)] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows; settled from their number.")] = None,
    encoder: Annotated[
        str, typer.Option(help="starter, a folder, a TensorFlow checkpoint, or a hub name.")
    ] = "starter",
    task: Annotated[
        str | None, typer.Option(help="multilabel or multiclass; settled from the data if not given.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of a text; longer texts are cut.")] = 300,
    batch_size: Annotated[int, typer.Option(help="Texts of one update.")] = 16,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak rate of the pretrained weights; settled from their width.")
    ] = None,
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
    """Compare losses on your own rows: same rows, same updates, a decision fitted on dev for each.

    Every other loss is set against the default one on the same judged rows, with intervals of the paired difference,
    over all labels and over those with many, some and few training rows.
    """
    from rich.console import Console

    from fenlei.cli.reading import read_labelled, say
    from fenlei.errors import SettingsError
    from fenlei.model.losses import LOSS_NAMES
    from fenlei.runtime import open_runtime
    from fenlei.study.protocol import draw_rows, settle_folder, study_sizes
    from fenlei.study.trials import compare_trials, find_trials, run_trials
    from fenlei.text.read import ReadOptions
    from fenlei.train.config import TrainSettings
    from fenlei.train.journal import Journal

    console = Console(stderr=True)
    settings = TrainSettings(
        encoder=encoder,
        task=task,  # type: ignore[arg-type]  # checked by TrainSettings
        epochs=epochs,
        max_tokens=max_tokens,
        batch_size=batch_size,
        learning_rate=learning_rate,
    )
    reading = ReadOptions(
        encoding=encoding,
        text_column=text_column,
        pair=pair,
        label_column=label_column,
        id_column=id_column,
        group_column=group_column,
        label_separator=label_separator,
        on_bad_row=on_bad_row,  # type: ignore[arg-type]  # checked by ReadOptions
    )
    runtime = open_runtime(device=device, precision=precision, threads=threads)
    examples = read_labelled(data, reading, console, task=settings.task)
    drawn = draw_rows(examples, settings.task, **study_sizes(len(examples), rows), seed=settings.seed)
    accepted = LOSS_NAMES[drawn.task]
    default = accepted[0]
    chosen = accepted if names is None else [name.strip() for name in names.split(",")]
    if unknown := [name for name in chosen if name not in accepted]:
        raise SettingsError(f"--losses has {unknown[0]!r}; for {drawn.task} accepted are {', '.join(accepted)}")
    chosen = list(dict.fromkeys([default, *chosen]))
    counts = ", ".join(f"{name} {count:,}" for name, count in drawn.counts.items())
    say(console, f"rows       {counts} of {len(examples):,} (seed {settings.seed}), the same for every run")
    if drawn.left_out:
        say(console, f"left out   {drawn.left_out:,} of them have a label that no training row has")
    settle_folder(out, (drawn.train, drawn.dev, drawn.judged), settings, runtime)
    numbers = range(settings.seed, settings.seed + seeds)
    with Journal(out / "journal.jsonl", console) as journal:
        run_trials(out, drawn, {name: {"loss": name} for name in chosen}, numbers, settings, runtime, journal)
    table = compare_trials(find_trials(out, chosen, numbers), default)
    print(json.dumps(table.to_dict(), ensure_ascii=False, indent=2) if as_json else table.to_text().rstrip("\n"))

"""`fenlei losses`: labelled files -> which loss is best on them, by how much, and for which labels."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fenlei.cli import options
from fenlei.cli.flags import settings_flags, with_flags

# Of the settings those that a comparison of losses needs; all others are the default recipe's.
_SETTINGS = ("epochs", "encoder", "task", "max_tokens", "batch_size", "learning_rate")


@with_flags(given=settings_flags(*_SETTINGS), reading=options.READING, where=options.RUNTIME)
def losses(
    data: Annotated[
        list[Path], typer.Argument(help="Labelled files; training, dev and judged rows are cut from them.")
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(file_okay=False, help="Folder where every finished run is kept: the command goes on from it."),
    ],
    names: Annotated[
        str | None,
        typer.Option(
            "--losses", help="Which, with commas; all of the task if not given. The default one is always in."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each loss, a seed each, from 42 on.", min=1)] = 1,
    rows: Annotated[int | None, typer.Option(help="Most rows to train on, for a cheap screen.", min=1)] = None,
    given: dict[str, Any],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    reading: dict[str, Any],
    where: dict[str, Any],
) -> None:
    """Compare losses on your own rows: same rows, same updates, a decision fitted on dev for each.

    Every other loss is set against the default one on the same judged rows, with intervals of the paired difference,
    over all labels and over those with many, some and few training rows.
    """
    from rich.console import Console

    from fenlei.atomic import alone_at
    from fenlei.cli.reading import json_text, print_data, read_labelled, require_apart, say
    from fenlei.journal import Journal
    from fenlei.model.losses import LOSS_NAMES, known_loss
    from fenlei.runtime import open_runtime
    from fenlei.study.protocol import draw_rows, require_training, settle_folder, study_sizes
    from fenlei.study.trials import compare_trials, find_trials, run_trials
    from fenlei.text.reader import ReadOptions
    from fenlei.train.config import TrainSettings

    console = Console(stderr=True)
    settings = TrainSettings(**given)
    if seeds > 1:
        require_training(settings)
    read_options = ReadOptions(**reading)
    runtime = open_runtime(**where)
    require_apart(out, data)
    examples = read_labelled(data, read_options, console, task=settings.task)
    drawn = draw_rows(examples, settings.task, **study_sizes(len(examples), rows), seed=settings.seed)
    default = known_loss(None, drawn.task)
    named = LOSS_NAMES[drawn.task] if names is None else map(str.strip, names.split(","))
    chosen = list(dict.fromkeys([default, *(known_loss(name, drawn.task) for name in named)]))
    counts = ", ".join(f"{name} {count:,}" for name, count in drawn.counts.items())
    say(console, f"rows       {counts} of {len(examples):,} (seed {settings.seed}), the same for every run")
    with alone_at(out):
        settle_folder(out, (drawn.train, drawn.dev, drawn.judged), settings, runtime, varying=("loss", "seed"))
        say(
            console,
            "judged     by the encoder alone; `train` lets TF-IDF have a share, which brings losses closer together",
        )
        numbers = range(settings.seed, settings.seed + seeds)
        with Journal(out / "journal.jsonl", console) as journal:
            run_trials(out, drawn, {name: {"loss": name} for name in chosen}, numbers, settings, runtime, journal)
    table = compare_trials(find_trials(out, chosen, numbers), default)
    if as_json:
        print_data(json_text(table.to_dict()))
    else:
        print(table.to_text().rstrip("\n"))

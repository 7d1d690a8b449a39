"""Which settings of training are worth it: each tried under one protocol, on rows cut from training parts.

    python benchmarks/recipes.py run FOLDER --data baidu_event --settings default fgm --out runs/recipes
    python benchmarks/recipes.py table --out runs/recipes

FOLDER holds a folder a data set with a `train.jsonl`. Of its rows a seeded, stratified draw is trained on, a tenth as
many choose the epoch and fit the decision, and other rows judge: no test part is read. What is done lies in --out and
is not done again, so the script goes on where it stopped. `table` prints each setting's figures with the paired
bootstrap interval of its difference from `default`: first of the encoder's scores alone, then of the whole decision
with its blend.
"""

import argparse
from pathlib import Path

from rich.console import Console

from fenlei import read_examples
from fenlei.journal import Journal
from fenlei.judge.figures import MAIN_FIGURE, shown
from fenlei.runtime import open_runtime
from fenlei.study.protocol import draw_rows
from fenlei.study.trials import Trial, compare_trials, find_trials, run_trials
from fenlei.train.config import TrainSettings

# Rows to train on, at most so many to judge on, and epochs.
PROTOCOLS = {
    "baidu_event": (3000, 3000, 4),
    "csldcp": (1400, 500, 5),
    "sogou_mini": (300, 150, 6),
    "cail2019_divorce": (3000, 3000, 4),
    "iflytek": (2000, 800, 5),
}

SETTINGS = {
    "default": {},
    "random head": {"linear_probe": False},
    "first token": {"pooling": "first"},
    "mean": {"pooling": "mean"},
    "fgm 0.5": {"fgm": 0.5},
    "fgm 1": {"fgm": 1.0},
    "awp 0.01": {"awp": 0.01},
    "rdrop 1": {"rdrop": 1.0},
    "layer decay 0.9": {"layer_decay": 0.9},
    "ema 0.99": {"ema": 0.99},
    "average 3": {"average_best": 3},
    "head samples 5": {"head_samples": 5},
    "cosine": {"schedule": "cosine"},
    "rate x2": {"learning_rate": 2.4e-4},
    "batch 8": {"batch_size": 8},
    "freeze 4": {"freeze_layers": 4},
    "bce": {"loss": "bce"},
    "bce-weighted": {"loss": "bce-weighted"},
    "asl": {"loss": "asl"},
    "focal": {"loss": "focal"},
    "db": {"loss": "db"},
    "cb": {"loss": "cb"},
    "ce-smooth": {"loss": "ce-smooth"},
    "windows max": {"truncation": "windows", "window_join": "max", "max_windows": 4},
    "windows mean": {"truncation": "windows", "window_join": "mean", "max_windows": 4},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("folder", type=Path)
    run.add_argument("--data", nargs="+", choices=PROTOCOLS, required=True)
    run.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    run.add_argument("--seeds", nargs="+", type=int, default=[42])
    run.add_argument("--threads", type=int, default=1)
    for command in (run, commands.add_parser("table")):
        command.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.command == "table":
        print("\n".join(table(given.out)))
        return
    runtime = open_runtime(threads=given.threads)
    for data in given.data:
        rows = drawn(given.folder / data / "train.jsonl", data)
        variants = {name: SETTINGS[name] for name in given.settings}
        with Journal(console=Console(stderr=True)) as journal:
            settings = TrainSettings(epochs=PROTOCOLS[data][2])
            run_trials(given.out / data, rows, variants, given.seeds, settings, runtime, journal)


def drawn(path, data):
    """The rows of a data set's protocol."""
    train, judged, _ = PROTOCOLS[data]
    rows = read_examples(path).examples
    dev = train // 10
    return draw_rows(rows, None, train=train, dev=dev, judged=min(judged, len(rows) - train - dev), seed=0)


def table(out):
    """Markdown lines: a table a data set, each setting against `default` on the same rows and seeds."""
    for data in sorted(path.name for path in out.iterdir() if path.is_dir()):
        runs = find_trials(out / data)
        alone, blended = (compare_trials(runs, "default", blend=blend) for blend in (False, True))
        rows = Trial.read(next(iter(runs["default"].values()))).facts["rows"]
        main = MAIN_FIGURE[alone.task]
        yield f"\n### {data}\n"
        yield (
            f"{rows['train']:,} training rows, {rows['dev']:,} for epoch and decision, judged on {rows['judged']:,} "
            f"other rows of the training part; {main} and paired 95% intervals.\n"
        )
        yield "| setting | seeds | encoder alone | over default | blended | over default | macro-F1 over default | s |"
        yield "|---|---|---|---|---|---|---|---|"
        for one, other in zip(alone.lines, blended.lines, strict=True):
            cells = [cell for line in (one, other) for cell in (f"{line.figures[main].value:.4f}", over(line, main))]
            yield (
                f"| {one.name} | {len(one.seeds)} | {' | '.join(cells)} | {over(other, 'macro_f1')} | "
                f"{one.seconds:.0f} |"
            )


def over(line, figure):
    """The difference from the default; nothing for the default itself."""
    return shown(line.differences[figure], "+") if line.differences else ""


if __name__ == "__main__":
    main()

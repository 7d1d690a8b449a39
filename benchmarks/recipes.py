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
import json
import time
from pathlib import Path

import numpy as np

from fenlei import Classifier, read_examples, split_examples
from fenlei.judge.comparison import compare_classifiers
from fenlei.judge.fitting import DecisionPlan, FittedDecision, HeldOut
from fenlei.judge.report import MAIN_FIGURE, shown
from fenlei.runtime import open_runtime
from fenlei.text.labels import LabelSet

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
        parts, labels, task = drawn(given.folder / data / "train.jsonl", data)
        for name in given.settings:
            for seed in given.seeds:
                place = given.out / data / f"{name}, seed {seed}"
                if not (place / "facts.json").exists():
                    one_run(place, parts, labels, task, PROTOCOLS[data][2], SETTINGS[name], seed, runtime)


def drawn(path, data):
    """The train, dev and judged rows of a data set, its labels and its task."""
    train, judged, _ = PROTOCOLS[data]
    rows = read_examples(path).examples
    shares = {"train": train, "dev": train // 10, "judged": min(judged, len(rows) - train - train // 10)}
    rest = len(rows) - sum(shares.values())
    counts = shares | ({"rest": rest} if rest else {})
    parts = split_examples(rows, ratios={name: count / len(rows) for name, count in counts.items()}, seed=0)
    labels = LabelSet.from_examples(parts["train"])
    known = set(labels.names)
    kept = {name: [row for row in parts[name] if set(row.labels) <= known] for name in shares}
    task = "multilabel" if any(len(row.labels) != 1 for row in rows) else "multiclass"
    return kept, labels, task


def one_run(place, parts, labels, task, epochs, setting, seed, runtime):
    place.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    classifier = Classifier.train(
        parts["train"],
        dev=parts["dev"],
        runtime=runtime,
        epochs=epochs,
        patience=epochs,
        task=task,
        seed=seed,
        **setting,
    )
    seconds = time.monotonic() - began
    texts = [row.text for row in parts["judged"]]
    held_out = classifier.fitted_decision.held_out
    np.savez_compressed(
        place / "arrays.npz",
        logits=classifier.logits(texts),
        baseline_logits=classifier._scorer.baseline_logits(texts),
        truth=labels.encode(parts["judged"], task),
        dev_logits=held_out.logits,
        dev_baseline_logits=held_out.baseline_logits,
        dev_truth=held_out.truth,
        support=labels.encode(parts["train"], task).sum(0),
    )
    facts = {
        "task": task,
        "rows": {name: len(rows) for name, rows in parts.items()},
        "seconds": round(seconds),
        "history": classifier._bundle.record["training"]["history"],
        "setting": setting,
        "date": time.strftime("%Y-%m-%d"),
    }
    (place / "facts.json").write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{place}: {seconds:.0f} s", flush=True)


def table(out):
    """Markdown lines: a table a data set, each setting against `default` on the same rows and seeds."""
    for data in sorted(path.name for path in out.iterdir() if path.is_dir()):
        runs = {}
        for facts in sorted((out / data).glob("*/facts.json")):
            name, _, seed = facts.parent.name.rpartition(", seed ")
            runs.setdefault(name, {})[int(seed)] = facts.parent
        first = json.loads((next(iter(runs["default"].values())) / "facts.json").read_text(encoding="utf-8"))
        task, rows = first["task"], first["rows"]
        main = MAIN_FIGURE[task]
        yield f"\n### {data}\n"
        yield (
            f"{rows['train']:,} training rows, {rows['dev']:,} for epoch and decision, judged on {rows['judged']:,} "
            f"other rows of the training part; {main} and paired 95% intervals.\n"
        )
        yield "| setting | seeds | encoder alone | over default | blended | over default | macro-F1 over default | s |"
        yield "|---|---|---|---|---|---|---|---|"
        decided = {
            name: {seed: decisions(place, task) for seed, place in places.items()} for name, places in runs.items()
        }
        for name in sorted(runs, key=lambda name: (name != "default", name)):
            seeds = sorted(runs[name].keys() & runs["default"].keys())
            seconds = [json.loads((runs[name][s] / "facts.json").read_text(encoding="utf-8"))["seconds"] for s in seeds]
            cells = []
            for blended in (0, 1):
                truth = np.concatenate([decided[name][seed][2] for seed in seeds])
                own, default = (
                    np.concatenate([decided[one][seed][blended] for seed in seeds]) for one in (name, "default")
                )
                # A row is drawn with all its answers, one of each seed.
                row = [str(i) for _ in seeds for i in range(len(truth) // len(seeds))]
                labels = [str(i) for i in range(truth.shape[1])]
                found = compare_classifiers(truth, default, own, labels, task, groups=row)
                cells += [f"{found.second[main]:.4f}", shown(found.differences[main], "+")]
                macro = shown(found.differences["macro_f1"], "+")
            yield f"| {name} | {len(seeds)} | {' | '.join(cells)} | {macro} | {np.mean(seconds):.0f} |"


def decisions(place, task):
    """(B, C) answers of the encoder alone and of its blend with the baseline, decisions fitted on dev; and truth."""
    with np.load(place / "arrays.npz") as arrays:
        held_out = HeldOut(arrays["dev_logits"], arrays["dev_baseline_logits"], arrays["dev_truth"], "dev")
        logits, baseline_logits, truth = arrays["logits"], arrays["baseline_logits"], arrays["truth"]
    answers = []
    for blend in (False, True):
        fitted = FittedDecision.fit(held_out, task, DecisionPlan(blend=blend))
        answers.append(fitted.decision.apply(fitted.scores(logits, baseline_logits)))
    return *answers, truth


if __name__ == "__main__":
    main()

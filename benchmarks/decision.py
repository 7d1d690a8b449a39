"""Which decision wins on rows that it was not fitted on: thresholds, their shrinkage, calibration.

    python benchmarks/decision.py score DATA --encoder linear --out runs/decision/NAME-linear.npz
    python benchmarks/decision.py score DATA --encoder starter --out runs/decision/NAME-starter.npz
    python benchmarks/decision.py compare runs/decision/*.npz

`score` reads the training file of a data set, never its test part: it trains on some rows and writes the logits of
others, the pool. `compare` draws dev parts from the pool again and again, fits on each, and judges on the rest of
the pool. Prints Markdown tables; intervals run from the 2.5th to the 97.5th percentile of the draws.
"""

import argparse
from pathlib import Path

import numpy as np

from fenlei import Classifier, ReadOptions, read_examples, split_examples
from fenlei.journal import Journal
from fenlei.judge import thresholds
from fenlei.judge.calibration import fit_calibration
from fenlei.judge.decision import Decision
from fenlei.judge.metrics import Counts
from fenlei.judge.reliability import Reliability
from fenlei.judge.scores import scores_from_logits
from fenlei.judge.thresholds import Goal, fit_thresholds
from fenlei.model.linear import LinearModel
from fenlei.text.labels import LabelSet

GOALS = ("micro-f1", "macro-f1")


def score(arguments: argparse.Namespace) -> None:
    rows = read_examples(arguments.data, ReadOptions(on_bad_row="skip")).examples
    wanted = {"train": arguments.train_rows, "dev": arguments.dev_rows, "pool": arguments.pool_rows}
    total = min(len(rows), sum(wanted.values()))
    drawn = np.random.default_rng(0).permutation(len(rows))[:total].tolist()
    ratios = {name: count / sum(wanted.values()) for name, count in wanted.items()}
    parts = split_examples(tuple(rows[i] for i in drawn), "multilabel", ratios=ratios, seed=0)
    if arguments.encoder == "linear":
        labels = LabelSet.from_examples(parts["train"])
    else:
        with Journal() as journal:
            classifier = Classifier.train(
                parts["train"],
                dev=parts["dev"],
                journal=journal,
                encoder=arguments.encoder,
                epochs=arguments.epochs,
                task="multilabel",
                max_tokens=arguments.max_tokens,
            )
        labels = LabelSet(classifier.labels)
    known = set(labels.names)
    pool = [row for row in parts["pool"] if known.issuperset(row.labels)]
    texts = [row.text for row in pool]
    if arguments.encoder == "linear":
        train = parts["train"]
        model = LinearModel.fit([row.text for row in train], labels.encode(train, "multilabel"), "multilabel")
        logits = model.logits(texts)
    else:
        logits = classifier.logits(texts)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(arguments.out, logits=logits, truth=labels.encode(pool, "multilabel"))
    print(f"{arguments.out}: trained on {len(parts['train']):,} rows, pool of {len(pool):,}, {len(labels)} labels")


def compare(arguments: argparse.Namespace) -> None:
    for path in arguments.scores:
        table = np.load(path)
        logits, truth = table["logits"].astype(np.float64), table["truth"]
        print(f"\n### {path.stem}: pool of {len(truth):,} rows, {truth.shape[1]} labels\n")
        for dev_rows in arguments.dev_rows:
            if dev_rows > len(truth) // 2:
                continue
            _compare_thresholds(logits, truth, dev_rows, arguments)
            _compare_calibration(logits, truth, dev_rows, arguments)


def _draws(rows: int, dev_rows: int, draws: int):
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(rows)
        yield order[:dev_rows], order[dev_rows:]


def _compare_thresholds(logits, truth, dev_rows, arguments) -> None:
    settings = [("fixed", None), ("global", None), ("label", None), *(("shrunk", k) for k in arguments.shrinkage)]
    found = {}
    for dev, rest in _draws(len(truth), dev_rows, arguments.draws):
        scores = Decision(
            task="multilabel",
            thresholds=0.5,
            calibration=fit_calibration(logits[dev], truth[dev], "multilabel", arguments.calibration),
        ).scores(logits)
        raw = scores_from_logits(logits, "multilabel")
        for goal in GOALS:
            for scope, shrinkage in settings:
                thresholds.SHRINKAGE = shrinkage or thresholds.SHRINKAGE
                used = raw if scope == "fixed" else scores
                fitted = fit_thresholds(used[dev], truth[dev], Goal.parse(goal), scope)
                counts = Counts.of(truth[rest], used[rest] >= np.asarray(fitted))
                figure = counts.micro().f1 if goal == "micro-f1" else counts.per_label().f1[counts.support > 0].mean()
                found.setdefault((goal, scope, shrinkage), []).append(float(figure))
    print(f"dev of {dev_rows:,} rows, {arguments.draws} draws\n")
    print("| thresholds | micro-F1 | over global | macro-F1 | over global |\n|---|---|---|---|---|")
    for scope, shrinkage in settings:
        cells = []
        for goal in GOALS:
            values = np.array(found[goal, scope, shrinkage])
            gain = values - np.array(found[goal, "global", None])
            cells += [f"{values.mean():.4f}", _spread(gain)]
        name = scope if shrinkage is None else f"{scope}, half at {shrinkage}"
        print(f"| {name} | {' | '.join(cells)} |")
    print()


def _compare_calibration(logits, truth, dev_rows, arguments) -> None:
    found = {}
    for dev, rest in _draws(len(truth), dev_rows, arguments.draws):
        tables = {
            method: fit_calibration(logits[dev], truth[dev], "multilabel", method).apply(logits[rest], "multilabel")
            for method in ("none", "temperature", "platt")
        }
        tables["isotonic"] = _isotonic(logits[dev], truth[dev], logits[rest], tables["platt"])
        for method, scores in tables.items():
            for name, value in Reliability.of(truth[rest], scores, "multilabel").figures().items():
                found.setdefault((method, name), []).append(float(value))
    print("| calibration | calibration error x 1000 | Brier score x 1000 | less than none |\n|---|---|---|---|")
    for method in ("none", "temperature", "platt", "isotonic"):
        error = 1000 * np.array(found[method, "calibration_error"])
        brier = 1000 * np.array(found[method, "brier_score"])
        saved = 1000 * np.array(found["none", "brier_score"]) - brier
        print(
            f"| {method} | {error.mean():.3f} [{error.min():.3f}, {error.max():.3f}] "
            f"| {brier.mean():.3f} | {_spread(saved)} |"
        )
    print()


def _isotonic(logits, truth, rest, otherwise, support=30):
    """Per-label isotonic regression where a label has the support, Platt's line elsewhere: to see whether it pays."""
    from sklearn.isotonic import IsotonicRegression

    scores = otherwise.copy()
    for label in np.flatnonzero(truth.sum(axis=0) >= support):
        line = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(logits[:, label], truth[:, label])
        scores[:, label] = line.predict(rest[:, label])
    return scores


def _spread(values) -> str:
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{values.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    scoring = commands.add_parser("score")
    scoring.add_argument("data")
    scoring.add_argument("--encoder", default="linear")
    scoring.add_argument("--out", type=Path, required=True)
    scoring.add_argument("--train-rows", type=int, default=4000)
    scoring.add_argument("--dev-rows", type=int, default=500)
    scoring.add_argument("--pool-rows", type=int, default=5000)
    scoring.add_argument("--epochs", type=int, default=4)
    scoring.add_argument("--max-tokens", type=int, default=128)
    scoring.set_defaults(run=score)
    comparing = commands.add_parser("compare")
    comparing.add_argument("scores", type=Path, nargs="+")
    comparing.add_argument("--draws", type=int, default=40)
    comparing.add_argument("--dev-rows", type=int, nargs="+", default=[250, 1000])
    comparing.add_argument("--shrinkage", type=int, nargs="+", default=[5, 20, 80])
    comparing.add_argument("--calibration", default="platt")
    comparing.set_defaults(run=compare)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()

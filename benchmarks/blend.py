"""Which rule finds the better blend from few held-out rows: drawn again and again, judged on the rest.

    python benchmarks/recipes.py run FOLDER --data sogou_mini csldcp --settings default --out runs/recipes
    python benchmarks/blend.py runs/recipes/*/*,*

Takes finished trials of `benchmarks/recipes.py` or `fenlei losses`, or bundles with their held-out rows, all from
training parts. From the rows that a classifier was not trained on dev parts are drawn; each rule fits a blend on them,
the decision is fitted as ever, and both are judged on the rows left. Prints a Markdown table: the gain over the encoder
alone in the main figure and in log loss, mean over draws, and the worst draw.
"""

import argparse
from pathlib import Path

import numpy as np

from fenlei.bundle import Bundle
from fenlei.judge.blend import NO_BLEND, fit_blend
from fenlei.judge.bootstrap import percentile_interval, row_weights
from fenlei.judge.calibration import fit_calibration
from fenlei.judge.fitting import DecisionPlan
from fenlei.judge.metrics import Counts
from fenlei.study.trials import Trial


def least_loss(own, other, truth, task):
    """The blend of the least loss on these very rows."""
    return fit_blend(own, other, truth, task, prior_rows=0)


def equal_shares(own, other, truth, task):
    """Equal shares on the common scale, whatever the rows say."""
    return fit_blend(own, other, truth, task, prior_rows=1e9)


def beyond_chance(own, other, truth, task):
    """The blend of the least loss if the interval of what a row gains by it lies above 0; none otherwise."""
    found = least_loss(own, other, truth, task)
    gain = row_losses(own, truth, task) - row_losses(found.apply(own, other), truth, task)
    resampled = np.concatenate([gain @ weights / len(gain) for weights in row_weights(len(gain), 1000, seed=0)])
    return found if percentile_interval(resampled).low > 0 else NO_BLEND


def row_losses(logits, truth, task):
    scores = fit_calibration(logits, truth, task, "temperature").apply(logits, task)
    return losses_of(scores, truth, task)


def losses_of(scores, truth, task):
    chances = np.clip(scores, 1e-9, 1 - 1e-9)
    if task == "multiclass":
        return -np.log(chances[truth != 0])
    return -np.log(np.where(truth, chances, 1 - chances)).sum(axis=1)


RULES = {
    "beyond chance": beyond_chance,
    "least loss": least_loss,
    "equal": equal_shares,
    "fenlei's": fit_blend,
}


def held_out_rows(path):
    """Task, logits, baseline logits and truth of rows that a classifier was not trained on."""
    if (path / "facts.json").exists():
        trial = Trial.read(path)
        dev, names = trial.held_out, ("logits", "baseline_logits", "truth")
        return trial.task, *(np.concatenate([getattr(trial, name), getattr(dev, name)]) for name in names)
    bundle = Bundle.read(path)
    held_out = bundle.decision.held_out
    return bundle.task, held_out.logits, held_out.baseline_logits, held_out.truth


def judged(found, dev, rest, task):
    """The main figure and the log loss on other rows."""
    (own, other, truth), (new_own, new_other, new_truth) = dev, rest
    decision = DecisionPlan().fit(found.apply(own, other), truth, task)
    scores = decision.scores(found.apply(new_own, new_other))
    given = decision.apply(scores)
    counts = Counts.of(new_truth, given)
    figure = float(counts.micro().f1) if task == "multilabel" else float((given == new_truth).all(axis=1).mean())
    return figure, float(losses_of(scores, new_truth, task).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--dev-rows", type=int, nargs="+", default=[30, 60, 200])
    parser.add_argument("--draws", type=int, default=20)
    given = parser.parse_args()
    print(f"| run | dev rows | encoder alone | {' | '.join(RULES)} |\n|---|---|---|{'---|' * len(RULES)}")
    for path in given.runs:
        task, *arrays = held_out_rows(path)
        for dev_rows in given.dev_rows:
            if dev_rows > len(arrays[0]) * 2 // 3:
                continue
            found = {name: [] for name in ("alone", *RULES)}
            for seed in range(given.draws):
                order = np.random.default_rng(seed).permutation(len(arrays[0]))
                dev, rest = ([one[part] for one in arrays] for part in (order[:dev_rows], order[dev_rows:]))
                found["alone"].append(judged(NO_BLEND, dev, rest, task))
                for name, rule in RULES.items():
                    found[name].append(judged(rule(*dev, task), dev, rest, task))
            alone = np.array(found["alone"])
            cells = []
            for name in RULES:
                gain = np.array(found[name]) - alone
                cells.append(f"{gain[:, 0].mean():+.4f} (worst {gain[:, 0].min():+.4f}), loss {gain[:, 1].mean():+.3f}")
            name = f"{path.parent.name}, {path.name}" if (path / "facts.json").exists() else path.name
            print(f"| {name} | {dev_rows} | {alone[:, 0].mean():.4f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

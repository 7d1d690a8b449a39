"""How many labels broken on purpose `fenlei clean` finds, by each way of judging the scores.

    python benchmarks/label_errors.py DATA --shares 0.05 0.1 --seeds 3

Never give it a test part. Of the rows a share is broken: multi-class, another class drawn at random; multi-label, one
label removed, one added, or one exchanged, a third each (a row without labels gets one). The broken rows are all that
counts as an error, although the data have errors of their own: precision is a lower bound. All ways but the last have
fenlei's rule for sure contradictions in them. `found and mended`: of the broken rows found, those where the suspected
and suggested labels lead back to the truth. Prints Markdown tables: means over the seeds, in brackets the lowest and
the highest.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from fenlei import ReadOptions, read_examples
from fenlei.clean.evidence import evidence_of_folds
from fenlei.judge.label_errors import DEFAULTS, Method, find_label_errors
from fenlei.text.labels import LabelSet, settle_task

PLAIN = "lowest self-confidence first"


def broken_rows(truth, task, share, random):
    """The truth with a share of its rows broken, and for each row what was done to it."""
    given, done = truth.copy(), np.full(len(truth), "", dtype=object)
    for row in random.permutation(len(truth))[: round(share * len(truth))]:
        has, lacks = np.flatnonzero(truth[row]), np.flatnonzero(truth[row] == 0)
        how = "class" if task == "multiclass" else random.choice(["removed", "added", "exchanged"])
        if not len(has):
            how = "added"
        if how != "added":
            given[row, random.choice(has)] = 0
        if how != "removed":
            given[row, random.choice(lacks)] = 1
        done[row] = how
    return given, done


def figures(errors, given, truth, done):
    """Of one way of judging: rows found, their precision and recall, precision at N, recall by kind, right names."""
    broken = done != ""
    found = np.zeros(len(given), dtype=bool)
    found[errors.suspects()] = True
    order = np.lexsort((np.nan_to_num(errors.quality, nan=np.inf), ~found))[: broken.sum()]
    proposed = np.where(errors.wrong, 0, np.where(errors.missing, 1, given))
    right = (proposed == truth).all(axis=1)
    kinds = {how: found[done == how].mean() for how in ("removed", "added", "exchanged") if (done == how).any()}
    return {
        "rows found": found.sum(),
        "precision": broken[found].mean() if found.any() else 0.0,
        "recall": found[broken].mean(),
        "precision at N": broken[order].mean(),
        **{f"recall, {how}": value for how, value in kinds.items()},
        "found and mended": right[broken & found].mean() if (broken & found).any() else 0.0,
    }


def plain(errors, done):
    order = np.argsort(np.nan_to_num(errors.quality, nan=np.inf), kind="stable")[: (done != "").sum()]
    return {"precision at N": (done[order] != "").mean()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    arguments = parser.parse_args()
    rows = read_examples(arguments.data, ReadOptions(on_bad_row="skip")).examples
    task, labels = settle_task(rows), LabelSet.from_examples(rows)
    truth = labels.encode(rows, task)
    print(f"\n### {arguments.data.parent.name}/{arguments.data.name}: {len(rows):,} rows, {len(labels)} labels, {task}")
    for share in arguments.shares:
        measured: dict[str, list[dict[str, float]]] = {}
        seconds = []
        for seed in range(arguments.seeds):
            given, done = broken_rows(truth, task, share, np.random.default_rng(seed))
            names = np.array(labels.names)
            changed = [replace(row, labels=tuple(names[own != 0])) for row, own in zip(rows, given, strict=True)]
            began = time.perf_counter()
            evidence = evidence_of_folds(changed, task, folds=arguments.folds, seed=seed)
            seconds.append(time.perf_counter() - began)
            if evidence.labels.names != labels.names:
                raise SystemExit(f"seed {seed} broke every row of a label")
            for method in get_args(Method):
                errors = find_label_errors(given, evidence.scores, evidence.known, task, method)
                measured.setdefault(method, []).append(figures(errors, given, truth, done))
            measured.setdefault(PLAIN, []).append(plain(errors, done))
        columns = list(measured[DEFAULTS[task]][0])
        broken = round(share * len(rows))
        print(
            f"\n{share:.0%} broken, N = {broken}, {arguments.seeds} seeds, {np.mean(seconds):.1f} s of scoring each\n"
        )
        print(f"| way | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
        for way, runs in measured.items():
            cells = []
            for column in columns:
                values = [run[column] for run in runs if column in run]
                form = "{:.0f}" if column == "rows found" else "{:.3f}"
                shown = [form.format(value) for value in (np.mean(values), min(values), max(values))] if values else []
                cells.append(f"{shown[0]} [{shown[1]}, {shown[2]}]" if shown else "")
            name = f"**{way}**" if way == DEFAULTS[task] else way
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

"""Several ways of training on the same rows, one the default: which is better, for frequent and for rare labels.

Each way may have several runs, a seed each. A figure is the mean over them, its interval that of the mean on other
rows of the same kind; how far the seeds lie apart stands beside it.

Shapes: B rows, C labels, R resamples.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError
from fenlei.judge.figures import FIGURE_NAMES, MAIN_FIGURE, Figure, shown
from fenlei.judge.label_groups import GROUP_NAMES, group_of_label
from fenlei.judge.metrics import Bits, Counts
from fenlei.judge.resampled import Resampled, counted_figures
from fenlei.plain_table import aligned
from fenlei.text.labels import Task


@dataclass(frozen=True, eq=False)
class Answers:
    """The judged rows as one run answers them.

    Attributes:
        tuned: (B, C) labels given by the decision fitted on dev.
        untuned: (B, C) those of one fixed threshold; None: there is no such thing.
        seconds: of the run.
    """

    tuned: Bits
    untuned: Bits | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class JudgedLabels:
    """Some labels of like frequency in training, cut as the report cuts them (`label_groups.py`).

    Attributes:
        name: `head`, `middle` or `tail`.
        labels: how many.
        fewest, most: training rows that one of them has.
        judged: the columns of those that a judged row has; over these its macro-F1 runs.
    """

    name: str
    labels: int
    fewest: int
    most: int
    judged: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class VariantLine:
    """One way of training.

    Attributes:
        name: its own.
        seeds: of its runs; the default has runs of the same.
        figures: by name, the mean over the seeds; `head_f1`, `middle_f1` and `tail_f1` are macro-F1 of a group.
        spread: the standard deviation of each figure over the seeds; empty: there is one seed.
        differences: this minus the default on the same rows and seeds; empty: this is the default.
        untuned: the main figure at one fixed threshold; None: not known.
        seconds: of a run, the mean.
    """

    name: str
    seeds: tuple[int, ...]
    figures: dict[str, Figure]
    spread: dict[str, float]
    differences: dict[str, Figure]
    untuned: float | None
    seconds: float

    @property
    def verdict(self) -> str:
        """`better` or `worse` than the default in the main figure, beyond chance; empty: neither."""
        difference = next((self.differences[name] for name in MAIN_FIGURE.values() if name in self.differences), None)
        return "" if difference is None or difference.verdict == "alike" else difference.verdict


@dataclass(frozen=True, kw_only=True)
class VariantTable:
    """What a comparison of several ways of training found.

    Attributes:
        task: of all.
        rows: B.
        seed: of the bootstrap.
        default: the name of the default.
        label_groups: those that occur in judged rows; none where all labels fall into one.
        lines: the default first.
        without_seed: ways that have no seed in common with the default.
    """

    task: Task
    rows: int
    seed: int
    default: str
    label_groups: tuple[JudgedLabels, ...]
    lines: tuple[VariantLine, ...]
    without_seed: tuple[str, ...]

    def to_text(self) -> str:
        """The tables as they stand in a terminal."""
        main = MAIN_FIGURE[self.task]
        over = f"over {self.default}"
        has_untuned = self.lines[0].untuned is not None
        first = [["", FIGURE_NAMES[main], over, "", *(["at 0.5"] if has_untuned else []), "macro-F1", over, "s a run"]]
        second = [["macro-F1", *(cell for group in self.label_groups for cell in (group.name, over))]]
        for line in self.lines:
            untuned = [f"{line.untuned:.4f}"] if line.untuned is not None else []
            macro = _cells(line, "macro_f1")
            first.append([line.name, *_cells(line, main), line.verdict, *untuned, *macro, f"{line.seconds:,.0f}"])
            second.append(
                [line.name, *(cell for group in self.label_groups for cell in _cells(line, f"{group.name}_f1"))]
            )
        tables = [*aligned(first), "", *([*aligned(second), ""] if self.label_groups else [])]
        return "\n".join([*tables, *self.notes(), ""])

    def notes(self) -> tuple[str, ...]:
        """What a reader must know to take the figures for what they are."""
        seeds = self.lines[0].seeds
        notes = [
            f"{self.rows:,} judged rows; {len(seeds)} seed(s); 95% intervals of the paired difference: percentile "
            f"bootstrap over rows, seed {self.seed}"
        ]
        if len(seeds) > 1:
            notes.append("± is the standard deviation over the seeds; the intervals are of the mean over these seeds")
        else:
            notes.append("how far another seed would move a figure is not in the intervals: run several to see it")
        notes += [
            f"{group.name}: the {group.labels} labels with {group.fewest:,} to {group.most:,} training rows, "
            f"{len(group.judged)} of them in judged rows"
            for group in self.label_groups
        ]
        if self.lines[0].untuned is not None:
            notes.append(
                f"at 0.5: {FIGURE_NAMES[MAIN_FIGURE[self.task]]} without calibration and thresholds of its own"
            )
        if others := len(self.lines) - 1:
            notes.append(f"were all {others} like {self.default}, about {0.05 * others:.1f} would look better or worse")
        if self.without_seed:
            notes.append(f"left out, without a seed that {self.default} has: {', '.join(self.without_seed)}")
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = asdict(self)
        for line, own in zip(plain["lines"], self.lines, strict=True):
            line["verdict"] = own.verdict
        return plain


def compare_variants(
    truth: NDArray[Any],
    runs: Mapping[str, Mapping[int, Answers]],
    support: NDArray[np.int64],
    task: Task,
    *,
    default: str,
    groups: NDArray[Any] | None = None,
    seed: int = 0,
) -> VariantTable:
    """Compare the runs of several ways of training.

    Args:
        truth: (B, C), 0 or 1.
        runs: the answers of each way by seed.
        support: (C,) training rows that have each label.
        task: of all.
        default: the way that the others are compared with.
        groups: (B,) rows of one group are resampled together; None: each row alone.
        seed: of the bootstrap: all runs are judged on the same resamples.

    Raises:
        DataError: there are no rows.
        KeyError: the default has no run.
    """
    if not len(truth):
        raise DataError("there are no rows to judge on")
    label_groups = judged_labels(support, truth)
    parts = {f"{group.name}_f1": group.judged for group in label_groups}

    def judged(answers: Answers) -> Resampled:
        return Resampled.counted(truth, answers.tuned, task, seed=seed, groups=groups, parts=parts)

    base = {number: judged(answers) for number, answers in runs[default].items()}
    lines, without_seed = [], []
    for name in sorted(runs, key=lambda name: name != default):
        seeds = sorted(runs[name].keys() & base.keys())
        if not seeds:
            without_seed.append(name)
            continue
        own = base if name == default else {number: judged(runs[name][number]) for number in seeds}
        mean = Resampled.mean([own[number] for number in seeds])
        default_mean = mean if name == default else Resampled.mean([base[number] for number in seeds])
        each = {figure: [float(own[number].values[figure]) for number in seeds] for figure in mean.values}
        untuned = [answers.untuned for number in seeds if (answers := runs[name][number]).untuned is not None]
        lines.append(
            VariantLine(
                name=name,
                seeds=tuple(seeds),
                figures=mean.figures(),
                spread={figure: float(np.std(values, ddof=1)) for figure, values in each.items() if len(seeds) > 1},
                differences={} if name == default else mean.minus(default_mean).figures(),
                untuned=float(np.mean([_main(truth, table, task) for table in untuned])) if untuned else None,
                seconds=float(np.mean([runs[name][number].seconds for number in seeds])),
            )
        )
    return VariantTable(
        task=task,
        rows=len(truth),
        seed=seed,
        default=default,
        label_groups=label_groups,
        lines=tuple(lines),
        without_seed=tuple(without_seed),
    )


def judged_labels(support: NDArray[np.int64], truth: NDArray[Any]) -> tuple[JudgedLabels, ...]:
    """Head, middle and tail of the labels by (C,) training rows, as far as (B, C) judged rows have any of them."""
    places, occurs = group_of_label(support), (truth != 0).any(axis=0)
    if len(set(places.tolist())) == 1:
        return ()
    own = {name: np.flatnonzero(places == place) for place, name in enumerate(GROUP_NAMES)}
    return tuple(
        JudgedLabels(
            name=name,
            labels=len(labels),
            fewest=int(support[labels].min()),
            most=int(support[labels].max()),
            judged=tuple(labels[occurs[labels]].tolist()),
        )
        for name, labels in own.items()
        if occurs[labels].any()
    )


def _main(truth: NDArray[Any], given: Bits, task: Task) -> float:
    return float(counted_figures(Counts.of(truth, given), task)[MAIN_FIGURE[task]])


def _cells(line: VariantLine, figure: str) -> tuple[str, str]:
    """A figure with its spread, and its difference from the default."""
    spread = f" ±{line.spread[figure]:.4f}" if line.spread else ""
    difference = shown(line.differences[figure], "+") if line.differences else ""
    return f"{line.figures[figure].value:.4f}{spread}", difference

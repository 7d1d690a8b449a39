"""Scores and truth -> a report.

Shapes: B rows, C labels, R resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError
from fenlei.judge.bootstrap import percentile_interval, resampled_average_precision, resampled_counts
from fenlei.judge.decision import Decision
from fenlei.judge.metrics import Bits, Counts, Floats
from fenlei.judge.ranking import average_precision, mean_average_precision
from fenlei.judge.report import AverageLine, Comparison, Figure, LabelLine, Report
from fenlei.text.labels import Task


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Another system's answers on the same rows.

    Attributes:
        name: as shown, e.g. `TF-IDF + linear`.
        predicted: (B, C), 0 or 1.
        scores: (B, C), any scale.
    """

    name: str
    predicted: Bits
    scores: NDArray[Any]


def build_report(
    truth: NDArray[Any],
    scores: NDArray[np.float64],
    decision: Decision,
    labels: Sequence[str],
    *,
    baseline: Baseline | None = None,
    groups: Sequence[str] | None = None,
    seen: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Report:
    """Judge (B, C) scores against (B, C) truth.

    Args:
        truth: 0 or 1; one-hot for multi-class.
        scores: in [0, 1].
        decision: the rule that makes labels of the scores.
        labels: the C names in their order.
        baseline: another system on the same rows.
        groups: (B,) rows of one group are resampled together.
        seen: for parts of the training data (`train`, `dev`) how many of the rows were in them.
        seed: of the bootstrap.

    Raises:
        DataError: there are no rows.
        ValueError: the shapes do not fit each other, or multi-class truth is not one-hot.
    """
    if truth.shape != scores.shape or truth.shape[1] != len(labels):
        raise ValueError(f"truth {truth.shape}, scores {scores.shape} and {len(labels)} labels do not fit")
    if not len(truth):
        raise DataError("there are no rows to judge", hint="give a file that has labelled rows")
    labels_a_row = np.count_nonzero(truth, axis=1)
    if decision.task == "multiclass" and (labels_a_row != 1).any():
        raise ValueError("multi-class truth must have exactly one label a row")
    predicted = decision.apply(scores)
    drawn_together = None if groups is None else np.asarray(groups)
    own = _Judged.of(truth, predicted, scores, decision.task, drawn_together, seed)
    comparison = None
    if baseline:
        other = _Judged.of(truth, baseline.predicted, baseline.scores, decision.task, drawn_together, seed)
        comparison = Comparison(name=baseline.name, figures=other.figures(), differences=own.minus(other))
    return Report(
        task=decision.task,
        rows=len(truth),
        groups=None if groups is None else len(set(groups)),
        rows_without_label=int((labels_a_row == 0).sum()),
        rows_given_no_label=int((np.count_nonzero(predicted, axis=1) == 0).sum()),
        seed=seed,
        seen=dict(seen or {}),
        labels=_label_lines(own.counts, labels, own.average_precision, decision),
        averages=_average_lines(own.counts, decision.task),
        figures=own.figures(),
        comparison=comparison,
    )


@dataclass(frozen=True, eq=False)
class _Judged:
    """One system's figures: () each on the rows, (R,) each on the resamples, and (C,) average precision."""

    counts: Counts
    values: dict[str, Floats]
    resampled: dict[str, Floats]
    average_precision: Floats | None

    @classmethod
    def of(
        cls,
        truth: NDArray[Any],
        predicted: Bits,
        scores: NDArray[Any],
        task: Task,
        groups: NDArray[Any] | None,
        seed: int,
    ) -> "_Judged":
        counts = Counts.of(truth, predicted)
        values = counted_figures(counts, task)
        resampled = resampled_counts(
            truth,
            predicted,
            lambda resample: counted_figures(resample, task, drawn_from=counts),
            seed=seed,
            groups=groups,
        )
        if task == "multiclass":
            return cls(counts, values, resampled, None)
        per_label = average_precision(truth, scores)
        values["mean_average_precision"] = mean_average_precision(per_label)
        resampled["mean_average_precision"] = mean_average_precision(
            resampled_average_precision(truth, scores, seed=seed, groups=groups), drawn_from=per_label
        )
        return cls(counts, values, resampled, per_label)

    def figures(self) -> dict[str, Figure]:
        return {
            name: Figure(float(value), percentile_interval(self.resampled[name])) for name, value in self.values.items()
        }

    def minus(self, other: "_Judged") -> dict[str, Figure]:
        return {
            name: Figure(
                float(value - other.values[name]),
                percentile_interval(self.resampled[name] - other.resampled[name]),
            )
            for name, value in self.values.items()
        }


def counted_figures(counts: Counts, task: Task, *, drawn_from: Counts | None = None) -> dict[str, Floats]:
    """The figures of a task that follow from sums, () or (R,) each; `drawn_from` as in `Counts.macro`."""
    macro = {"macro_f1": counts.macro(drawn_from=drawn_from).f1, "weighted_f1": counts.weighted().f1}
    if task == "multiclass":
        return {"accuracy": counts.subset_accuracy(), **macro}
    return {
        "micro_f1": counts.micro().f1,
        **macro,
        "samples_f1": counts.samples().f1,
        "subset_accuracy": counts.subset_accuracy(),
        "hamming_loss": counts.hamming_loss(),
    }


def _label_lines(
    counts: Counts, labels: Sequence[str], precision_areas: Floats | None, decision: Decision
) -> tuple[LabelLine, ...]:
    each = counts.per_label()
    thresholds = None if decision.thresholds is None else decision.threshold_of_label(len(labels))
    return tuple(
        LabelLine(
            label=label,
            precision=float(each.precision[i]),
            recall=float(each.recall[i]),
            f1=float(each.f1[i]),
            support=int(counts.support[i]),
            predicted=int(counts.predicted[i]),
            average_precision=None if precision_areas is None else float(precision_areas[i]),
            threshold=None if thresholds is None else float(thresholds[i]),
        )
        for i, label in enumerate(labels)
    )


def _average_lines(counts: Counts, task: Task) -> tuple[AverageLine, ...]:
    averages = {"macro avg": counts.macro(), "weighted avg": counts.weighted()}
    if task == "multilabel":
        averages = {"micro avg": counts.micro(), **averages, "samples avg": counts.samples()}
    return tuple(
        AverageLine(
            name=name,
            precision=float(each.precision),
            recall=float(each.recall),
            f1=float(each.f1),
            support=int(counts.support.sum()),
        )
        for name, each in averages.items()
    )

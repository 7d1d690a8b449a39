"""Scores and truth -> a report.

Shapes: B rows, C labels, R resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError
from fenlei.judge.blend import NO_BLEND, Blend
from fenlei.judge.bootstrap import (
    Interval,
    mirrored_interval,
    percentile_interval,
    resampled_average_precision,
    resampled_reliability,
)
from fenlei.judge.decision import Decision
from fenlei.judge.details import build_details
from fenlei.judge.figures import Figure
from fenlei.judge.metrics import Bits, Counts
from fenlei.judge.ranking import average_precision
from fenlei.judge.reliability import Reliability
from fenlei.judge.report import AverageLine, Comparison, LabelLine, Report, Subset
from fenlei.judge.resampled import OfLabels, Resampled
from fenlei.judge.row_facts import Lengths
from fenlei.judge.thresholds import MICRO_F1, Scope, fit_thresholds
from fenlei.text.labels import Task


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Another system's answers on the same rows.

    Attributes:
        name: as shown, e.g. `TF-IDF + linear`.
        predicted: (B, C), 0 or 1.
        scores: (B, C) in [0, 1].
    """

    name: str
    predicted: Bits
    scores: NDArray[np.float64]


def build_report(
    truth: NDArray[Any],
    scores: NDArray[np.float64],
    decision: Decision,
    labels: Sequence[str],
    *,
    uncalibrated: NDArray[np.float64] | None = None,
    blend: Blend = NO_BLEND,
    baseline: Baseline | None = None,
    groups: Sequence[str] | None = None,
    seen: Mapping[str, NDArray[np.bool_]] | None = None,
    training_rows: Sequence[int] | None = None,
    lengths: Lengths | None = None,
    seed: int = 0,
) -> Report:
    """Judge (B, C) scores against (B, C) truth.

    Args:
        truth: 0 or 1; one-hot for multi-class.
        scores: in [0, 1].
        decision: the rule that makes labels of the scores.
        labels: the C names in their order.
        uncalibrated: (B, C) scores of the encoder alone before calibration.
        blend: what the scores are made of, for people.
        baseline: another system on the same rows.
        groups: (B,) rows of one group are resampled together.
        seen: for parts of what made the classifier (`train`, `dev`, `decision`), (B,) whether a row was in it;
            None: not known.
        training_rows: (C,) training rows of each label; None: not known.
        lengths: of the B texts; None: not known.
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
    own = _judged(truth, predicted, scores, decision.task, drawn_together, seed)
    counts, comparison = Counts.of(truth, predicted), None
    if baseline:
        other = _judged(truth, baseline.predicted, baseline.scores, decision.task, drawn_together, seed)
        comparison = Comparison(name=baseline.name, figures=_figures(other), differences=_differences(own, other))
    before = {} if uncalibrated is None else Reliability.of(truth, uncalibrated, decision.task).figures()

    def judged_alone(name: str, rows: NDArray[np.bool_]) -> Subset:
        together = None if drawn_together is None else drawn_together[rows]
        judged = _judged(truth[rows], predicted[rows], scores[rows], decision.task, together, seed)
        return Subset(name=name, rows=int(rows.sum()), figures=_figures(judged))

    known = np.zeros(len(truth), dtype=bool) if not seen else np.any(list(seen.values()), axis=0)
    unsure = decision.needs_person(scores)
    parts = {"unseen": ~known, "sure": ~unsure}
    return Report(
        task=decision.task,
        rows=len(truth),
        groups=None if groups is None else len(set(groups)),
        rows_without_label=int((labels_a_row == 0).sum()),
        rows_given_no_label=int((np.count_nonzero(predicted, axis=1) == 0).sum()),
        rows_for_a_person=int(unsure.sum()),
        seed=seed,
        seen=None if seen is None else {part: int(found.sum()) for part, found in seen.items()},
        labels=_label_lines(own, counts, labels, decision, training_rows),
        averages=_average_lines(counts, decision.task),
        figures=_figures(own),
        before_calibration={name: float(value) for name, value in before.items()},
        blend=blend if blend.baseline else None,
        oracle=_oracle(truth, scores, decision),
        subsets=tuple(judged_alone(name, rows) for name, rows in parts.items() if rows.any() and not rows.all()),
        comparison=comparison,
        details=build_details(
            truth,
            predicted,
            scores,
            labels,
            decision.task,
            counts,
            own.of_labels["macro_f1"].resampled,
            uncalibrated=uncalibrated,
            training_rows=training_rows,
            lengths=lengths,
            seed=seed,
            groups=drawn_together,
        ),
    )


def _oracle(truth: NDArray[Any], scores: NDArray[np.float64], decision: Decision) -> float | None:
    """Micro-F1 with thresholds fitted for it on these very rows, as many as the decision has; not below its own."""
    if decision.task == "multiclass":
        return None
    scope: Scope = "label" if isinstance(decision.thresholds, tuple) else "global"
    best = replace(decision, thresholds=fit_thresholds(scores, truth, MICRO_F1, scope))
    return max(float(Counts.of(truth, one.apply(scores)).micro().f1) for one in (best, decision))


def _judged(
    truth: NDArray[Any], predicted: Bits, scores: NDArray[Any], task: Task, groups: NDArray[Any] | None, seed: int
) -> Resampled:
    """All figures of one system."""
    counted = Resampled.counted(truth, predicted, task, seed=seed, groups=groups)
    reliability = Reliability.of(truth, scores, task)
    values = {**counted.values, **reliability.figures()}
    resampled = counted.resampled | resampled_reliability(reliability, seed=seed, groups=groups)
    of_labels = counted.of_labels
    if task == "multilabel":
        areas = average_precision(truth, scores)
        resampled_areas = resampled_average_precision(truth, scores, drawn_from=areas, seed=seed, groups=groups)
        values["mean_average_precision"] = areas.mean()
        support = of_labels["macro_f1"].support
        of_labels = of_labels | {"mean_average_precision": OfLabels(areas, resampled_areas, support)}
    return Resampled(values, resampled, of_labels)


def _figures(judged: Resampled) -> dict[str, Figure]:
    figures = judged.figures()
    error = figures["calibration_error"].value
    interval = mirrored_interval(error, judged.resampled["calibration_error"])
    return figures | {"calibration_error": Figure(error, Interval(max(interval.low, 0.0), interval.high))}


def _differences(own: Resampled, other: Resampled) -> dict[str, Figure]:
    apart = own.minus(other)
    figures = apart.figures()
    # Noise raises both errors, and not alike: beyond chance is what both ways of reading the resamples say.
    error, one = figures["calibration_error"].value, figures["calibration_error"].interval
    two = mirrored_interval(error, apart.resampled["calibration_error"])
    both = Interval(min(one.low, two.low), max(one.high, two.high))
    return figures | {"calibration_error": Figure(error, both)}


def _label_lines(
    judged: Resampled,
    counts: Counts,
    labels: Sequence[str],
    decision: Decision,
    training_rows: Sequence[int] | None,
) -> tuple[LabelLine, ...]:
    resampled_f1 = judged.of_labels["macro_f1"].resampled
    precision_areas = judged.of_labels.get("mean_average_precision")
    each = counts.per_label()
    thresholds = None if decision.thresholds is None else decision.threshold_of_label(len(labels))
    return tuple(
        LabelLine(
            label=label,
            precision=float(each.precision[i]),
            recall=float(each.recall[i]),
            f1=float(each.f1[i]),
            f1_interval=percentile_interval(resampled_f1[:, i]),
            support=int(counts.support[i]),
            predicted=int(counts.predicted[i]),
            average_precision=None if precision_areas is None else float(precision_areas.each[i]),
            threshold=None if thresholds is None else float(thresholds[i]),
            training_rows=None if training_rows is None else int(training_rows[i]),
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

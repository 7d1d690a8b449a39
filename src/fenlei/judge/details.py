"""What lies behind the averages of a report, all from arrays and all of bounded size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fenlei.judge.confusions import Confusions, CoOccurrence, co_occurrence, confusions
from fenlei.judge.curves import Curves, curves
from fenlei.judge.label_groups import LabelGroups, label_groups
from fenlei.judge.metrics import Bits, Counts, Floats
from fenlei.judge.row_facts import Lengths, RowFacts, row_facts
from fenlei.text.labels import Task


@dataclass(frozen=True, kw_only=True)
class Details:
    """The parts of a report that explain its averages.

    Attributes:
        label_groups: frequent and rare labels apart.
        confusions: which label is taken for which.
        co_occurrence: which labels stand together; None for a multi-class task.
        curves: precision and recall, calibration, the scores.
        rows: which rows go wrong.
    """

    label_groups: LabelGroups
    confusions: Confusions
    co_occurrence: CoOccurrence | None
    curves: Curves
    rows: RowFacts


def build_details(
    truth: NDArray[Any],
    predicted: Bits,
    scores: Floats,
    labels: Sequence[str],
    task: Task,
    counts: Counts,
    resampled_f1: Floats,
    *,
    uncalibrated: Floats | None,
    training_rows: Sequence[int] | None,
    lengths: Lengths | None,
    seed: int,
    groups: NDArray[Any] | None,
) -> Details:
    """From (B, C) truth, given labels and scores; (R, C) `resampled_f1`; the rest as in `build_report`."""
    return Details(
        label_groups=label_groups(counts, resampled_f1, training_rows),
        confusions=confusions(truth, predicted, labels, task),
        co_occurrence=co_occurrence(truth, predicted, labels) if task == "multilabel" else None,
        curves=curves(truth, scores, counts, labels, task, uncalibrated),
        rows=row_facts(truth, predicted, task, lengths, seed=seed, groups=groups),
    )

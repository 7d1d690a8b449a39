"""Frequent, middling and rare labels judged apart: an average over all hides what happens to the rare ones.

A label belongs to the head when the labels that are more frequent hold less than half of all label assignments
between them, to the middle when they hold less than nine tenths, otherwise to the tail. Labels of equal frequency
stay together, and the order of the labels does not matter.

Shapes: C labels, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.bootstrap import Interval, mean_interval
from fenlei.judge.metrics import Counts, Floats, Integers, rates, ratio

GROUP_NAMES: tuple[Literal["head", "middle", "tail"], ...] = ("head", "middle", "tail")

# Shares of all assignments that the more frequent labels hold, where the middle and the tail begin.
BORDERS = (0.5, 0.9)


@dataclass(frozen=True, kw_only=True)
class LabelGroup:
    """Some labels of like frequency.

    Attributes:
        name: `head`, `middle` or `tail`.
        labels: how many.
        occurring: how many of them occur in the judged rows.
        fewest, most: rows that a label of the group has, where the groups were cut.
        support: true labels of the group in the judged rows.
        precision, recall, f1: from the sums over the group's labels.
        macro_f1: the mean over those that occur; None: none does.
        interval: of `macro_f1`.
    """

    name: Literal["head", "middle", "tail"]
    labels: int
    occurring: int
    fewest: int
    most: int
    support: int
    precision: float
    recall: float
    f1: float
    macro_f1: float | None
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class LabelGroups:
    """The groups that are not empty, most frequent first.

    Attributes:
        by: the rows whose labels were counted to cut the groups: `training` or `judged`.
        groups: one to three.
    """

    by: Literal["training", "judged"]
    groups: tuple[LabelGroup, ...]


def label_groups(counts: Counts, resampled_f1: Floats, training_rows: Sequence[int] | None) -> LabelGroups:
    """Cut the labels into groups and judge each.

    Args:
        counts: of the judged rows.
        resampled_f1: (R, C).
        training_rows: (C,) training rows of each label; None: not known, the judged rows are counted.
    """
    rows = counts.support if training_rows is None else np.asarray(training_rows, dtype=np.int64)
    places, each = group_of_label(rows), counts.per_label().f1
    groups = []
    for place, name in enumerate(GROUP_NAMES):
        own = places == place
        if not own.any():
            continue
        occurring = own & (counts.support > 0)
        sums = rates(counts.tp[own].sum(), counts.predicted[own].sum(), counts.support[own].sum())
        groups.append(
            LabelGroup(
                name=name,
                labels=int(own.sum()),
                occurring=int(occurring.sum()),
                fewest=int(rows[own].min()),
                most=int(rows[own].max()),
                support=int(counts.support[own].sum()),
                precision=float(sums.precision),
                recall=float(sums.recall),
                f1=float(sums.f1),
                macro_f1=float(each[occurring].mean()) if occurring.any() else None,
                interval=mean_interval(each[occurring], resampled_f1[:, occurring], counts.support[occurring])
                if occurring.any()
                else None,
            )
        )
    return LabelGroups(by="judged" if training_rows is None else "training", groups=tuple(groups))


def group_of_label(rows: Integers) -> NDArray[np.int64]:
    """(C,) rows of each label -> (C,) 0 for the head, 1 for the middle, 2 for the tail."""
    frequencies, which = np.unique(rows, return_inverse=True)
    held = np.bincount(which, weights=rows)
    held_by_more_frequent = held.sum() - np.cumsum(held)
    share = ratio(held_by_more_frequent, np.full(len(frequencies), held.sum()))
    return np.searchsorted(BORDERS, share, side="right")[which]

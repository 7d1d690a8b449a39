"""Thresholds for a goal: exact over all thresholds there are, for all labels at once or one a label.

Candidates lie midway between adjacent scores. Of equally good ones the nearest to an anchor wins: 0.5 for all
labels at once, the threshold of all labels for one label.

Shapes: B rows, C labels, n cells or rows in falling order of their scores.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import SettingsError
from fenlei.judge.metrics import Floats, Integers, rates, ratio

# Where a sigmoid says "as likely as not", and where ZLPR and cross-entropy put the border in training.
DEFAULT_THRESHOLD = 0.5

Measure = Literal["micro-f1", "macro-f1", "samples-f1", "precision", "recall"]
Scope = Literal["fixed", "global", "label", "shrunk"]

# A label's own threshold counts half where it has this many positive rows.
SHRINKAGE = 20

_SWEEPS = 10


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What thresholds are fitted for.

    Attributes:
        measure: an F1 to maximise, or what must not fall below `floor` while the other one is maximised.
        floor: for `precision` and `recall`, in (0, 1].

    Raises:
        SettingsError: there is no such measure, or it has no floor, or needs one.
    """

    measure: Measure
    floor: float | None = None

    def __post_init__(self) -> None:
        floored = self.measure in ("precision", "recall")
        if (
            self.measure not in get_args(Measure)
            or (self.floor is not None) != floored
            or (self.floor is not None and not 0 < self.floor <= 1)
        ):
            raise SettingsError(
                f"--for is {str(self)!r}; accepted are micro-f1, macro-f1, samples-f1, precision=P and recall=P, "
                "with P in (0, 1]"
            )

    @classmethod
    def parse(cls, text: str) -> "Goal":
        """`micro-f1`, `macro-f1`, `samples-f1`, `precision=0.9` or `recall=0.8`.

        Raises:
            SettingsError: it is none of these.
        """
        name, _, number = text.partition("=")
        try:
            return cls(measure=cast(Measure, name), floor=float(number) if number else None)
        except ValueError:
            raise SettingsError(f"--for is {text!r}: {number!r} is no number") from None

    def __str__(self) -> str:
        return self.measure if self.floor is None else f"{self.measure}={self.floor:g}"


MICRO_F1 = Goal(measure="micro-f1")


def known_scope(name: str) -> Scope:
    """The scope that the user named.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in get_args(Scope):
        raise SettingsError(f"--thresholds is {name!r}; accepted are {', '.join(get_args(Scope))}")
    return cast(Scope, name)


def fit_thresholds(
    scores: NDArray[np.float64], truth: NDArray[Any], goal: Goal, scope: Scope
) -> float | tuple[float, ...]:
    """The thresholds that reach the goal best on (B, C) scores in [0, 1] and truth.

    Args:
        scores: of rows that the classifier was not trained on.
        truth: 0 or 1.
        goal: what they are for.
        scope: `fixed` is 0.5; `global` one for all labels; `label` one a label; `shrunk` one a label, drawn on the
            scale of logits to the global one by support / (support + SHRINKAGE), so that a rare label does
            not take an accident of its few rows for a rule.

    Returns:
        One threshold, or C. Where no label is true nothing can be fitted: 0.5. For a precision that no threshold
        reaches it is 1, which gives the label to no text; a recall is always reached.
    """
    right = truth != 0
    if scope == "fixed" or not right.any():
        return DEFAULT_THRESHOLD
    together = fit_global_threshold(scores, right, goal)
    if scope == "global":
        return together
    own = _fit_each(scores, right, goal, together)
    if scope == "shrunk":
        support = right.sum(axis=0)
        shrunk = _sigmoid(_logit(together) + support / (support + SHRINKAGE) * (_logit(own) - _logit(together)))
        # A floor that a label's own threshold keeps must not be lost on the way to the global one: below its own
        # recall only rises, above it precision may fall too.
        if goal.measure == "recall":
            shrunk = np.minimum(own, shrunk)
        if goal.measure == "precision":
            given = scores >= shrunk
            precise = ratio((given & right).sum(axis=0), given.sum(axis=0)) >= cast(float, goal.floor)
            shrunk = np.where((shrunk > own) & precise, shrunk, own)
        own = shrunk
    return tuple(own.tolist())


def fit_global_threshold(scores: NDArray[np.float64], truth: NDArray[Any], goal: Goal = MICRO_F1) -> float:
    """The one threshold for all labels; by default that with the highest micro-F1. See `fit_thresholds`."""
    right = truth != 0
    if not right.any():
        return DEFAULT_THRESHOLD
    # Below the lowest score of a true label come wrong ones only, which helps no goal.
    lowest = scores[right].min()
    row, label = np.nonzero(scores >= lowest)
    order = np.argsort(-scores[row, label], kind="stable")
    row, label = row[order], label[order]
    values, hits = scores[row, label], right[row, label]
    if goal.measure in ("macro-f1", "samples-f1"):
        groups, total = (label, right.sum(axis=0)) if goal.measure == "macro-f1" else (row, right.sum(axis=1))
        quality = _mean_f1(hits, groups, total)
    else:
        quality = _quality(np.cumsum(hits), np.arange(1, len(hits) + 1), int(right.sum()), goal)
    below = scores[scores < lowest].max(initial=0.0)
    return _best_threshold(values, float(below), quality, DEFAULT_THRESHOLD)


def _fit_each(scores: Floats, right: NDArray[np.bool_], goal: Goal, together: float) -> Floats:
    """(C,) thresholds, each label's own; a label without true rows takes the global one."""
    columns = [_Column.of(scores[:, label], right[:, label]) for label in range(scores.shape[1])]
    if goal.measure == "micro-f1":
        # Labels without true rows keep the global threshold, and what it wrongly gives of them counts.
        given = sum(int((scores[:, i] >= together).sum()) for i, column in enumerate(columns) if not column.support)
        return _fit_each_for_micro(columns, together, given)
    if goal.measure == "samples-f1":
        return _fit_each_for_samples(scores, right, columns, together)
    per_label = MICRO_F1 if goal.measure == "macro-f1" else goal
    return np.array(
        [column.threshold(_quality(column.tp, column.given, column.support, per_label), together) for column in columns]
    )


@dataclass(frozen=True, eq=False)
class _Column:
    """One label's rows in falling order of score, down to its last true one.

    Attributes:
        rows: (n,) their numbers.
        values: (n,) their scores.
        below: the next lower score, 0 where there is none.
        tp, given: (n,) true rows among the first 1 .. n, and how many these are.
        support: true rows.
    """

    rows: Integers
    values: Floats
    below: float
    tp: Integers
    given: Integers
    support: int

    @classmethod
    def of(cls, scores: Floats, right: NDArray[np.bool_]) -> "_Column":
        lowest = scores[right].min(initial=np.inf)
        rows = np.flatnonzero(scores >= lowest)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        below = float(scores[scores < lowest].max(initial=0.0))
        given = np.arange(1, len(rows) + 1)
        return cls(rows, scores[rows], below, np.cumsum(right[rows]), given, int(right.sum()))

    def threshold(self, quality: Floats, anchor: float) -> float:
        return _best_threshold(self.values, self.below, quality, anchor) if self.support else anchor


def _fit_each_for_micro(columns: list[_Column], together: float, given_elsewhere: int) -> Floats:
    """The jointly best thresholds: the ratio 2 TP / (given + support) is raised by Dinkelbach's method.

    For a trial value v of the ratio the sum 2 TP - v given falls apart into labels; the best thresholds of
    each give a higher ratio, until it stands still.
    """
    support = sum(column.support for column in columns)
    reached, thresholds = 0.0, np.full(len(columns), together)
    for _ in range(_SWEEPS):
        thresholds = np.array(
            [
                # Giving the label to no row adds 0.
                column.threshold(2 * column.tp - reached * column.given, together)
                if not column.support or (2 * column.tp - reached * column.given).max() > 0
                else _above(column.values.max(initial=together))
                for column in columns
            ]
        )
        chosen = [int((column.values >= t).sum()) for column, t in zip(columns, thresholds, strict=True)]
        tp = sum(int(column.tp[n - 1]) for column, n in zip(columns, chosen, strict=True) if n)
        ratio_now = 2 * tp / (sum(chosen) + given_elsewhere + support)
        if ratio_now <= reached:
            break
        reached = ratio_now
    return thresholds


def _fit_each_for_samples(scores: Floats, right: NDArray[np.bool_], columns: list[_Column], together: float) -> Floats:
    """Label after label, the others held, until nothing moves: rows join labels, so there is no exact way."""
    thresholds = np.full(len(columns), together)
    predicted = scores >= together
    hits, given, support = (predicted & right).sum(axis=1), predicted.sum(axis=1), right.sum(axis=1)
    for _ in range(_SWEEPS):
        before = thresholds.copy()
        for label, column in enumerate(columns):
            if not column.support:
                continue
            now = predicted[:, label]
            others_hit, others_given = hits - (now & right[:, label]), given - now
            gain = (
                rates(others_hit + right[:, label], others_given + 1, support).f1
                - rates(others_hit, others_given, support).f1
            )
            thresholds[label] = column.threshold(np.cumsum(gain[column.rows]), thresholds[label])
            predicted[:, label] = now = scores[:, label] >= thresholds[label]
            hits, given = others_hit + (now & right[:, label]), others_given + now
        if (thresholds == before).all():
            break
    return thresholds


def _quality(tp: Integers, given: Integers, support: int, goal: Goal) -> Floats:
    """(n,) how good it is to give the first 1 .. n cells; never above 0 where a floor is missed."""
    each = rates(tp, given, np.asarray(support))
    if goal.measure == "precision":
        return np.where(each.precision >= cast(float, goal.floor), each.recall, -1 + each.precision)
    if goal.measure == "recall":
        return np.where(each.recall >= cast(float, goal.floor), each.precision, -1 + each.recall)
    return each.f1


def _mean_f1(hits: NDArray[np.bool_], groups: Integers, support: Integers) -> Floats:
    """(n,) the mean over groups (labels or rows) of their F1 when the first 1 .. n cells are given."""
    order = np.argsort(groups, kind="stable")
    first = np.searchsorted(groups[order], np.arange(len(support)))
    tp: Integers = np.cumsum(hits[order])
    place = np.arange(len(order))
    start = first[groups[order]]
    tp = tp - np.where(start > 0, tp[start - 1], 0)
    f1: Floats = ratio(2 * tp, np.add(place - start + 1, support[groups[order]]))
    gained = np.diff(f1, prepend=0.0)
    gained[place == start] = f1[place == start]
    steps = np.empty_like(gained)
    steps[order] = gained
    return np.asarray(np.cumsum(steps) / len(support))


def _best_threshold(values: Floats, below: float, quality: Floats, anchor: float) -> float:
    """The best of the thresholds under each of the falling `values`; `below` follows the last of them.

    Where even the best quality is negative, a floor that cannot be reached, it lies above all scores there can be.
    """
    last_of_tie = np.append(values[1:] != values[:-1], True)
    next_lower = np.append(values[1:], below)
    midpoints = next_lower + (values - next_lower) / 2
    # Between neighbouring floats there is no midpoint; the upper one still parts them.
    thresholds = np.where(midpoints > next_lower, midpoints, values)[last_of_tie]
    quality = quality[last_of_tie]
    if quality.max() < 0:
        return 1.0  # calibrated scores stay below it
    best = thresholds[quality == quality.max()]
    return float(best[np.abs(best - anchor).argmin()])


def _above(value: float) -> float:
    """A threshold that `value` does not reach, where there is one."""
    return min(1.0, max(float(np.nextafter(value, 2)), value + (1 - value) / 2))


def _logit(share: Any) -> Floats:
    bounded = np.clip(share, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _sigmoid(logit: Floats) -> Floats:
    return 1 / (1 + np.exp(-logit))

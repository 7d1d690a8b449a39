"""The decision: the saved rule from scores to labels, the same wherever fenlei answers.

Shapes: B texts, C labels. Scores lie in [0, 1].
"""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import BundleError, SettingsError
from fenlei.judge.metrics import Bits
from fenlei.text.labels import Task

# Where a sigmoid says "as likely as not", and where ZLPR and cross-entropy put the border in training.
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Scores -> labels.

    Attributes:
        task: multi-label gives each label that reaches its threshold; multi-class the highest-scoring label.
        thresholds: one for all labels, or one a label (C); `None` for multi-class.

    Raises:
        SettingsError: a threshold outside [0, 1], one for multi-class or none for multi-label.

    Example:
        >>> Decision(task="multilabel", thresholds=0.5).apply(np.array([[0.7, 0.1]]))
        array([[1, 0]], dtype=uint8)
    """

    task: Task
    thresholds: float | tuple[float, ...] | None

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise SettingsError(f"unknown task {self.task!r}; it is one of {', '.join(get_args(Task))}")
        if (self.thresholds is None) != (self.task == "multiclass"):
            raise SettingsError(
                f"a {self.task} decision cannot have the threshold {self.thresholds!r}",
                hint="a multilabel decision needs a threshold, a multiclass one takes the highest score",
            )
        for threshold in self.thresholds if isinstance(self.thresholds, tuple) else (self.thresholds,):
            if threshold is not None and not 0 <= threshold <= 1:
                raise SettingsError(f"the threshold {threshold} lies outside [0, 1], the scale of the scores")

    @classmethod
    def default(cls, task: Task) -> "Decision":
        """The rule before anything was fitted: 0.5, or the highest score."""
        return cls(task=task, thresholds=DEFAULT_THRESHOLD if task == "multilabel" else None)

    def apply(self, scores: NDArray[np.float64]) -> Bits:
        """(B, C) scores -> (B, C), 1 where the text gets the label; of equal highest scores the first wins.

        Raises:
            ValueError: there are not as many thresholds as labels.
        """
        if self.thresholds is None:
            chosen = np.zeros(scores.shape, dtype=np.uint8)
            chosen[np.arange(len(scores)), scores.argmax(axis=1)] = 1
            return chosen
        return (scores >= self.threshold_of_label(scores.shape[1])).astype(np.uint8)

    def threshold_of_label(self, labels: int) -> NDArray[np.float64]:
        """The (C,) thresholds of a multi-label decision.

        Raises:
            ValueError: there are not as many as labels.
        """
        thresholds = np.asarray(self.thresholds, dtype=np.float64)
        if thresholds.shape not in ((), (labels,)):
            raise ValueError(f"{thresholds.size} thresholds for {labels} labels")
        return np.broadcast_to(thresholds, (labels,))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        thresholds = list(self.thresholds) if isinstance(self.thresholds, tuple) else self.thresholds
        return {"task": self.task, "thresholds": thresholds}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Decision":
        """The inverse of `to_dict`.

        Raises:
            BundleError: a field is missing, unknown or cannot be right.
        """
        if set(plain) != {"task", "thresholds"}:
            raise BundleError(f"a decision has the fields task and thresholds, not {sorted(plain)}")
        thresholds = plain["thresholds"]
        try:
            return cls(
                task=plain["task"],
                thresholds=tuple(map(float, thresholds)) if isinstance(thresholds, list) else thresholds,
            )
        except (SettingsError, TypeError, ValueError) as error:
            raise BundleError(f"the decision {plain} cannot be right: {error}") from error


def fit_decision(scores: NDArray[np.float64], truth: NDArray[Any], task: Task) -> Decision:
    """The decision with the best global threshold on (B, C) scores and truth of the dev part."""
    if task == "multiclass":
        return Decision.default(task)
    return Decision(task=task, thresholds=fit_global_threshold(scores, truth))


def fit_global_threshold(scores: NDArray[np.float64], truth: NDArray[Any]) -> float:
    """The one threshold with the highest micro-F1, exact over all of them.

    Candidates are the midpoints between adjacent scores; of equally good ones the nearest to 0.5 wins.
    Without any true label nothing can be fitted: 0.5.

    Args:
        scores: (B, C) in [0, 1].
        truth: (B, C), 0 or 1.
    """
    right = truth != 0
    positives = int(right.sum())
    if not positives:
        return DEFAULT_THRESHOLD
    # Below the lowest score of a true label more wrong ones would come, and no right one.
    kept = scores >= scores[right].min()
    values, hits = scores[kept], right[kept]
    order = np.argsort(-values, kind="stable")
    values, tp = values[order], np.cumsum(hits[order])
    last_of_tie = np.append(values[1:] != values[:-1], True)
    f1 = 2 * tp / (np.arange(1, len(values) + 1) + positives)
    below = _next_below(scores, values)
    midpoints = below + (values - below) / 2
    # Between neighbouring floats there is no midpoint; the upper one still parts them.
    thresholds = np.where(midpoints > below, midpoints, values)[last_of_tie]
    best = f1[last_of_tie] == f1[last_of_tie].max()
    nearest = np.abs(thresholds[best] - DEFAULT_THRESHOLD).argmin()
    return float(thresholds[best][nearest])


def _next_below(scores: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score that follows each of `values` (descending, the top of `scores`); 0 after the last of all."""
    rest = scores[scores < values[-1]]
    return np.append(values[1:], rest.max() if rest.size else 0.0)

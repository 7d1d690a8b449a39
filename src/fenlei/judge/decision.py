"""The decision: the saved rule from logits to scores to labels, the same wherever fenlei answers.

Shapes: B texts, C labels. Scores lie in [0, 1].
"""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import BundleError, SettingsError
from fenlei.judge.calibration import NO_CALIBRATION, Calibration
from fenlei.judge.certainty import certainty
from fenlei.judge.metrics import Bits, Floats, row_blocks
from fenlei.judge.rules import NO_RULES, Rules
from fenlei.judge.thresholds import DEFAULT_THRESHOLD
from fenlei.text.labels import Task


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Logits -> scores -> labels.

    Attributes:
        task: multi-label gives each label that reaches its threshold; multi-class the highest-scoring label.
        thresholds: one for all labels, or one a label (C); `None` for multi-class.
        calibration: logits -> scores.
        rules: which label sets are possible; none for multi-class.
        person_below: rows that are less certain than this need a person; 0: none does. See `certainty`.

    Raises:
        SettingsError: a threshold outside [0, 1], or what does not fit the task.

    Example:
        >>> Decision(task="multilabel", thresholds=0.5).apply(np.array([[0.7, 0.1]]))
        array([[1, 0]], dtype=uint8)
    """

    task: Task
    thresholds: float | tuple[float, ...] | None
    calibration: Calibration = NO_CALIBRATION
    rules: Rules = NO_RULES
    person_below: float = 0.0

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise SettingsError(f"unknown task {self.task!r}; it is one of {', '.join(get_args(Task))}")
        if (self.thresholds is None) != (self.task == "multiclass"):
            raise SettingsError(
                f"a {self.task} decision cannot have the threshold {self.thresholds!r}",
                hint="a multilabel decision needs a threshold, a multiclass one takes the highest score",
            )
        for threshold in self.thresholds if isinstance(self.thresholds, tuple) else (self.thresholds,):
            if threshold is not None and (isinstance(threshold, bool) or not 0 <= threshold <= 1):
                raise SettingsError(f"the threshold {threshold} lies outside [0, 1], the scale of the scores")
        if self.task == "multiclass" and self.rules.any:
            raise SettingsError(
                "a multiclass decision gives exactly one label: at-least-one, at-most, parents and exclusive labels "
                "say nothing to it"
            )
        if self.task == "multiclass" and any(self.calibration.intercepts):
            raise SettingsError("a multiclass calibration has one slope and no intercept: the highest score stays it")
        if not 0 <= self.person_below <= 1:
            raise SettingsError(f"the certainty {self.person_below} lies outside [0, 1]")

    @classmethod
    def default(cls, task: Task) -> "Decision":
        """The rule before anything was fitted: 0.5, or the highest score."""
        return cls(task=task, thresholds=DEFAULT_THRESHOLD if task == "multilabel" else None)

    def scores(self, logits: NDArray[Any]) -> Floats:
        """(B, C) logits -> (B, C) calibrated scores in [0, 1].

        Raises:
            DataError: a logit is not finite.
            ValueError: the calibration is one of another number of labels.
        """
        return self.calibration.apply(logits, self.task)

    def apply(self, scores: NDArray[np.float64]) -> Bits:
        """(B, C) scores -> (B, C), 1 where the text gets the label; of equal highest scores the first wins.

        Raises:
            ValueError: there are not as many thresholds as labels.
        """
        chosen = np.zeros(scores.shape, dtype=np.uint8)
        if self.thresholds is None:
            chosen[np.arange(len(scores)), scores.argmax(axis=1)] = 1
            return chosen
        thresholds = self.threshold_of_label(scores.shape[1])
        for block in row_blocks(*scores.shape):
            if self.rules.any:
                chosen[block] = self.rules.apply(scores[block] - thresholds)
            else:
                chosen[block] = scores[block] >= thresholds
        return chosen

    def certainty(self, scores: NDArray[np.float64]) -> Floats:
        """(B, C) scores -> (B,) in [0, 1], how much a score would have to change for the labels to change.

        Multi-label: the least distance of a score from its threshold, or from where a rule would answer otherwise.
        Multi-class: the lead of the highest score over the next.
        """
        if self.thresholds is None:
            runner_up, highest = np.partition(scores, -2, axis=1)[:, -2:].T
            return np.asarray(highest - runner_up)
        thresholds, nearest = self.threshold_of_label(scores.shape[1]), np.empty(len(scores))
        for block in row_blocks(*scores.shape):
            margins = scores[block] - thresholds
            # Without rules no row has to be sorted.
            nearest[block] = certainty(self.rules, margins) if self.rules.any else np.abs(margins).min(axis=1)
        return np.minimum(nearest, 1.0)

    def needs_person(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(B, C) scores -> (B,), true where a person should look."""
        return self.certainty(scores) < self.person_below

    def threshold_of_label(self, labels: int) -> Floats:
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
        return {
            "task": self.task,
            "thresholds": list(self.thresholds) if isinstance(self.thresholds, tuple) else self.thresholds,
            "calibration": {
                "slopes": list(self.calibration.slopes),
                "intercepts": list(self.calibration.intercepts),
            },
            "rules": self.rules.to_dict(),
            "person_below": self.person_below,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Decision":
        """The inverse of `to_dict`.

        Raises:
            BundleError: a field is missing, unknown or cannot be right.
        """
        expected = ["task", "thresholds", "calibration", "rules", "person_below"]
        if set(plain) != set(expected):
            raise BundleError(f"a decision has the fields {', '.join(expected)}, not {sorted(plain)}")
        thresholds, calibration = plain["thresholds"], plain["calibration"]
        try:
            return cls(
                task=plain["task"],
                thresholds=tuple(map(float, thresholds)) if isinstance(thresholds, list) else thresholds,
                calibration=Calibration(
                    slopes=tuple(map(float, calibration["slopes"])),
                    intercepts=tuple(map(float, calibration["intercepts"])),
                ),
                rules=Rules.from_dict(plain["rules"]),
                person_below=float(plain["person_below"]),
            )
        except (SettingsError, KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the decision cannot be right: {error}") from error

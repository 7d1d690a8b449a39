"""Calibration: logits -> scores that can be read as probabilities, without changing how a label ranks its rows.

One temperature for all labels (Guo et al., 2017, "On Calibration of Modern Neural Networks"), or a slope and an
intercept a label (Platt, 1999, "Probabilistic Outputs for Support Vector Machines"), drawn to those of all labels
together where a label has few rows.

Shapes: B texts, C labels.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import SettingsError
from fenlei.judge.metrics import Floats, row_blocks
from fenlei.judge.scores import scores_from_logits
from fenlei.text.labels import Task

Method = Literal["none", "temperature", "platt"]

METHODS: dict[Task, tuple[Method, ...]] = {"multilabel": get_args(Method), "multiclass": ("none", "temperature")}

# Beyond this a sigmoid is 0 or 1 to twenty digits; a logit of a thousand would only spoil the fit.
LARGEST_LOGIT = 50.0

_BELOW_ONE = float(np.nextafter(1.0, 0.0))

# A slope below this would all but erase what the classifier says.
_LEAST_SLOPE = 1e-2

# Newton's method on a convex loss: more steps than it takes.
_STEPS = 100
_SMALL_STEP = 1e-9


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Logits -> calibrated scores: `sigmoid(slope * logit + intercept)`, for multi-class `softmax(slope * logits)`.

    Attributes:
        slopes: one for all labels, or one a label (C); above 0, so that a label's rows keep their order.
        intercepts: as many; 0 for multi-class, where they would change which label wins.

    Raises:
        SettingsError: a slope is not above 0, a number is not finite, or there are not as many of both.
    """

    slopes: tuple[float, ...] = (1.0,)
    intercepts: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        if len(self.slopes) != len(self.intercepts) or not self.slopes:
            raise SettingsError(f"{len(self.slopes)} slopes and {len(self.intercepts)} intercepts do not fit")
        if not np.isfinite([*self.slopes, *self.intercepts]).all() or min(self.slopes) <= 0:
            raise SettingsError("a calibration needs finite numbers and slopes above 0")

    def apply(self, logits: NDArray[Any], task: Task) -> Floats:
        """(B, C) logits -> (B, C) scores in [0, 1].

        Raises:
            DataError: a logit is not finite.
            ValueError: there are slopes for another number of labels.
        """
        if len(self.slopes) not in (1, logits.shape[1]):
            raise ValueError(f"a calibration of {len(self.slopes)} labels for {logits.shape[1]}")
        scores = scores_from_logits(logits * np.array(self.slopes) + np.array(self.intercepts), task)
        # Below 1, where a threshold of 1 means "to no row".
        return np.minimum(scores, _BELOW_ONE)


NO_CALIBRATION = Calibration()


def known_method(name: str, task: Task) -> Method:
    """The method that the user named.

    Raises:
        SettingsError: there is none of that name for the task.
    """
    for method in METHODS[task]:
        if method == name:
            return method
    raise SettingsError(f"--calibration is {name!r}; for {task} accepted are {', '.join(METHODS[task])}")


def fit_calibration(logits: NDArray[Any], truth: NDArray[Any], task: Task, method: Method) -> Calibration:
    """The calibration with the highest likelihood on (B, C) logits and truth; without a true label: none.

    What is fitted to all labels together takes Platt's targets, a little less than 1 and more than 0: rows that
    are all right would otherwise call for endless certainty. `platt` then puts a normal prior of width 1 around
    that, so that a label without rows takes it, and one with hundreds its own.
    """
    if method == "none" or not truth.any():
        return NO_CALIBRATION
    bounded = np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT).astype(np.float64)
    if task == "multiclass":
        return Calibration(slopes=(_softmax_slope(bounded, truth != 0),), intercepts=(0.0,))
    right = truth != 0
    positive, cells = int(right.sum()), right.size
    targets = np.where(right, (positive + 1) / (positive + 2), 1 / (cells - positive + 2))
    if method == "temperature":
        slope, _ = _fit_line(bounded, targets, with_intercept=False)
        return Calibration(slopes=(slope,), intercepts=(0.0,))
    together = _fit_line(bounded, targets)
    lines = [
        _fit_line(bounded[:, [label]], right[:, [label]].astype(np.float64), drawn_to=together)
        for label in range(logits.shape[1])
    ]
    return Calibration(slopes=tuple(slope for slope, _ in lines), intercepts=tuple(shift for _, shift in lines))


def _fit_line(
    logits: Floats,
    targets: Floats,
    *,
    with_intercept: bool = True,
    drawn_to: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on all cells of a (B, c) table.

    `targets` are chances; `drawn_to` is the middle of the prior.
    """
    center, prior = np.array(drawn_to or (1.0, 0.0)), 1.0 if drawn_to else 0.0
    line = _newton(logits, targets, center, center, prior, slice(0, 2 if with_intercept else 1))
    if line[0] < _LEAST_SLOPE:
        # The loss is convex, so the best line that is allowed has the least slope.
        line = np.array([_LEAST_SLOPE, 0.0])
        if with_intercept:
            line = _newton(logits, targets, line, center, prior, slice(1, 2))
    return float(line[0]), float(line[1])


def _newton(logits: Floats, targets: Floats, line: Floats, center: Floats, prior: float, free: slice) -> Floats:
    """From `line` to the least loss, by damped Newton steps in its `free` numbers."""
    loss = _line_loss(logits, targets, line, center, prior)
    for _ in range(_STEPS):
        gradient, curvature = prior * (line - center), prior * np.eye(2) + 1e-9 * np.eye(2)
        for block in row_blocks(*logits.shape):
            x, chance = logits[block], scores_from_logits(logits[block] * line[0] + line[1], "multilabel")
            error, weight = chance - targets[block], chance * (1 - chance)
            gradient = gradient + np.array([(error * x).sum(), error.sum()])
            cross = (weight * x).sum()
            curvature = curvature + np.array([[(weight * x * x).sum(), cross], [cross, weight.sum()]])
        step = np.zeros(2)
        step[free] = np.linalg.solve(curvature[free, free], gradient[free])
        # Where all chances are 0 or 1 the curvature vanishes: no logit moves further than from one end to the middle.
        step /= max(1.0, float(np.abs(step[0] * logits + step[1]).max()) / LARGEST_LOGIT)
        # Far from its minimum a Newton step overshoots: halve it until the loss falls.
        size = 1.0
        while True:
            tried = line - size * step
            tried_loss = _line_loss(logits, targets, tried, center, prior)
            if tried_loss <= loss or size < _SMALL_STEP:
                break
            size /= 2
        moved = np.abs(tried - line).max()
        if tried_loss <= loss:
            line, loss = tried, tried_loss
        if moved < _SMALL_STEP:
            break
    return line


def _line_loss(logits: Floats, targets: Floats, line: Floats, center: Floats, prior: float) -> float:
    """Negative log-likelihood, plus the prior's."""
    total = prior * float(((line - center) ** 2).sum()) / 2
    for block in row_blocks(*logits.shape):
        shifted = logits[block] * line[0] + line[1]
        total += float((np.logaddexp(0.0, shifted) - targets[block] * shifted).sum())
    return total


def _softmax_slope(logits: Floats, right: NDArray[np.bool_]) -> float:
    """The slope (1 / temperature) with the highest likelihood of the true classes; the loss is convex in it.

    Platt's target for what is true, the rest shared by the other classes, keeps it finite where all rows are right.
    """
    rows, classes = right.shape
    targets = np.where(right, (rows + 1) / (rows + 2), 1 / (rows + 2) / max(classes - 1, 1))
    low, high = _LEAST_SLOPE, 1 / _LEAST_SLOPE
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        chance = scores_from_logits(logits * middle, "multiclass")
        # The derivative: expected minus true logit.
        if ((chance - targets) * logits).sum() > 0:
            high = middle
        else:
            low = middle
    return float(np.sqrt(low * high))

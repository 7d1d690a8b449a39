"""Figures with their intervals: what each is called, which way is better, and how it is shown."""

from dataclasses import dataclass
from typing import Literal

from fenlei.judge.bootstrap import Interval
from fenlei.text.labels import Task

# The figure that early stopping, thresholds and a quick glance go by.
MAIN_FIGURE: dict[Task, str] = {"multilabel": "micro_f1", "multiclass": "accuracy"}

FIGURE_NAMES = {
    "accuracy": "accuracy",
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted-F1",
    "samples_f1": "samples-F1",
    "subset_accuracy": "subset accuracy",
    "hamming_loss": "Hamming loss",
    "mean_average_precision": "mean average precision",
    "calibration_error": "calibration error",
    "brier_score": "Brier score",
}

LOWER_IS_BETTER = frozenset({"hamming_loss", "calibration_error", "brier_score"})


Verdict = Literal["better", "worse", "alike"]


@dataclass(frozen=True)
class Figure:
    """One number and its 95% interval."""

    value: float
    interval: Interval

    @property
    def verdict(self) -> Verdict:
        """Of a difference between figures of which more is better: `alike` where 0 lies in the interval."""
        if not self.interval.leaves_out_zero:
            return "alike"
        return "better" if self.value > 0 else "worse"


def shown(figure: Figure, sign: str = "") -> str:
    """`0.9000 [0.8500, 0.9400]`; with `+` as sign always signed."""
    numbers = (figure.value, figure.interval.low, figure.interval.high)
    value, low, high = (f"{number:{sign}z.4f}" for number in numbers)
    return f"{value} [{low}, {high}]"

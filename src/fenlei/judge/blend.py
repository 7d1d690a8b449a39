"""The blend: a classifier's logits and those of its linear baseline, weighted.

On small sets of long texts a linear model on character n-grams rivals large encoders, and errs elsewhere.

Shapes: B texts, C labels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import SettingsError
from fenlei.judge.calibration import LARGEST_LOGIT, fit_calibration
from fenlei.judge.metrics import row_blocks
from fenlei.text.labels import Task

_WEIGHTS = np.linspace(0, 1, 21)

# Held-out numbers that the weight is fitted on; one parameter needs no more. From fewer rows than this not even the
# scales of the two are known.
_MOST_CELLS = 1 << 20
_FEWEST_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class Blend:
    """`encoder * logits + baseline * baseline_logits`; with `baseline` 0 the logits as they are.

    Attributes:
        encoder, baseline: what each is multiplied with, 0 or more.

    Raises:
        SettingsError: one is negative or no number, or both are 0.
    """

    encoder: float = 1.0
    baseline: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.encoder < np.inf and 0 <= self.baseline < np.inf and self.encoder + self.baseline > 0):
            raise SettingsError(f"a blend of {self.encoder} and {self.baseline} cannot be: both 0 or more, one above 0")

    def __str__(self) -> str:
        return f"{self.encoder:.3f} x the encoder's + {self.baseline:.3f} x TF-IDF's"

    def apply(self, logits: NDArray[Any], baseline_logits: NDArray[Any] | None) -> NDArray[Any]:
        """(B, C) and (B, C) -> (B, C); without a share of the baseline its logits need not be there."""
        if not self.baseline:
            return logits
        assert baseline_logits is not None
        # A label that no training text has lies at -1000 in the baseline, beyond any weight.
        bounded = np.clip(baseline_logits, -LARGEST_LOGIT, LARGEST_LOGIT)
        return np.asarray(self.encoder * logits + self.baseline * bounded)


NO_BLEND = Blend()


def fit_blend(
    logits: NDArray[Any], baseline_logits: NDArray[Any], truth: NDArray[Any], task: Task, *, prior_rows: float = 20
) -> Blend:
    """The blend with the least log loss on held-out rows, drawn to equal shares as far as they are few.

    Both logits are brought to one scale by their temperatures, so that a baseline that knows nothing weighs nothing at
    any share. Of 21 shares w that of the least `n log(loss(w)) + k (2w - 1)^2` is taken, n the number of rows and k the
    prior's; from fewer than 30 rows none. On other rows that was better than to blend only where the gain is beyond
    chance, and than the least loss alone: see benchmarks/blend.md.

    Args:
        logits: (B, C) of the classifier.
        baseline_logits: (B, C) of the baseline.
        truth: (B, C), 0 or 1.
        task: of the classifier.
        prior_rows: k, how many rows' worth of belief equal shares get, which are hard to beat from few rows.
    """
    if len(truth) < _FEWEST_ROWS:
        return NO_BLEND
    step = min(1 + truth.size // _MOST_CELLS, max(1, len(truth) // 1_000))
    own, other, right = logits[::step], baseline_logits[::step], truth[::step] != 0
    if not right.any():
        return NO_BLEND
    own_slope, other_slope = (fit_calibration(one, right, task, "temperature").slopes[0] for one in (own, other))
    # Plain floats, as JSON gives them back: NumPy's would widen float32 logits, and a saved blend answer otherwise.
    blends = [Blend(encoder=(1 - weight) * own_slope, baseline=weight * other_slope) for weight in _WEIGHTS.tolist()]
    losses = np.array([_loss(blend.apply(own, other), right, task) for blend in blends])
    return blends[int(np.argmin(len(truth) * np.log(losses) + prior_rows * (2 * _WEIGHTS - 1) ** 2))]


def _loss(logits: NDArray[Any], right: NDArray[np.bool_], task: Task) -> float:
    """Log loss a row, after a temperature for the whole table; more than 0."""
    scores = fit_calibration(logits, right, task, "temperature").apply(logits, task)
    total = 0.0
    for block in row_blocks(*logits.shape):
        chances = np.clip(scores[block], 1e-12, 1 - 1e-12)
        of_truth = chances[right[block]] if task == "multiclass" else np.where(right[block], chances, 1 - chances)
        total -= float(np.log(of_truth).sum())
    return total / len(logits)

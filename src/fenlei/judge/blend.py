"""The blend: a classifier's logits and those of its linear baseline, weighted, where that is better than either.

On small sets of long texts a linear model on character n-grams rivals large encoders, and errs elsewhere.

Shapes: B texts, C labels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import SettingsError
from fenlei.judge.bootstrap import percentile_interval, row_weights
from fenlei.judge.calibration import LARGEST_LOGIT, fit_calibration
from fenlei.judge.metrics import Floats, row_blocks
from fenlei.text.labels import Task

_WEIGHTS = np.linspace(0, 1, 21)
_RESAMPLES = 1_000

# Held-out numbers that the weight is fitted on; one parameter needs no more. Fewer rows than this tell nothing of
# what is chance.
_MOST_CELLS = 1 << 20
_FEWEST_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class Blend:
    """`encoder * logits + baseline * baseline_logits`.

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


def fit_blend(logits: NDArray[Any], baseline_logits: NDArray[Any], truth: NDArray[Any], task: Task) -> Blend:
    """The blend with the least log loss on held-out rows, if it is better than the classifier alone beyond chance.

    Both logits are brought to one scale by their temperatures; of 21 weights the best is taken when the 95%
    bootstrap interval of what a row gains by it lies above 0; never from fewer than 30 rows. One parameter, chosen
    so, has little to overfit with.

    Args:
        logits: (B, C) of the classifier.
        baseline_logits: (B, C) of the baseline.
        truth: (B, C), 0 or 1.
        task: of the classifier.
    """
    if len(truth) < _FEWEST_ROWS:
        return NO_BLEND
    step = min(1 + truth.size // _MOST_CELLS, max(1, len(truth) // 1_000))
    own, other, right = logits[::step], baseline_logits[::step], truth[::step] != 0
    if not right.any():
        return NO_BLEND
    own_slope, other_slope = (fit_calibration(one, right, task, "temperature").slopes[0] for one in (own, other))
    blends = [Blend(encoder=(1 - weight) * own_slope, baseline=weight * other_slope) for weight in _WEIGHTS]
    losses = [_row_losses(blend.apply(own, other), right, task) for blend in blends]
    best = int(np.argmin([loss.mean() for loss in losses]))
    gain = losses[0] - losses[best]
    resampled = [gain @ weights / len(gain) for weights in row_weights(len(gain), _RESAMPLES, seed=0)]
    return blends[best] if percentile_interval(np.concatenate(resampled)).low > 0 else NO_BLEND


def _row_losses(logits: NDArray[Any], right: NDArray[np.bool_], task: Task) -> Floats:
    """(B,) log loss of each row after a temperature of its own for the whole table."""
    scores = fit_calibration(logits, right, task, "temperature").apply(logits, task)
    losses = np.zeros(len(logits))
    for block in row_blocks(*logits.shape):
        chances = np.clip(scores[block], 1e-12, 1 - 1e-12)
        if task == "multiclass":
            losses[block] = -np.log(chances[right[block]])
        else:
            losses[block] = -np.log(np.where(right[block], chances, 1 - chances)).sum(axis=1)
    return losses

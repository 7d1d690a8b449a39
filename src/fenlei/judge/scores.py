"""Logits -> scores in [0, 1], the scale on which every decision is taken.

Shapes: B texts, C labels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError
from fenlei.text.labels import Task


def scores_from_logits(logits: NDArray[Any], task: Task) -> NDArray[np.float64]:
    """Sigmoid a label (multi-label) or softmax over the labels (multi-class): (B, C) -> (B, C) in [0, 1].

    In float64: in float32 every logit above 17 would become the same score, 1.

    Raises:
        DataError: a logit is not finite; NaN compares as "no label" and would pass unnoticed.
    """
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise DataError(
            f"the logits of {(~finite).sum()} of {len(logits)} texts are not finite numbers; "
            f"the first is text {finite.argmin()}",
            hint="the training has diverged: train again with a lower learning rate or in float32",
        )
    wide = logits.astype(np.float64)
    if task == "multilabel":
        # exp(-log(1 + e^-x)) neither overflows far below 0 nor loses digits there.
        scores: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -wide))
        return scores
    odds = np.exp(wide - wide.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return shares

"""Scores -> the answer for each text.

Shapes: B texts, C labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.decision import Decision


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    Attributes:
        labels: the decided label names, in the label set's order; possibly none.
        scores: every label's name and calibrated score in [0, 1], highest first.
        needs_person: whether the answer is so uncertain that a person should look; the decision says how uncertain.
    """

    labels: tuple[str, ...]
    scores: tuple[tuple[str, float], ...]
    needs_person: bool = False


def decide(
    decision: Decision, labels: Sequence[str], scores: NDArray[np.float64], *, top_k: int | None = None
) -> list[Prediction]:
    """(B, C) scores -> B predictions.

    Args:
        decision: the rule.
        labels: the C names in their order.
        scores: in [0, 1].
        top_k: how many scores an answer keeps; None: all.
    """
    decided, unsure = decision.apply(scores), decision.needs_person(scores)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    return [
        Prediction(
            tuple(labels[label] for label in np.flatnonzero(row_decided).tolist()),
            tuple((labels[label], float(row_scores[label])) for label in row_order.tolist()),
            row_unsure,
        )
        for row_decided, row_scores, row_order, row_unsure in zip(decided, scores, order, unsure.tolist(), strict=True)
    ]

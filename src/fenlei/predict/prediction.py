"""Scores -> the answer for each text.

Shapes: B texts, C labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError, SettingsError
from fenlei.judge.decision import Decision
from fenlei.predict.scoring import Deciding


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    Attributes:
        labels: the decided label names, in the label set's order; possibly none.
        scores: name and calibrated score in [0, 1] of every label, or of the `top_k` asked for; highest first.
        needs_person: whether the answer is so uncertain that a person should look; the decision says how uncertain.
        windows: where the text was read in several windows: for each decided label its name, and first character
            and one past the last of the window that spoke loudest for it. They are counted in the text as given; of
            a pair in the second text.
    """

    labels: tuple[str, ...]
    scores: tuple[tuple[str, float], ...]
    needs_person: bool = False
    windows: tuple[tuple[str, int, int], ...] = ()


def decide(
    decision: Decision,
    labels: Sequence[str],
    scores: NDArray[np.float64],
    deciding: Deciding | None = None,
    *,
    top_k: int | None = None,
) -> list[Prediction]:
    """(B, C) scores -> B predictions.

    Args:
        decision: the rule.
        labels: the C names in their order.
        scores: in [0, 1].
        deciding: the windows that decided them; None: every text is one window.
        top_k: how many scores an answer keeps; None: all.

    Raises:
        SettingsError: `top_k` is below 0.
        DataError: there are scores of more or fewer labels, or some that do not lie in [0, 1].
    """
    if top_k is not None and top_k < 0:
        raise SettingsError(f"top_k is {top_k}; it must be 0 or more, or None for all labels")
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(labels) or not ((scores >= 0) & (scores <= 1)).all():
        raise DataError(
            f"scores of the shape {scores.shape} are given; a row has {len(labels)} numbers from 0 to 1, one a label",
            hint="give what `scores` returns, and not `logits`",
        )
    decided, unsure = decision.apply(scores), decision.needs_person(scores)
    # Sorting those of ten thousand labels would be the work.
    order = scores[:, :0].astype(np.int64) if top_k == 0 else np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    predictions = []
    for row, row_unsure in enumerate(unsure.tolist()):
        chosen = np.flatnonzero(decided[row]).tolist()
        spans = [(label, deciding.span(row, label)) for label in chosen] if deciding else []
        predictions.append(
            Prediction(
                tuple(labels[label] for label in chosen),
                tuple((labels[label], float(scores[row, label])) for label in order[row].tolist()),
                row_unsure,
                tuple((labels[label], *span) for label, span in spans if span),
            )
        )
    return predictions

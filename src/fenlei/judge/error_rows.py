"""The rows a classifier got wrong, most confident mistakes first: where to look for wrong labels.

Shapes: B rows, C labels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.csv_text import csv_text
from fenlei.judge.decision import Decision
from fenlei.judge.metrics import Floats
from fenlei.text.cells import label_cell


@dataclass(frozen=True, kw_only=True)
class ErrorRow:
    """One wrong row.

    Attributes:
        id: of the example.
        text: of the example.
        labels: the true ones.
        predicted: the ones given.
        missed: true labels not given, with their scores.
        wrong: labels given that are not true, with their scores.
        confidence: of the worst mistake in the row, from 0 (at the border) to 1 (entirely sure).
    """

    id: str
    text: str
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    missed: tuple[tuple[str, float], ...]
    wrong: tuple[tuple[str, float], ...]
    confidence: float


def error_rows(
    ids: Sequence[str],
    texts: Sequence[str],
    truth: NDArray[Any],
    scores: NDArray[np.float64],
    decision: Decision,
    labels: Sequence[str],
) -> list[ErrorRow]:
    """The rows whose label set is not exactly right, most confident first, otherwise in row order.

    Args:
        ids: B names.
        texts: B texts.
        truth: (B, C), 0 or 1.
        scores: (B, C) in [0, 1].
        decision: the rule that makes labels of the scores.
        labels: the C names in their order.
    """
    predicted = decision.apply(scores)
    rows = np.flatnonzero((predicted != (truth != 0)).any(axis=1)).tolist()
    found = []
    for row in rows:
        true, given, score = truth[row] != 0, predicted[row] != 0, scores[row]
        found.append(
            ErrorRow(
                id=ids[row],
                text=texts[row],
                labels=_names(true, labels),
                predicted=_names(given, labels),
                missed=_names_and_scores(true & ~given, labels, score),
                wrong=_names_and_scores(given & ~true, labels, score),
                confidence=_confidence(score, true != given, given, decision),
            )
        )
    return sorted(found, key=lambda row: -row.confidence)


def errors_csv(errors: Iterable[ErrorRow]) -> str:
    """One line a row; written as UTF-8 with a BOM, Excel reads it right."""
    rows = [["id", "text", "labels", "predicted", "missed", "wrong", "confidence"]]
    for row in errors:
        rows.append(
            [
                row.id,
                row.text,
                label_cell(row.labels),
                label_cell(row.predicted),
                "|".join(f"{label} {score:.4f}" for label, score in row.missed),
                "|".join(f"{label} {score:.4f}" for label, score in row.wrong),
                f"{row.confidence:.4f}",
            ]
        )
    return csv_text(rows)


def _names(chosen: NDArray[np.bool_], labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(labels[i] for i in np.flatnonzero(chosen).tolist())


def _names_and_scores(
    chosen: NDArray[np.bool_], labels: Sequence[str], scores: Floats
) -> tuple[tuple[str, float], ...]:
    return tuple(zip(_names(chosen, labels), scores[chosen].tolist(), strict=True))


def _confidence(score: Floats, mistaken: NDArray[np.bool_], given: NDArray[np.bool_], decision: Decision) -> float:
    """The largest distance of a mistaken score from its border, as a share of what is possible on that side.

    Multi-class: the lead of the chosen label over the true one. All (C,).
    """
    if decision.thresholds is None:
        return float(score[mistaken].max() - score[mistaken].min())
    threshold = decision.threshold_of_label(len(score))[mistaken]
    distance = np.abs(score[mistaken] - threshold)
    room = np.where(given[mistaken], 1 - threshold, threshold)
    return float(np.divide(distance, room, out=np.zeros_like(distance), where=room > 0).max())

"""Reliability: does a score of 0.8 mean right four times in five?

Multi-label: every cell of the table is a yes-or-no forecast of its own. Most cells of a wide table are easy
noes near 0, and both figures are small for that reason alone: compare them with each other, not across tables.
Multi-class: the calibration error is that of the winning class (Guo et al., 2017), the Brier score that of all
(Brier, 1950).

Shapes: B rows, C labels, R resamples, S bins.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.metrics import Floats, ratio, row_blocks
from fenlei.text.labels import Task

BINS = 15  # of equal width, as in Guo et al.


@dataclass(frozen=True, eq=False)
class Reliability:
    """What each row adds to the two figures; weighted sums of rows give those of a resample.

    Attributes:
        gap: (B, S) a row's scores minus its truths in each bin.
        cells: (B,) forecasts a row makes: C, or 1 for multi-class.
        squared_error: (B,) sum over labels.
    """

    gap: Floats
    cells: Floats
    squared_error: Floats

    @classmethod
    def of(cls, truth: NDArray[Any], scores: NDArray[Any], task: Task) -> "Reliability":
        """From (B, C) truth and scores in [0, 1]."""
        rows, labels = truth.shape
        gap, squared = np.zeros((rows, BINS)), np.zeros(rows)
        for block in row_blocks(rows, labels):
            errors = scores[block] - (truth[block] != 0)
            squared[block] = (errors**2).sum(axis=1)
            told, missed = scores[block], errors
            if task == "multiclass":
                winner = told.argmax(axis=1)[:, None]
                told, missed = (np.take_along_axis(table, winner, axis=1) for table in (told, errors))
            bins = cls.bin_of(told)
            row = np.arange(len(told))[:, None]
            cell = (row * BINS + bins).ravel()
            gap[block] = np.bincount(cell, weights=missed.ravel(), minlength=len(told) * BINS).reshape(-1, BINS)
        return cls(gap, np.full(rows, 1.0 if task == "multiclass" else labels), squared)

    @staticmethod
    def bin_of(scores: NDArray[Any]) -> NDArray[np.int64]:
        """The bin of each score, of any shape."""
        return np.minimum((scores * BINS).astype(np.int64), BINS - 1)

    def figures(self, weights: NDArray[Any] | None = None) -> dict[str, Floats]:
        """The figures, () each; (r,) each with (B, r) weights: how often each row counts."""
        counted = np.ones((len(self.cells), 1)) if weights is None else weights
        cells = self.cells @ counted
        found = {
            "calibration_error": ratio(np.abs(self.gap.T @ counted).sum(axis=0), cells),
            "brier_score": ratio(self.squared_error @ counted, cells),
        }
        return {name: values[0] if weights is None else values for name, values in found.items()}

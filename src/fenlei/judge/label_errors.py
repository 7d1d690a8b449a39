"""Given labels and out-of-sample scores -> labels that are likely wrong, and labels that are likely missing.

By confident learning (Northcutt et al., 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", as in
cleanlab), label by label in a multi-label task; ranked by the score of what was given. Scores of rows that the
scoring model was trained on are no evidence.

Shapes: B rows, C labels.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import SettingsError
from fenlei.judge.metrics import Floats
from fenlei.text.labels import Task

Method = Literal["low_self_confidence", "confident_learning", "prune_by_noise_rate", "prune_by_class", "both"]
"""cleanlab's names for how many of which rows are suspects; benchmarks/label_errors.md compares them."""

# What found most at the same length of list; a label that is missing has a low self-confidence too rarely.
DEFAULTS: dict[Task, Method] = {"multilabel": "confident_learning", "multiclass": "low_self_confidence"}

SURE = 0.95
"""A score that contradicts what was given is a suspicion from here on, however sure of itself the model is on average.

Confident learning alone compares a score with the mean of its class: beside scores of 0.999 one of 0.998 counts for
nothing, and a good classifier would find not even a gross error.
"""


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """What is suspected.

    Attributes:
        wrong: (B, C) bool; given labels that are likely wrong.
        missing: (B, C) bool; labels not given that are likely right.
        quality: (B,) in [0, 1], the lower the more suspect: of what was given to the row and judged, the lowest
            score, where "not given" scores 1 - score; NaN where nothing was judged.
    """

    wrong: NDArray[np.bool_]
    missing: NDArray[np.bool_]
    quality: Floats

    def suspects(self) -> NDArray[np.int64]:
        """The rows with a suspicion, worst first, otherwise in row order."""
        rows = np.flatnonzero((self.wrong | self.missing).any(axis=1))
        return rows[np.argsort(self.quality[rows], kind="stable")]


def find_label_errors(
    truth: NDArray[Any], scores: Floats, known: NDArray[np.bool_], task: Task, method: Method | None = None
) -> LabelErrors:
    """Judge the given labels.

    Args:
        truth: (B, C), 0 or 1; as given.
        scores: (B, C) in [0, 1], by models that have not seen the row.
        known: (B, C), whether the scoring model could know the label; what it could not is not judged.
        task: multi-class: a row's label is wrong and the one with the highest score missing, or neither.
        method: of cleanlab; None: the task's own of `DEFAULTS`.

    Raises:
        SettingsError: cleanlab is not installed.
    """
    find, method = issue_finder(), method or DEFAULTS[task]
    given = truth != 0
    if task == "multiclass":
        return _of_classes(given, scores, known, method, find)
    chance = np.where(given, scores, 1 - scores)
    suspected = np.zeros(given.shape, dtype=bool)
    for label in range(given.shape[1]):
        rows = np.flatnonzero(known[:, label])
        has = given[rows, label]
        if has.all() or not has.any():
            continue  # nothing to contrast it with
        pair = np.stack([1 - scores[rows, label], scores[rows, label]], axis=1)
        suspected[rows, label] = find(has.astype(np.int64), pair, filter_by=method, min_examples_per_class=0, n_jobs=1)
    suspected |= known & (chance <= 1 - SURE)
    quality = np.where(known, chance, np.inf).min(axis=1, initial=np.inf)
    return LabelErrors(suspected & given, suspected & ~given, np.where(np.isinf(quality), np.nan, quality))


def _of_classes(
    given: NDArray[np.bool_], scores: Floats, known: NDArray[np.bool_], method: Method, find: Any
) -> LabelErrors:
    classes = given.argmax(axis=1)
    rows = np.flatnonzero(known[np.arange(len(given)), classes])
    wrong, missing = np.zeros(given.shape, dtype=bool), np.zeros(given.shape, dtype=bool)
    quality = np.full(len(given), np.nan)
    quality[rows] = scores[rows, classes[rows]]
    best = scores.argmax(axis=1)
    suspected = np.zeros(len(given), dtype=bool)
    suspected[rows] = scores[rows, best[rows]] >= SURE
    # Thresholds are means over the rows of a class: a class without rows has none and is left to the scores.
    present, numbers = np.unique(classes[rows], return_inverse=True)
    if len(present) > 1:
        table = scores[np.ix_(rows, present)]
        total = table.sum(axis=1, keepdims=True)
        table = np.divide(table, total, out=np.full_like(table, 1 / len(present)), where=total > 0)
        suspected[rows] |= find(numbers, table, filter_by=method, min_examples_per_class=0, n_jobs=1)
    suspects = np.flatnonzero(suspected & (best != classes))
    wrong[suspects, classes[suspects]] = True
    missing[suspects, best[suspects]] = True
    return LabelErrors(wrong, missing, quality)


def issue_finder() -> Any:
    """The function of cleanlab, so that its absence can be told before the scoring.

    Raises:
        SettingsError: cleanlab is not installed.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise SettingsError(
            "finding label errors needs cleanlab, which is not installed", hint="pip install 'fenlei[clean]'"
        ) from error
    return find_label_issues

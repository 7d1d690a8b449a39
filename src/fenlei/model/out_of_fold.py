"""Every row scored by a linear model that has not seen it: evidence about its labels, in seconds.

Shapes: B rows, C labels.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fenlei.model.linear import LinearModel
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet, Task
from fenlei.text.split import fold_places


def out_of_fold_logits(
    examples: Sequence[Example],
    labels: LabelSet,
    task: Task,
    *,
    folds: int,
    seed: int,
    advance: Callable[[int], None] = lambda texts: None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The logits of each row by a model trained on the other folds; groups and near duplicates are in one fold.

    Args:
        examples: B labelled rows.
        labels: all that occur in them.
        task: settled.
        folds: how many.
        seed: of the split.
        advance: called with the number of rows done, for progress.

    Returns:
        (B, C) logits, and (B, C) whether the model could learn the label: the other folds have rows with it and
        rows without it. Where they have not the logit is the lowest or highest of those that were learned.

    Raises:
        DataError: there are fewer different texts than folds, or no two texts have a character in common.
        SettingsError: fewer than two folds.
    """
    truth = labels.encode(examples, task)
    logits = np.zeros(truth.shape, dtype=np.float32)
    known = np.zeros(truth.shape, dtype=bool)
    for held_out in fold_places(examples, task, folds, seed=seed).values():
        others = np.setdiff1d(np.arange(len(examples)), held_out)
        model = LinearModel.fit([examples[row].text for row in others.tolist()], truth[others], task)
        logits[held_out] = model.logits([examples[row].text for row in held_out])
        known[held_out] = truth[others].any(axis=0) & (truth[others] == 0).any(axis=0)
        advance(len(held_out))
    if known.any():
        logits = np.clip(logits, logits[known].min(), logits[known].max())
    return logits, known

"""Scores that say something about given labels: of each row by a model that has not seen it.

Shapes: B rows, C labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import BundleError, DataError
from fenlei.judge.calibration import fit_calibration
from fenlei.judge.metrics import Floats
from fenlei.model.out_of_fold import out_of_fold_logits
from fenlei.predict.classifier import Classifier
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet, Task


@dataclass(frozen=True, eq=False)
class Evidence:
    """Out-of-sample scores of labelled rows.

    Attributes:
        labels: the C names.
        task: settled.
        scores: (B, C), calibrated, in [0, 1].
        known: (B, C), whether the model could know the label; a row that it was trained on has none.
        seen: (B,), whether the row made the model, and is therefore not judged.
        source: where the scores come from, for people.
    """

    labels: LabelSet
    task: Task
    scores: Floats
    known: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    source: str


def evidence_of_folds(
    examples: Sequence[Example],
    task: Task,
    *,
    folds: int,
    seed: int,
    advance: Callable[[int], None] = lambda texts: None,
) -> Evidence:
    """Scores by the linear model trained on the other folds, calibrated on the given labels.

    Raises:
        DataError: fewer than two classes occur, or no label at all, there are too few texts, or a row's labels do not
            fit the task.
        SettingsError: fewer than two folds.
    """
    labels = LabelSet.from_examples(examples)
    if len(labels) < (2 if task == "multiclass" else 1):
        raise DataError(
            f"{len(labels)} labels occur in the {len(examples):,} rows: there is nothing to tell apart",
            hint="check the label column",
        )
    logits, known = out_of_fold_logits(examples, labels, task, folds=folds, seed=seed, advance=advance)
    truth = labels.encode(examples, task)
    fitted = fit_calibration(logits, truth, task, "platt" if task == "multilabel" else "temperature")
    scores = fitted.apply(logits, task)
    return Evidence(labels, task, scores, known, np.zeros(len(examples), dtype=bool), f"{folds} folds, TF-IDF + linear")


def evidence_of_bundle(
    classifier: Classifier,
    examples: Sequence[Example],
    *,
    name: str,
    advance: Callable[[int], None] = lambda texts: None,
) -> Evidence:
    """Scores by a trained classifier; the rows that made it are marked as seen and not judged.

    Raises:
        BundleError: it keeps no fingerprints, so that nobody can tell which rows made it.
        DataError: it has seen all rows.
    """
    texts = [example.text for example in examples]
    seen = classifier.has_seen(texts)
    if seen is None:
        raise BundleError(
            f"{name} keeps no fingerprints: which rows it was trained on, and cannot judge, is not known",
            hint="judge by folds: leave out --bundle",
        )
    if seen.all():
        raise DataError(
            f"all {len(examples):,} rows helped to make {name}: its scores of them are no evidence",
            hint="judge by folds: leave out --bundle",
        )
    scores = np.zeros((len(texts), len(classifier.labels)))
    advance(int(seen.sum()))
    unseen = [text for text, known in zip(texts, seen, strict=True) if not known]
    scores[~seen] = classifier.scores(unseen, advance=advance)
    known = np.repeat(~seen[:, None], scores.shape[1], axis=1)
    return Evidence(LabelSet(classifier.labels), classifier.task, scores, known, seen, name)

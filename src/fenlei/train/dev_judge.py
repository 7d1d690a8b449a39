"""How good weights are on the dev part: what decides which epoch is kept.

Shapes: B dev rows, C labels.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fenlei.journal import Journal
from fenlei.judge.decision import Decision
from fenlei.judge.metrics import Counts, row_blocks
from fenlei.judge.scores import scores_from_logits
from fenlei.judge.thresholds import fit_global_threshold
from fenlei.model.classifier import EncoderClassifier, predict_logits
from fenlei.model.losses import Loss
from fenlei.model.precast import for_prediction
from fenlei.runtime import Runtime
from fenlei.text.labels import Task
from fenlei.text.tokens import TokenTable


@dataclass(frozen=True)
class DevScore:
    """How good the classifier is on the dev part, by one number.

    Attributes:
        value: higher is better.
        name: what it is.
        predicts_nothing: whether not one label was predicted.
    """

    value: float
    name: str
    predicts_nothing: bool


ScoreOf = Callable[[NDArray[np.float32], NDArray[np.uint8]], DevScore]
"""(B, C) logits and truth -> how good they are."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What the dev part says of weights.

    Attributes:
        logits: (B, C)
        loss: the mean over its rows.
        score: of the logits.
    """

    logits: NDArray[np.float32]
    loss: float
    score: DevScore

    @property
    def rank(self) -> list[float]:
        """Higher is better. A small dev part ties often; then the loss, which counts every row, decides."""
        return [self.score.value, -self.loss]


class DevJudge:
    """Judges the weights that a classifier has.

    Args:
        classifier: on the runtime's device.
        table, truth: the dev rows, (B, C) their truth.
        loss: (B, C) logits and truth -> (B,).
        score_of: as there.
        runtime: where to compute.
        journal: told of the progress.

    Attributes:
        seconds: how long the last judgement took; 0 before the first.
    """

    def __init__(
        self,
        classifier: EncoderClassifier,
        table: TokenTable,
        truth: NDArray[np.uint8],
        loss: Loss,
        score_of: ScoreOf,
        runtime: Runtime,
        journal: Journal,
    ) -> None:
        self._classifier, self._table, self._truth = classifier, table, truth
        self._loss, self._score_of, self._runtime, self._journal = loss, score_of, runtime, journal
        self.seconds = 0.0

    def judge(self) -> Judged:
        """The weights in place."""
        began, journal = time.monotonic(), self._journal
        journal.begin("dev", len(self._table))
        # As a saved classifier predicts, so that the decision is fitted on what it will judge.
        ready = for_prediction(self._classifier, self._runtime)
        logits = predict_logits(ready, self._table, self._runtime, advance=journal.advance)
        journal.end()
        # In blocks, since a loss makes several tables of the size of its logits.
        losses = [
            self._loss(torch.from_numpy(logits[rows]), torch.from_numpy(self._truth[rows]))
            for rows in row_blocks(*logits.shape)
        ]
        judged = Judged(logits, float(torch.cat(losses).mean()), self._score_of(logits, self._truth))
        self.seconds = time.monotonic() - began
        return judged


def dev_score(logits: NDArray[np.float32], truth: NDArray[np.uint8], task: Task) -> DevScore:
    """Micro-F1 at the threshold that is best on dev, or accuracy.

    At a fixed threshold an epoch could win only because its scores happen to sit well around it.
    """
    scores = scores_from_logits(logits, task)
    if task == "multiclass":
        counts = Counts.of(truth, Decision.default(task).apply(scores))
        return DevScore(float(counts.subset_accuracy()), "accuracy", False)
    counts = Counts.of(truth, scores >= fit_global_threshold(scores, truth))
    return DevScore(float(counts.micro().f1), "micro-F1", not Decision.default(task).apply(scores).any())

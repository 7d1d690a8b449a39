"""One classifier from its rows; a job trains one, and one more for each fold.

Shapes: B texts, C labels.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from fenlei.digests import digest_of_arrays
from fenlei.errors import SettingsError
from fenlei.journal import Journal
from fenlei.model.build import FreshWeights, new_classifier, set_output_bias
from fenlei.model.classifier import EncoderClassifier, predict_logits
from fenlei.model.linear import LinearModel
from fenlei.model.losses import LabelCounts, loss_named
from fenlei.model.precast import for_prediction
from fenlei.runtime import Runtime
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet, Task
from fenlei.text.tokens import TextEncoder
from fenlei.train.checkpoint import Checkpoints
from fenlei.train.config import TrainSettings
from fenlei.train.dev_judge import dev_score
from fenlei.train.loop import Fitted, Part, fit
from fenlei.train.optimizer import freeze_lowest

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class Start:
    """A classifier before its first update, and what it will learn from.

    Attributes:
        classifier: pretrained weights with a fresh head, on the runtime's device; trained in place.
        fresh: which of its weights are not pretrained.
        rows: the training rows.
        part: their tokens and truth.
        circumstances: all that the numbers of its training depend on, as JSON.
    """

    classifier: EncoderClassifier
    fresh: FreshWeights
    rows: Sequence[Example]
    part: Part
    circumstances: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Trains classifiers on different rows, everything else alike.

    Attributes:
        task: settled.
        labels: of all classifiers, also where some rows lack a label.
        encoder: a Hugging Face directory.
        text_encoder: its tokenizer with the length limit.
        loss: a name in `LOSS_NAMES`.
        dev_rows: choose the epoch of each.
        settings: of each.
        runtime: where to compute.
        journal: told what happens.
        checkpoint_every: updates between checkpoints; None: by the clock.
        resume: go on from the newest checkpoint.
    """

    task: Task
    labels: LabelSet
    encoder: Path
    text_encoder: TextEncoder
    loss: str
    dev_rows: Sequence[Example]
    settings: TrainSettings
    runtime: Runtime
    journal: Journal
    checkpoint_every: int | None
    resume: bool

    def start(self, rows: Sequence[Example]) -> Start:
        """A new classifier for `rows`.

        Raises:
            SettingsError: the texts may be longer than the encoder has positions, too many layers be frozen, or the
                encoder have no gradient checkpointing.
            EncoderError: the encoder cannot be used.
        """
        classifier, fresh = new_classifier(
            self.encoder, self.labels.names, self.task, seed=self.settings.seed, pooling=self.settings.pooling
        )
        freeze_lowest(classifier, fresh, self.settings.freeze_layers)
        if self.settings.gradient_checkpointing:
            classifier.recompute_layers()
        limit = classifier.max_tokens
        if limit is not None and self.settings.max_tokens > limit:
            raise SettingsError(f"--max-tokens is {self.settings.max_tokens}; this encoder has {limit} positions")
        part = self._part(rows)
        if self.loss == "bce" and not self.settings.linear_probe:  # which fits it
            set_output_bias(classifier, _log_odds(part.truth))
        classifier.network.to(self.runtime.device)
        circumstances = {
            "settings": self.settings.to_dict(),
            "labels": list(self.labels.names),
            "data": digest_of_arrays(array for one in (part, self._dev_part) for array in _arrays(one)),
            "encoder": digest_of_arrays(classifier.weights()),
            **asdict(self.runtime),
            "torch": torch.__version__,
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }
        return Start(classifier, fresh, rows, part, circumstances)

    def begin(self, start: Start, checkpoint_folder: Path | None, *, must_resume: bool = False) -> None:
        """Note that the training of `start` begins, or make sure that it is the one to go on with.

        Args:
            start: what will be trained.
            checkpoint_folder: where its state is kept; None: nowhere.
            must_resume: where a resumed run never began, that is an error and not a beginning.

        Raises:
            FenleiError: there is nothing to resume.
            SettingsError: the run cannot be resumed exactly.
        """
        checkpoints = self.checkpoints(start, checkpoint_folder)
        if not (self.resume and (must_resume or checkpoints.begun)):
            checkpoints.begin()
            return
        checkpoints.require_begun()
        if not checkpoints.exist:
            self.journal.say("resumed    from the start: there was no checkpoint yet")

    def fit(self, start: Start, checkpoint_folder: Path | None) -> Fitted:
        """Train the classifier in place, from the newest checkpoint of a resumed run or else from the start.

        It keeps the weights of the epoch that judged best on dev.

        Args:
            start: what to train; its training has begun.
            checkpoint_folder: where its state is kept; None: nowhere.

        Raises:
            FenleiError: the loss is no longer a number, the memory does not suffice, or the newest checkpoint is
                damaged.
            SettingsError: the run cannot be resumed exactly.
        """
        checkpoints = self.checkpoints(start, checkpoint_folder)
        return fit(
            start.classifier,
            start.fresh,
            start.part,
            self._dev_part,
            task=self.task,
            loss=loss_named(self.task, self.loss, LabelCounts.of(start.part.truth)),
            judge=lambda logits, truth: dev_score(logits, truth, self.task),
            settings=self.settings,
            runtime=self.runtime,
            journal=self.journal,
            checkpoints=checkpoints,
            resume=self.resume and checkpoints.exist,
        )

    def checkpoints(self, start: Start, folder: Path | None) -> Checkpoints:
        """Where the training of `start` keeps its state."""
        return Checkpoints(folder, start.circumstances, every=self.checkpoint_every)

    def logits(self, start: Start, rows: Sequence[Example]) -> NDArray[np.float32]:
        """(B, C) of the classifier."""
        ready = for_prediction(start.classifier, self.runtime)
        return predict_logits(ready, self._part(rows).table, self.runtime)

    def fit_baseline(self, start: Start) -> LinearModel:
        """The linear model on the same rows; it reads whole texts, whatever the encoder's limit."""
        return LinearModel.fit(self._whole_texts(start.rows), start.part.truth, self.task)

    def baseline_logits(self, baseline: LinearModel, rows: Sequence[Example]) -> NDArray[np.float32]:
        """(B, C) of the linear model."""
        return baseline.logits(self._whole_texts(rows))

    @cached_property
    def _dev_part(self) -> Part:
        return self._part(self.dev_rows)

    def _part(self, rows: Sequence[Example]) -> Part:
        return Part(self.text_encoder.encode([row.text for row in rows]), self.labels.encode_sparse(rows, self.task))

    def _whole_texts(self, rows: Sequence[Example]) -> list[str]:
        return [self.text_encoder.whole_text(row.text) for row in rows]


def _arrays(part: Part) -> list[NDArray[Any]]:
    table = part.table
    types = [] if table.seconds is None else [table.seconds]
    windows = [] if table.windows is None else [table.windows.offsets]
    return [table.ids, table.offsets, part.truth.indptr, part.truth.indices, *types, *windows]


def _log_odds(truth: "csr_array") -> NDArray[np.float64]:
    """(C,) log-odds of each label's share, smoothed by one row on either side."""
    positive = truth.sum(axis=0, dtype=np.float64)
    odds: NDArray[np.float64] = (positive + 1) / (truth.shape[0] - positive + 1)
    return np.log(odds)

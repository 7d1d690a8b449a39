"""The gradient of one update: the loss on its texts, and what regularisers add to it.

Shapes: B texts, C labels.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fenlei.encoders.dropout import renew_masks
from fenlei.encoders.packing import on_device
from fenlei.model.adversarial import moved_along_gradient, moved_by_share, weight_matrices, word_embeddings
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.losses import Loss, divergence
from fenlei.runtime import Runtime
from fenlei.text.batches import PackedBatch
from fenlei.text.labels import Task
from fenlei.train.config import TrainSettings

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Gradients:
    """Adds the gradients of updates to a classifier's weights.

    Args:
        classifier: on the runtime's device, in training mode.
        loss: (B, C) logits and truth -> (B,).
        task: of the classifier; R-Drop reads logits by it.
        targets: (rows, C) truth of all training rows, sparse; made dense a batch at a time.
        settings: which regularisers there are.
        runtime: where to compute.

    Raises:
        SettingsError: a regulariser needs weights that are frozen.
    """

    def __init__(
        self,
        classifier: EncoderClassifier,
        loss: Loss,
        task: Task,
        targets: "csr_array",
        settings: TrainSettings,
        runtime: Runtime,
    ) -> None:
        self._classifier, self._loss, self._task, self._targets = classifier, loss, task, targets
        self._settings, self._runtime = settings, runtime
        self._words = word_embeddings(classifier.network) if settings.fgm else None
        self._matrices = weight_matrices(classifier.network) if settings.awp else []

    def add(self, batches: Sequence[PackedBatch]) -> Tensor:
        """Add the gradient of one update's mean loss; returns the () loss summed over its texts, unregularised."""
        settings = self._settings
        total = self._add(batches, divergent=settings.rdrop)
        # FGM moves along the gradient of the texts as they are, AWP along the sum of that and FGM's.
        if self._words is not None:
            with moved_along_gradient(self._words, settings.fgm) as moved:
                if moved:
                    self._add(batches)
        if self._matrices:
            with moved_by_share(self._matrices, settings.awp) as moved:
                if moved:
                    self._add(batches)
        return total

    def _add(self, batches: Sequence[PackedBatch], *, divergent: float = 0.0) -> Tensor:
        texts, total = sum(len(batch) for batch in batches), torch.zeros((), device=self._runtime.device)
        for batch in batches:
            renew_masks()
            truth = on_device(self._targets[batch.rows].toarray(), self._runtime.torch_device())
            logits = self._logits(batch)
            batch_loss = self._loss_of(logits, truth)
            objective = batch_loss
            if divergent:
                again = self._logits(batch)
                batch_loss = (batch_loss + self._loss_of(again, truth)) / 2
                apart = divergence(logits.flatten(0, 1), again.flatten(0, 1), task=self._task).sum() / len(logits)
                objective = batch_loss + divergent * apart
            (objective / texts).backward()  # type: ignore[no-untyped-call]
            total += batch_loss.detach()  # stays there: asking for it would wait for the GPU
        return total

    def _logits(self, batch: PackedBatch) -> Tensor:
        """(S, B, C) under S masks of the head's dropout."""
        with self._runtime.autocast():
            return self._classifier.sampled(batch, self._settings.head_samples)

    def _loss_of(self, logits: Tensor, truth: Tensor) -> Tensor:
        """() summed over the texts, the mean over the masks."""
        return torch.stack([self._loss(sample, truth).sum() for sample in logits]).mean()

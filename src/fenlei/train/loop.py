"""The training loop: packed batches in, the weights of the best epoch out.

Shapes: B texts, C labels.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fenlei.errors import FenleiError
from fenlei.model.adversarial import moved_along_gradient, word_embeddings
from fenlei.model.build import FreshWeights
from fenlei.model.classifier import EncoderClassifier, predict_logits
from fenlei.model.losses import Loss
from fenlei.runtime import Runtime
from fenlei.text.batches import PackedBatch, training_batches
from fenlei.text.tokens import TokenTable
from fenlei.train.checkpoint import Checkpoints, Progress
from fenlei.train.config import TrainSettings
from fenlei.train.journal import Journal
from fenlei.train.optimizer import build_optimizer, set_rate


@dataclass(frozen=True)
class Part:
    """Tokens and truth of the rows of one part.

    Attributes:
        table: the tokens of B texts.
        truth: (B, C) uint8.
    """

    table: TokenTable
    truth: NDArray[np.uint8]


@dataclass(frozen=True)
class DevScore:
    """How good the classifier is on the dev part, by one number that decides which epoch is kept.

    Attributes:
        value: higher is better.
        name: what it is.
        predicts_nothing: whether not one label was predicted.
    """

    value: float
    name: str
    predicts_nothing: bool


@dataclass(frozen=True)
class Fitted:
    """What a training run leaves besides the weights.

    Attributes:
        best_epoch: counted from 1.
        epochs: how many were run.
        dev_logits: (B, C) of the dev part by the kept weights.
        seconds: of the whole loop.
    """

    best_epoch: int
    epochs: int
    dev_logits: NDArray[np.float32]
    seconds: float


def fit(
    classifier: EncoderClassifier,
    fresh: FreshWeights,
    train: Part,
    dev: Part,
    *,
    loss: Loss,
    judge: Callable[[NDArray[np.float32], NDArray[np.uint8]], DevScore],
    settings: TrainSettings,
    runtime: Runtime,
    journal: Journal,
    checkpoints: Checkpoints,
    resume: bool = False,
) -> Fitted:
    """Train `classifier` in place and leave it with the weights of the epoch that judged best on dev.

    The same seed, machine and thread count give the same numbers, also over interruptions.

    Args:
        classifier: on the runtime's device.
        fresh: which of its weights learn at the head's rate.
        train: the rows to learn from.
        dev: the rows that decide which epoch is kept.
        loss: (B, C) logits and truth -> (B,).
        judge: (B, C) dev logits and truth -> how good they are.
        settings: of the run.
        runtime: where to compute.
        journal: told what happens.
        checkpoints: where the run's state is kept.
        resume: go on from the newest checkpoint.

    Raises:
        FenleiError: the loss is no longer a number, or there is nothing to resume.
        SettingsError: the run cannot be resumed exactly.
    """
    torch.manual_seed(settings.seed)
    optimizer = build_optimizer(classifier, fresh, settings)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    targets = torch.from_numpy(train.truth).to(runtime.device)
    embeddings = word_embeddings(classifier.network) if settings.fgm else None
    epochs = settings.planned_epochs(len(train.table))
    updates_per_epoch = settings.updates_per_epoch(len(train.table))
    progress = checkpoints.restore(classifier, optimizer) if resume else Progress()
    if resume:
        journal.say(f"resumed    in epoch {progress.epoch} after {progress.updates_in_epoch} updates")

    while progress.epoch <= epochs and progress.epoch - progress.best_epoch <= settings.patience:
        classifier.train()
        started = time.monotonic()
        journal.begin(f"epoch {progress.epoch}/{epochs}", len(train.table))
        journal.advance(min(progress.updates_in_epoch * settings.batch_size, len(train.table)), resumed=True)
        for batches in training_batches(
            train.table,
            batch_size=settings.batch_size,
            max_tokens=settings.tokens_per_batch,
            seed=settings.seed,
            epoch=progress.epoch,
            skip=progress.updates_in_epoch,
        ):
            texts = sum(len(batch) for batch in batches)
            progress.loss_sum += _add_gradient(classifier, batches, loss, targets, runtime)
            if embeddings is not None:
                with moved_along_gradient(embeddings, settings.fgm) as moved:
                    if moved:
                        _add_gradient(classifier, batches, loss, targets, runtime)
            update = (progress.epoch - 1) * updates_per_epoch + progress.updates_in_epoch
            set_rate(optimizer, update, epochs * updates_per_epoch, settings.warmup)
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            progress.updates_in_epoch += 1
            journal.advance(texts)
            progress.seconds, started = progress.seconds + time.monotonic() - started, time.monotonic()
            checkpoints.save_if_due(update + 1, progress, classifier, optimizer)
        train_loss = float(progress.loss_sum) / len(train.table)
        if not math.isfinite(train_loss):
            raise FenleiError(
                f"the training loss became {train_loss} in epoch {progress.epoch}",
                hint="lower --learning-rate, or use --precision float32",
            )
        speed = journal.end()
        journal.begin("dev", len(dev.table))
        dev_logits = predict_logits(classifier, dev.table, runtime, advance=journal.advance)
        journal.end()
        dev_loss = float(loss(torch.from_numpy(dev_logits), torch.from_numpy(dev.truth)).mean())
        score = judge(dev_logits, dev.truth)
        progress.seconds += time.monotonic() - started
        _tell(journal, progress, epochs, train_loss, dev_loss, score, speed)
        # A small dev part ties often; then the loss, which counts every row, decides.
        rank = [score.value, -dev_loss]
        if progress.best_rank is None or rank > progress.best_rank:
            progress.best_rank, progress.best_epoch = rank, progress.epoch
            progress.best_logits = torch.from_numpy(dev_logits)
            progress.best_weights = {name: weight.clone() for name, weight in classifier.state_dict().items()}
        progress.epoch, progress.updates_in_epoch, progress.loss_sum = progress.epoch + 1, 0, torch.zeros(())

    ran = progress.epoch - 1
    if ran < epochs:
        journal.say(f"stopped    no better dev score for {settings.patience} epochs")
    classifier.load_state_dict(progress.best_weights)
    classifier.eval()
    return Fitted(progress.best_epoch, ran, progress.best_logits.numpy(), progress.seconds)


def _add_gradient(
    classifier: EncoderClassifier, batches: Sequence[PackedBatch], loss: Loss, targets: Tensor, runtime: Runtime
) -> Tensor:
    """Add the gradient of one update's mean loss to the weights'; returns the () loss summed over its texts."""
    texts, total = sum(len(batch) for batch in batches), torch.zeros(())
    for batch in batches:
        with runtime.autocast():
            logits = classifier(batch)
        batch_loss = loss(logits, targets[torch.from_numpy(batch.rows)]).sum()
        (batch_loss / texts).backward()  # type: ignore[no-untyped-call]
        total += batch_loss.detach().cpu()
    return total


def _tell(
    journal: Journal,
    progress: Progress,
    epochs: int,
    train_loss: float,
    dev_loss: float,
    score: DevScore,
    speed: float,
) -> None:
    journal.record(
        "epoch",
        epoch=progress.epoch,
        train_loss=train_loss,
        dev_loss=dev_loss,
        dev_score=score.value,
        dev_score_name=score.name,
        texts_per_second=round(speed, 1),
        seconds=round(progress.seconds, 1),
    )
    journal.say(
        f"epoch {progress.epoch:2}/{epochs}  loss {train_loss:.4f}  dev loss {dev_loss:.4f}  "
        f"dev {score.name} {score.value:.4f}  {speed:,.0f} texts/s"
    )
    if score.predicts_nothing:
        journal.say(
            "warning: the classifier predicts no label for any dev text; if this stays so, "
            "lower --learning-rate or train longer with --epochs"
        )

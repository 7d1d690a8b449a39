"""The training loop: packed batches in, the weights of the best epoch out.

Shapes: B texts, C labels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fenlei.errors import FenleiError
from fenlei.model.classifier import EncoderClassifier, FreshWeights, predict_logits
from fenlei.model.losses import Loss
from fenlei.runtime import Runtime
from fenlei.text.batches import training_batches
from fenlei.text.tokens import TokenTable
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
) -> Fitted:
    """Train `classifier` in place and leave it with the weights of the epoch that judged best on dev.

    The same seed, machine and thread count give the same numbers.

    Raises:
        FenleiError: the loss is no longer a number.
    """
    torch.manual_seed(settings.seed)
    optimizer = build_optimizer(classifier, fresh, settings)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    targets = torch.from_numpy(train.truth).to(runtime.device)
    epochs = settings.planned_epochs(len(train.table))
    total = epochs * settings.updates_per_epoch(len(train.table))
    update, seconds, best = 0, 0.0, None
    best_weights: dict[str, torch.Tensor] = {}

    for epoch in range(1, epochs + 1):
        classifier.train()
        journal.begin(f"epoch {epoch}/{epochs}", len(train.table))
        loss_sum = torch.zeros((), device=runtime.device)
        for batches in training_batches(
            train.table,
            batch_size=settings.batch_size,
            max_tokens=settings.tokens_per_batch,
            seed=settings.seed,
            epoch=epoch,
        ):
            texts = sum(len(batch) for batch in batches)
            for batch in batches:
                with runtime.autocast():
                    logits = classifier(batch)
                batch_loss = loss(logits, targets[torch.from_numpy(batch.rows)]).sum()
                (batch_loss / texts).backward()
                loss_sum += batch_loss.detach()
            set_rate(optimizer, update, total, settings.warmup)
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            update += 1
            journal.advance(texts)
        train_loss = float(loss_sum) / len(train.table)
        if not np.isfinite(train_loss):
            raise FenleiError(
                f"the training loss became {train_loss} in epoch {epoch}",
                hint="lower --learning-rate, or use --precision float32",
            )
        epoch_seconds = journal.end()

        journal.begin("dev", len(dev.table))
        dev_logits = predict_logits(classifier, dev.table, runtime, advance=journal.advance)
        dev_seconds = journal.end()
        dev_loss = float(loss(torch.from_numpy(dev_logits), torch.from_numpy(dev.truth)).mean())
        score = judge(dev_logits, dev.truth)
        seconds += epoch_seconds + dev_seconds
        speed = len(train.table) / epoch_seconds
        journal.record(
            "epoch",
            epoch=epoch,
            train_loss=train_loss,
            dev_loss=dev_loss,
            dev_score=score.value,
            dev_score_name=score.name,
            texts_per_second=round(speed, 1),
            seconds=round(epoch_seconds + dev_seconds, 2),
        )
        journal.say(
            f"epoch {epoch:2}/{epochs}  loss {train_loss:.4f}  dev loss {dev_loss:.4f}  "
            f"dev {score.name} {score.value:.4f}  {speed:,.0f} texts/s"
        )
        if score.predicts_nothing:
            journal.say(
                "warning: the classifier predicts no label for any dev text; if this stays so, "
                "lower --learning-rate or train longer with --epochs"
            )
        if best is None or score.value > best.value:
            best, best_epoch, best_logits = score, epoch, dev_logits
            best_weights = {name: weight.clone() for name, weight in classifier.state_dict().items()}
        elif epoch - best_epoch >= settings.patience:
            journal.say(f"no better dev score for {settings.patience} epochs: stopped")
            break

    classifier.load_state_dict(best_weights)
    classifier.eval()
    return Fitted(best_epoch, epoch, best_logits, seconds)

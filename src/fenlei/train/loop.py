"""The training loop: packed batches in, the weights of the best epoch out.

Shapes: B texts, C labels.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from fenlei.errors import FenleiError
from fenlei.journal import Journal
from fenlei.judge.metrics import row_blocks
from fenlei.model.build import FreshWeights
from fenlei.model.classifier import EncoderClassifier, predict_logits
from fenlei.model.losses import Loss
from fenlei.model.precast import for_prediction
from fenlei.runtime import Runtime
from fenlei.text.batches import training_batches
from fenlei.text.labels import Task
from fenlei.text.tokens import TokenTable
from fenlei.train.averaging import MovingAverage, greedy_mean, mean_of_weights
from fenlei.train.checkpoint import Checkpoints, KeptEpoch, Progress
from fenlei.train.config import TrainSettings
from fenlei.train.optimizer import build_optimizer, set_rate
from fenlei.train.probe import fit_head
from fenlei.train.update import Gradients

if TYPE_CHECKING:
    from scipy.sparse import csr_array


_LESS_MEMORY = (
    "--tokens-per-batch 2048 runs fewer texts at once for the same update",
    "--gradient-checkpointing keeps less of each",
)


@dataclass(frozen=True)
class Part:
    """Tokens and truth of the rows of one part.

    Attributes:
        table: the tokens of B texts.
        truth: (B, C) uint8, sparse: of many labels a row has few.
    """

    table: TokenTable
    truth: "csr_array"


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
        best_epoch: counted from 1; 0: the head fitted on the frozen encoder, before the first epoch.
        averaged: the epochs whose weights were averaged, the best first; it alone if none was.
        history: what each epoch showed, as JSON: `epoch`, `train_loss`, `dev_loss`, `dev_score`, `dev_score_name`.
        dev_logits: (B, C) of the dev part by the kept weights.
        dev_score, dev_loss: of them.
        seconds: of the whole loop.
    """

    best_epoch: int
    averaged: list[int]
    history: list[dict[str, Any]]
    dev_logits: NDArray[np.float32]
    dev_score: float
    dev_loss: float
    seconds: float


def fit(
    classifier: EncoderClassifier,
    fresh: FreshWeights,
    train: Part,
    dev: Part,
    *,
    task: Task,
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
        task: of the classifier.
        loss: (B, C) logits and truth -> (B,).
        judge: (B, C) dev logits and truth -> how good they are.
        settings: of the run.
        runtime: where to compute.
        journal: told what happens.
        checkpoints: where the run's state is kept.
        resume: go on from the newest checkpoint.

    Raises:
        FenleiError: the loss is no longer a number, the memory does not suffice, or there is nothing to resume.
        SettingsError: the run cannot be resumed exactly, or a regulariser needs weights that are frozen.
    """
    torch.manual_seed(settings.seed)
    optimizer = build_optimizer(classifier, fresh, settings)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    gradients = Gradients(classifier, loss, task, train.truth, settings, runtime)
    dev_truth = dev.truth.toarray()
    epochs = settings.planned_epochs(len(train.table))
    updates_per_epoch = settings.updates_per_epoch(len(train.table))
    progress = checkpoints.restore(classifier, optimizer) if resume else Progress()
    probe, judging, began = None, 0.0, time.monotonic()
    if settings.linear_probe and not resume:
        probe = fit_head(
            classifier, train.table, train.truth, loss=loss, seed=settings.seed, runtime=runtime, journal=journal
        )
    average = MovingAverage(classifier, settings.ema)
    if resume:
        journal.say(f"resumed    in epoch {progress.epoch} after {progress.updates_in_epoch} updates")
        average.weights = progress.average
    progress.average = average.weights

    def judged(weights: dict[str, torch.Tensor] | None = None) -> tuple[NDArray[np.float32], float, DevScore]:
        """Logits, loss and score on dev, of given weights or of those in place."""
        if weights is not None:
            classifier.load_state_dict(weights)
        nonlocal judging
        journal.begin("dev", len(dev.table))
        began = time.monotonic()
        # As a saved classifier predicts, so that the decision is fitted on what it will judge.
        logits = predict_logits(for_prediction(classifier, runtime), dev.table, runtime, advance=journal.advance)
        journal.end()
        # In blocks, since a loss makes several tables of the size of its logits.
        blocks = row_blocks(*logits.shape)
        losses = [loss(torch.from_numpy(logits[rows]), torch.from_numpy(dev_truth[rows])) for rows in blocks]
        score = judge(logits, dev_truth)
        judging = time.monotonic() - began
        return logits, float(torch.cat(losses).mean()), score

    def end_epoch(number: int, train_loss: float, speed: float, started: float) -> None:
        """Judge the weights on dev, keep them if they are among the best, and tell."""
        with average.in_place():
            logits, dev_loss, score = judged()
            # A small dev part ties often; then the loss, which counts every row, decides.
            weights = {name: weight.clone() for name, weight in classifier.state_dict().items()}
        kept = KeptEpoch(number, [score.value, -dev_loss], weights, torch.from_numpy(logits))
        progress.keep_best(kept, settings.average_best)
        progress.seconds += time.monotonic() - started
        _tell(journal, progress, number, epochs, train_loss, dev_loss, score, speed)

    if probe:
        end_epoch(0, probe.loss, probe.texts_per_second, began)
    while progress.epoch <= epochs and progress.epoch - _last_gain(progress.history) <= settings.patience:
        classifier.train()
        started = time.monotonic()
        to_come = epochs - progress.epoch
        later = to_come * len(train.table)
        journal.begin(f"epoch {progress.epoch}/{epochs}", len(train.table), later=later, rest=(to_come + 1) * judging)
        journal.advance(min(progress.updates_in_epoch * settings.batch_size, len(train.table)), resumed=True)
        for batches in training_batches(
            train.table,
            batch_size=settings.batch_size,
            max_tokens=settings.tokens_per_batch,
            seed=settings.seed,
            epoch=progress.epoch,
            skip=progress.updates_in_epoch,
        ):
            update = (progress.epoch - 1) * updates_per_epoch + progress.updates_in_epoch
            set_rate(optimizer, update, epochs * updates_per_epoch, settings.warmup, settings.schedule)
            with runtime.within_memory(*_LESS_MEMORY):
                progress.loss_sum = gradients.add(batches) + progress.loss_sum
                torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
                optimizer.step()
            optimizer.zero_grad()
            average.update(update + 1)
            progress.updates_in_epoch += 1
            journal.advance(sum(len(batch) for batch in batches))
            progress.seconds, started = progress.seconds + time.monotonic() - started, time.monotonic()
            checkpoints.save_if_due(update + 1, progress, classifier, optimizer)
        train_loss = float(progress.loss_sum) / len(train.table)
        if not math.isfinite(train_loss):
            raise FenleiError(
                f"the training loss became {train_loss} in epoch {progress.epoch}",
                hint="lower --learning-rate, or use --precision float32",
            )
        end_epoch(progress.epoch, train_loss, journal.end(), started)
        progress.epoch, progress.updates_in_epoch, progress.loss_sum = progress.epoch + 1, 0, torch.zeros(())

    ran, best = progress.epoch - 1, progress.best
    if ran < epochs:
        journal.say(f"stopped    no better dev score or loss for {settings.patience} epochs")

    def rank_of(weights: dict[str, torch.Tensor]) -> list[float]:
        _, dev_loss, score = judged(weights)
        return [score.value, -dev_loss]

    chosen = [best[place] for place in greedy_mean([kept.weights for kept in best], rank_of, best[0].rank)]
    dev_logits, [dev_score, negative_loss] = best[0].logits.numpy(), best[0].rank
    classifier.load_state_dict(best[0].weights)
    if len(chosen) > 1:
        averaged = mean_of_weights([kept.weights for kept in chosen])
        dev_logits, dev_loss, score = judged(averaged)
        dev_score, negative_loss = score.value, -dev_loss
        epochs_averaged = ", ".join(str(kept.epoch) for kept in chosen)
        journal.say(f"averaged   the weights of epochs {epochs_averaged}: dev {score.name} {score.value:.4f}")
    classifier.eval()
    return Fitted(
        best_epoch=best[0].epoch,
        averaged=[kept.epoch for kept in chosen],
        history=progress.history,
        dev_logits=dev_logits,
        dev_score=dev_score,
        dev_loss=-negative_loss,
        seconds=progress.seconds,
    )


def _last_gain(history: list[dict[str, Any]]) -> int:
    """The last epoch that had a higher dev score or a lower dev loss than all before it; 0: there was none yet.

    The score of a small dev part stands still for epochs in which the loss shows that more is being learned. The probe
    does not count: where labels have few rows, training falls behind it and passes it when its rate has fallen.
    """
    last, score, loss = 0, -math.inf, math.inf
    trained = [shown for shown in history if shown["epoch"]]
    for shown in trained:
        if shown["dev_score"] > score or shown["dev_loss"] < loss:
            last = shown["epoch"]
        score, loss = max(score, shown["dev_score"]), min(loss, shown["dev_loss"])
    return last


def _tell(
    journal: Journal,
    progress: Progress,
    epoch: int,
    epochs: int,
    train_loss: float,
    dev_loss: float,
    score: DevScore,
    speed: float,
) -> None:
    shown = {
        "epoch": epoch,
        "train_loss": train_loss,
        "dev_loss": dev_loss,
        "dev_score": score.value,
        "dev_score_name": score.name,
        "texts_per_second": round(speed, 1),
        "seconds": round(progress.seconds, 1),
    }
    progress.history.append(shown)
    journal.record("epoch", **shown)
    what = f"epoch {epoch:2}/{epochs}  " if epoch else "probe      "
    journal.say(
        f"{what}loss {train_loss:.4f}  dev loss {dev_loss:.4f}  "
        f"dev {score.name} {score.value:.4f}  {speed:,.0f} texts/s"
    )
    if score.predicts_nothing:
        advice = "if this stays so, lower --learning-rate or train longer with --epochs"
        if not epochs:
            advice = "the linear probe alone is too little here: leave out --epochs 0"
        journal.say(f"warning: the classifier predicts no label for any dev text; {advice}")

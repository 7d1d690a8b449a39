"""The training loop: packed batches in, the weights of the best epoch out.

Shapes: B texts, C labels.
"""

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from fenlei.errors import FenleiError
from fenlei.journal import Journal
from fenlei.model.build import FreshWeights
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.losses import Loss
from fenlei.runtime import Runtime
from fenlei.text.batches import training_batches
from fenlei.text.labels import Task
from fenlei.text.tokens import TokenTable
from fenlei.train.averaging import MovingAverage, Weights, greedy_mean, mean_of_weights
from fenlei.train.checkpoint import Checkpoints, KeptEpoch, Progress
from fenlei.train.config import TrainSettings
from fenlei.train.dev_judge import DevJudge, Judged, ScoreOf
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
class Fitted:
    """What a training run leaves besides the weights.

    Attributes:
        best_epoch: counted from 1; 0: the head fitted on the frozen encoder, before the first epoch.
        averaged: the epochs whose weights were averaged, the best first; it alone if none was.
        history: what each epoch showed, as JSON: `epoch`, `train_loss`, `dev_loss`, `dev_score`, `dev_score_name`,
            `texts_per_second` and `seconds`, those of the loop so far.
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
    judge: ScoreOf,
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
        judge: how good dev logits are.
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
    dev_judge = DevJudge(classifier, dev.table, dev.truth.toarray(), loss, judge, runtime, journal)
    epochs = settings.planned_epochs(len(train.table))
    updates_per_epoch = settings.updates_per_epoch(len(train.table))
    progress = checkpoints.restore(classifier, optimizer) if resume else Progress()
    probe, began = None, time.monotonic()
    if settings.linear_probe and not resume:
        probe = fit_head(
            classifier, train.table, train.truth, loss=loss, seed=settings.seed, runtime=runtime, journal=journal
        )
    average = MovingAverage(classifier, settings.ema)
    if resume:
        journal.say(f"resumed    in epoch {progress.epoch} after {progress.updates_in_epoch} updates")
        average.weights = progress.average
    progress.average = average.weights

    def end_epoch(number: int, train_loss: float, speed: float, started: float) -> None:
        """Judge the weights on dev, keep them if they are among the best, and tell."""
        with average.in_place():
            judged = dev_judge.judge()
            weights = {name: weight.clone() for name, weight in classifier.state_dict().items()}
        kept = KeptEpoch(number, judged.rank, weights, torch.from_numpy(judged.logits))
        progress.keep_best(kept, settings.average_best)
        progress.seconds += time.monotonic() - started
        _tell(journal, progress, number, epochs, train_loss, judged, speed)

    if probe:
        end_epoch(0, probe.loss, probe.texts_per_second, began)
    while progress.epoch <= epochs and progress.epoch - _last_gain(progress.history) <= settings.patience:
        classifier.train()
        started = time.monotonic()
        to_come = epochs - progress.epoch
        later = to_come * len(train.table)
        journal.begin(
            f"epoch {progress.epoch}/{epochs}", len(train.table), later=later, rest=(to_come + 1) * dev_judge.seconds
        )
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

    if progress.epoch <= epochs:
        journal.say(f"stopped    no better dev score or loss for {settings.patience} epochs")
    best = progress.best
    averaged, judged = _average(classifier, best, dev_judge, journal)
    classifier.eval()
    dev_score, negative_loss = judged.rank if judged else best[0].rank
    return Fitted(
        best_epoch=best[0].epoch,
        averaged=averaged,
        history=progress.history,
        dev_logits=judged.logits if judged else best[0].logits.numpy(),
        dev_score=dev_score,
        dev_loss=-negative_loss,
        seconds=progress.seconds,
    )


def _average(
    classifier: EncoderClassifier, best: list[KeptEpoch], dev_judge: DevJudge, journal: Journal
) -> tuple[list[int], Judged | None]:
    """Leave the classifier with the mean of the best epochs, as far as dev gets no worse by it.

    Returns:
        The epochs in the mean, and what dev says of it; None: it is the best epoch alone.
    """

    def judge(weights: Weights) -> Judged:
        classifier.load_state_dict(weights)
        return dev_judge.judge()

    every = [kept.weights for kept in best]
    places, judged = greedy_mean(every, judge, best[0].rank)
    classifier.load_state_dict(mean_of_weights([every[place] for place in places]) if judged else every[0])
    epochs = [best[place].epoch for place in places]
    if judged:
        score = judged.score
        journal.say(
            f"averaged   the weights of epochs {', '.join(map(str, epochs))}: dev {score.name} {score.value:.4f}"
        )
    return epochs, judged


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
    judged: Judged,
    speed: float,
) -> None:
    score = judged.score
    shown = {
        "epoch": epoch,
        "train_loss": train_loss,
        "dev_loss": judged.loss,
        "dev_score": score.value,
        "dev_score_name": score.name,
        "texts_per_second": round(speed, 1),
        "seconds": round(progress.seconds, 1),
    }
    progress.history.append(shown)
    journal.record("epoch", **shown)
    what = f"epoch {epoch:2}/{epochs}  " if epoch else "probe      "
    journal.say(
        f"{what}loss {train_loss:.4f}  dev loss {judged.loss:.4f}  "
        f"dev {score.name} {score.value:.4f}  {speed:,.0f} texts/s"
    )
    if score.predicts_nothing:
        advice = "if this stays so, lower --learning-rate or train longer with --epochs"
        if not epochs:
            advice = "the linear probe alone is too little here: leave out --epochs 0"
        journal.say(f"warning: the classifier predicts no label for any dev text; {advice}")

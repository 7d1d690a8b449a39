"""The whole training job: labelled examples and an encoder -> a classifier with its decision and its baseline."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fenlei.encoders.catalog import EncoderSource, open_encoder
from fenlei.encoders.coverage import measure_coverage
from fenlei.encoders.tokenizer import EncoderTokenizer, load_tokenizer
from fenlei.errors import DataError, SettingsError
from fenlei.judge.decision import Decision
from fenlei.judge.fitting import DecisionPlan, FittedDecision, HeldOut
from fenlei.judge.metrics import Counts
from fenlei.judge.scores import scores_from_logits
from fenlei.judge.thresholds import fit_global_threshold
from fenlei.model.build import new_classifier, set_output_bias
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.linear import LinearModel
from fenlei.model.losses import LOSSES
from fenlei.runtime import Runtime
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet, Task, settle_task
from fenlei.text.normalize import normalize
from fenlei.text.tokens import TextEncoder
from fenlei.train.checkpoint import Checkpoints
from fenlei.train.config import TrainSettings
from fenlei.train.journal import Journal
from fenlei.train.loop import DevScore, Part, fit

# Texts whose characters are looked up in the vocabulary before training.
_COVERAGE_SAMPLE = 2000


@dataclass(frozen=True)
class Trained:
    """Everything a training run makes.

    Attributes:
        task: settled once.
        labels: the label set in its order.
        source: where the encoder came from.
        tokenizer: of the encoder.
        text_encoder: the tokenizer with the length limit that was trained with.
        classifier: with the weights of the best epoch, in evaluation mode.
        decision: fitted on the dev part, for the classifier and its baseline.
        baseline: TF-IDF and a linear model, trained on the same rows with the same truncation.
        settings: as given.
        facts: what else is worth keeping, as JSON.
    """

    task: Task
    labels: LabelSet
    source: EncoderSource
    tokenizer: EncoderTokenizer
    text_encoder: TextEncoder
    classifier: EncoderClassifier
    decision: FittedDecision
    baseline: LinearModel
    settings: TrainSettings
    facts: dict[str, Any]


def train(
    train_rows: tuple[Example, ...],
    dev_rows: tuple[Example, ...],
    *,
    settings: TrainSettings,
    runtime: Runtime,
    journal: Journal,
    checkpoint_folder: Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
) -> Trained:
    """Train a classifier on `train_rows`; choose its epoch and fit its decision on `dev_rows`.

    Args:
        train_rows: the rows to learn from.
        dev_rows: rows that are not among them.
        settings: of the run.
        runtime: where to compute.
        journal: told what happens.
        checkpoint_folder: where an interrupted run can be resumed from; None: it cannot.
        checkpoint_every: updates between checkpoints; None: by the clock, so that they stay cheap.
        resume: go on from the newest checkpoint there.

    Raises:
        DataError: a part is empty, or has labels that do not fit the task.
        SettingsError: the loss does not fit the task, or the run cannot be resumed exactly.
        EncoderError: the encoder cannot be used.
    """
    for name, rows in (("training", train_rows), ("dev", dev_rows)):
        if not rows:
            raise DataError(f"the {name} part has no rows")
    task = settings.task or settle_task(train_rows)
    labels = LabelSet.from_examples(train_rows)
    if len(labels.names) < 2:
        raise DataError(
            f"the training part has {len(labels.names)} label(s): {', '.join(labels.names)}; at least 2 are needed",
            hint="check the label column and the separator (--label-column, --label-separator)",
        )
    loss_name = settings.loss or next(iter(LOSSES[task]))
    if loss_name not in LOSSES[task]:
        raise SettingsError(f"--loss is {loss_name!r}; for {task} accepted are {', '.join(LOSSES[task])}")
    train_truth, dev_truth = labels.encode(train_rows, task), labels.encode(dev_rows, task)

    source = open_encoder(settings.encoder)
    tokenizer = load_tokenizer(source.folder)
    classifier, fresh = new_classifier(source.folder, labels.names, task, seed=settings.seed)
    limit = classifier.max_tokens
    if limit is not None and settings.max_tokens > limit:
        raise SettingsError(f"--max-tokens is {settings.max_tokens}; this encoder has {limit} positions")
    if loss_name == "bce":
        set_output_bias(classifier, _log_odds(train_truth))
    classifier.network.to(runtime.device)
    text_encoder = TextEncoder(tokenizer.tokenizer, settings.text_settings())
    train_table = text_encoder.encode([row.text for row in train_rows])
    dev_table = text_encoder.encode([row.text for row in dev_rows])

    facts = {
        "task": task,
        "loss": loss_name,
        "train_rows": len(train_rows),
        "dev_rows": len(dev_rows),
        "parameters": sum(p.numel() for p in classifier.parameters()),
        "packed": classifier.padded_because is None,
        "epochs_planned": settings.planned_epochs(len(train_rows)),
        "learning_rate": settings.encoder_rate(classifier.network.config.hidden_size),
        "device": runtime.device,
        "precision": runtime.precision,
        "threads": runtime.threads,
        "texts_cut": train_table.share_of_texts_cut(),
        "tokens_cut": train_table.share_of_tokens_cut(),
    }
    journal.record("start", **facts, settings=settings.to_dict())
    _say_what_was_settled(journal, source, classifier, fresh.identity_pooler, facts)
    sample = train_rows[:: 1 + len(train_rows) // _COVERAGE_SAMPLE]
    normalized = [normalize(row.text, settings.normalize) for row in sample]
    if warning := measure_coverage(tokenizer, normalized).warning():
        journal.say(f"warning: {warning}")

    train_part, dev_part = Part(train_table, train_truth), Part(dev_table, dev_truth)
    circumstances = {
        "settings": settings.to_dict(),
        "labels": list(labels.names),
        "data": _digest(array for part in (train_part, dev_part) for array in _arrays(part)),
        "encoder": _digest(weight.numpy(force=True) for weight in classifier.state_dict().values()),
        "device": runtime.device,
        "precision": runtime.precision,
        "threads": runtime.threads,
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
    checkpoints = Checkpoints(checkpoint_folder, circumstances, every=checkpoint_every)
    fitted = fit(
        classifier,
        fresh,
        train_part,
        dev_part,
        loss=LOSSES[task][loss_name],
        judge=lambda logits, truth: _judge(logits, truth, task),
        settings=settings,
        runtime=runtime,
        journal=journal,
        checkpoints=checkpoints,
        resume=resume,
    )
    baseline = LinearModel.fit([text_encoder.kept_text(row.text) for row in train_rows], train_truth, task)
    baseline_logits = baseline.logits([text_encoder.kept_text(row.text) for row in dev_rows])
    held_out = HeldOut(fitted.dev_logits, baseline_logits, dev_truth, "dev")
    decision = FittedDecision.fit(held_out, task, DecisionPlan())
    facts |= {"best_epoch": fitted.best_epoch, "epochs": fitted.epochs, "seconds": round(fitted.seconds, 1)}
    journal.record("end", **facts)
    checkpoints.clear()
    return Trained(task, labels, source, tokenizer, text_encoder, classifier, decision, baseline, settings, facts)


def _judge(logits: NDArray[np.float32], truth: NDArray[np.uint8], task: Task) -> DevScore:
    """Micro-F1 at the threshold that is best on dev, or accuracy.

    At a fixed threshold an epoch could win only because its scores happen to sit well around it.
    """
    scores = scores_from_logits(logits, task)
    if task == "multiclass":
        counts = Counts.of(truth, Decision.default(task).apply(scores))
        return DevScore(float(counts.subset_accuracy()), "accuracy", False)
    counts = Counts.of(truth, scores >= fit_global_threshold(scores, truth))
    return DevScore(float(counts.micro().f1), "micro-F1", not Decision.default(task).apply(scores).any())


def _arrays(part: Part) -> list[NDArray[Any]]:
    types = [] if part.table.seconds is None else [part.table.seconds]
    return [part.table.ids, part.table.offsets, part.truth, *types]


def _digest(arrays: Iterable[NDArray[Any]]) -> str:
    """One number for the content of many arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _log_odds(truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(C,) log-odds of each label's share, smoothed by one row on either side."""
    positive = truth.sum(axis=0, dtype=np.float64)
    odds: NDArray[np.float64] = (positive + 1) / (len(truth) - positive + 1)
    return np.log(odds)


def _say_what_was_settled(
    journal: Journal,
    source: EncoderSource,
    classifier: EncoderClassifier,
    identity_pooler: bool,
    facts: dict[str, Any],
) -> None:
    architecture = type(classifier.network).__name__
    pooler = ", with a fresh pooler that starts as the identity" if identity_pooler else ""
    journal.say(f"encoder    {source.name}: {architecture}, {facts['parameters'] / 1e6:.1f}M parameters{pooler}")
    if classifier.padded_because:
        journal.say(f"           texts are padded, not packed: {classifier.padded_because}")
    journal.say(
        f"task       {facts['task']}, {classifier.num_labels} labels, loss {facts['loss']}; "
        f"{facts['train_rows']:,} training and {facts['dev_rows']:,} dev rows"
    )
    journal.say(
        f"runtime    {facts['device']}, {facts['precision']}, {facts['threads']} threads; "
        f"up to {facts['epochs_planned']} epochs, peak rate {facts['learning_rate']:.2g}"
    )
    if facts["texts_cut"]:
        journal.say(
            f"truncation cuts {facts['texts_cut']:.1%} of the training texts and {facts['tokens_cut']:.1%} "
            "of their tokens; --max-tokens sets the limit"
        )

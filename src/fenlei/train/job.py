"""The whole training job: labelled examples and an encoder -> a classifier with its decision and its baseline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fenlei.encoders.catalog import EncoderSource, open_encoder
from fenlei.encoders.coverage import measure_coverage
from fenlei.encoders.tokenizer import EncoderTokenizer, load_tokenizer
from fenlei.errors import DataError
from fenlei.journal import Journal
from fenlei.judge.fitting import DecisionPlan, FittedDecision, HeldOut
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.linear import LinearModel
from fenlei.model.losses import known_loss
from fenlei.runtime import Runtime
from fenlei.text.example import Example, canonical_text
from fenlei.text.labels import LabelSet, Task, settle_task
from fenlei.text.normalize import normalize
from fenlei.text.tokens import TextEncoder
from fenlei.train.config import TrainSettings
from fenlei.train.folds import Folds
from fenlei.train.trainer import Trainer

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
        baseline: TF-IDF and a linear model, trained on the same rows, of which it reads the whole text.
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
        checkpoint_folder: where an interrupted run can be resumed from, until `delete_checkpoints`; None: it cannot.
        checkpoint_every: updates between checkpoints; None: by the clock, so that they stay cheap.
        resume: go on from the newest checkpoint there.

    Raises:
        FenleiError: there is nothing to resume.
        DataError: a part is empty, or has labels that do not fit the task; all of dev stands in training too.
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
    _require_apart(train_rows, dev_rows, journal)
    loss_name = known_loss(settings.loss, task)
    # A label that dev alone has is told before an encoder is fetched.
    dev_truth = labels.encode(dev_rows, task)
    source = open_encoder(settings.encoder)
    tokenizer = load_tokenizer(source.folder)
    text_settings = settings.text_settings(task)
    text_encoder = TextEncoder(tokenizer.tokenizer, text_settings)
    trainer = Trainer(
        task=task,
        labels=labels,
        encoder=source.folder,
        text_encoder=text_encoder,
        loss=loss_name,
        dev_rows=dev_rows,
        settings=settings,
        runtime=runtime,
        journal=journal,
        checkpoint_every=checkpoint_every,
        resume=resume,
    )
    start = trainer.start(train_rows)
    network, table = start.classifier.network, start.part.table
    facts = {
        "task": task,
        "loss": loss_name,
        "train_rows": len(train_rows),
        "dev_rows": len(dev_rows),
        "encoder_sha256": source.sha256,
        "parameters": sum(p.numel() for p in start.classifier.parameters()),
        "packed": start.classifier.padded_because is None,
        "pooling": start.classifier.pooling,
        "epochs_planned": settings.planned_epochs(len(train_rows)),
        "learning_rate": settings.encoder_rate(network.config.hidden_size),
        "device": runtime.device,
        "precision": runtime.precision,
        "threads": runtime.threads,
        "texts_cut": table.share_of_texts_cut(),
        "tokens_cut": table.share_of_tokens_cut(),
        "window_join": text_settings.window_join,
        "windows": len(table) if table.windows is None else int(table.windows.counts.sum()),
    }
    journal.record("start", **facts, settings=settings.to_dict())
    _say_what_was_settled(journal, settings, source, start.classifier, start.fresh.identity_pooler, facts)
    sample = train_rows[:: 1 + len(train_rows) // _COVERAGE_SAMPLE]
    normalized = [normalize(row.text, settings.normalize) for row in sample]
    if warning := measure_coverage(tokenizer, normalized).warning():
        journal.say(f"warning: {warning}")

    folds = Folds(trainer, train_rows, settings.folds, checkpoint_folder) if settings.folds else None
    # Before the folds: a run that cannot be resumed is refused before their work.
    trainer.begin(start, checkpoint_folder, must_resume=folds is None)
    fold_logits = folds.logits() if folds else None
    fitted = trainer.fit(start, checkpoint_folder)
    baseline = trainer.fit_baseline(start)
    held_out = HeldOut(fitted.dev_logits, trainer.baseline_logits(baseline, dev_rows), dev_truth, "dev")
    if fold_logits:
        source_of_rows = f"{settings.folds} folds of train"
        held_out = held_out.with_more(**fold_logits, truth=start.part.truth.toarray(), source=source_of_rows)
    decision = FittedDecision.fit(held_out, task, DecisionPlan())
    if decision.blend.baseline:
        journal.say(f"blend      {decision.blend} logits, the shares that held-out rows speak for")
    facts |= {
        "best_epoch": fitted.best_epoch,
        "averaged_epochs": fitted.averaged,
        "dev_score": fitted.dev_score,
        "dev_score_name": fitted.history[-1]["dev_score_name"],
        "dev_loss": fitted.dev_loss,
        "history": fitted.history,
        "label_rows": start.part.truth.sum(axis=0, dtype=int).tolist(),
        "seconds": round(fitted.seconds, 1),
    }
    journal.record("end", **facts)
    return Trained(task, labels, source, tokenizer, text_encoder, start.classifier, decision, baseline, settings, facts)


def _require_apart(train_rows: tuple[Example, ...], dev_rows: tuple[Example, ...], journal: Journal) -> None:
    """Refuse a dev part that was trained on; warn of one of which some rows were."""
    learned = {canonical_text(row.text) for row in train_rows}
    shared = sum(canonical_text(row.text) in learned for row in dev_rows)
    if shared == len(dev_rows):
        raise DataError(
            "every dev row is a training row too: no epoch could be chosen on them, and no decision fitted",
            hint="give other rows, or none: then a tenth of the training rows is cut off for dev",
        )
    if shared:
        journal.say(
            f"warning: {shared:,} of the {len(dev_rows):,} dev rows are training rows too: dev judges too kindly"
        )


def _say_what_was_settled(
    journal: Journal,
    settings: TrainSettings,
    source: EncoderSource,
    classifier: EncoderClassifier,
    identity_pooler: bool,
    facts: dict[str, Any],
) -> None:
    architecture = type(classifier.network.base_model).__name__
    pooler = ", with a fresh pooler that starts as the identity" if identity_pooler else ""
    if classifier.pooling == "mean":
        pooler = ", the mean over the text"
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
    if facts["windows"] > facts["train_rows"]:
        journal.say(
            f"windows    {facts['windows']:,} of {settings.max_tokens} tokens or less for {facts['train_rows']:,} "
            f"training texts, at most {settings.max_windows} a text, joined by {facts['window_join']}"
        )
    if facts["texts_cut"]:
        read_more = "--max-windows" if settings.truncation == "windows" else "--truncation windows or --max-tokens"
        journal.say(
            f"truncation cuts {facts['texts_cut']:.1%} of the training texts and {facts['tokens_cut']:.1%} "
            f"of their tokens; {read_more} lets the encoder read more"
        )

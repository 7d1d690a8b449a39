"""Texts -> scores -> labels: the classifier as its users hold it, from Python and behind the command line."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.bundle import Bundle, fingerprints, library_versions
from fenlei.errors import DataError
from fenlei.judge.decision import Decision
from fenlei.judge.error_rows import ErrorRow, error_rows
from fenlei.judge.evaluation import Baseline, build_report
from fenlei.judge.report import Report
from fenlei.judge.scores import scores_from_logits
from fenlei.model.classifier import predict_logits
from fenlei.runtime import Runtime, open_runtime
from fenlei.text.example import PAIR, Example, text_fingerprint
from fenlei.text.labels import Task
from fenlei.text.split import split_examples
from fenlei.train.config import TrainSettings
from fenlei.train.job import Trained, train
from fenlei.train.journal import Journal


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    Attributes:
        labels: the decided label names, in the label set's order; possibly none.
        scores: every label's name and score in [0, 1], highest first.
    """

    labels: tuple[str, ...]
    scores: tuple[tuple[str, float], ...]


class Classifier:
    """A trained classifier with its decision.

    Made by `Classifier.train` or `Classifier.load`:

        classifier = Classifier.load("runs/news")
        classifier.predict(["大众汽车召回部分车型，车主可免费更换电池"])[0].labels
    """

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self._bundle = bundle
        self._runtime = runtime
        self._text_encoder = bundle.text_encoder()
        bundle.classifier.network.to(runtime.device)

    @property
    def task(self) -> Task:
        """`multilabel` or `multiclass`."""
        return self._bundle.task

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names in their order."""
        return self._bundle.labels.names

    @property
    def decision(self) -> Decision:
        """The rule from scores to labels."""
        return self._bundle.decision

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that were joined to a text in training; none if it was one that need not have the same name."""
        columns = self._bundle.record["data"].get("text_columns", ())
        return tuple(columns) if len(columns) > 1 else ()

    @property
    def takes_pairs(self) -> bool:
        """Whether those columns were a pair of texts."""
        return bool(self._bundle.record["data"].get("pair", False))

    def fingerprint(self) -> dict[str, Any]:
        """What the answers depend on, as JSON: the bundle's content, and how it is computed."""
        runtime = self._runtime
        return {
            "content": self._bundle.fingerprint(),
            "device": runtime.device,
            "precision": runtime.precision,
            "threads": runtime.threads,
        }

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        device: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
    ) -> "Classifier":
        """Load the bundle in `folder`; the other arguments as in `fenlei.runtime.open_runtime`.

        Raises:
            BundleError: it is no bundle, of an unknown format, or damaged.
        """
        return cls(Bundle.read(Path(folder)), open_runtime(device=device, precision=precision, threads=threads))

    @classmethod
    def train(
        cls,
        examples: Iterable[Example],
        *,
        dev: Iterable[Example] | None = None,
        settings: TrainSettings | None = None,
        runtime: Runtime | None = None,
        journal: Journal | None = None,
        record: dict[str, Any] | None = None,
        checkpoint_folder: Path | None = None,
        checkpoint_every: int | None = None,
        resume: bool = False,
        **more: Any,
    ) -> "Classifier":
        """Train a classifier on `examples`.

        Args:
            examples: the training rows.
            dev: the rows that choose the epoch and fit the decision; None: a stratified tenth of `examples`.
            settings: the settings; None: `TrainSettings(**more)`, so that
                `Classifier.train(rows, encoder="starter", epochs=5)` does what it says.
            runtime: where to compute; None: settled from the machine.
            journal: where progress goes; None: nowhere.
            record: what else the bundle should remember of the data.
            checkpoint_folder: where an interrupted run can be resumed from; None: it cannot.
            checkpoint_every: updates between checkpoints; None: by the clock, so that they stay cheap.
            resume: go on from the newest checkpoint there.
            more: fields of `TrainSettings`.

        Raises:
            FenleiError: the data, the settings or the encoder cannot be used; see `fenlei.errors`.
        """
        settings = settings or TrainSettings(**more)
        runtime = runtime or open_runtime()
        train_rows = tuple(examples)
        if dev is None:
            parts = split_examples(train_rows, settings.task, ratios={"train": 0.9, "dev": 0.1}, seed=settings.seed)
            train_rows, dev_rows = parts["train"], parts["dev"]
        else:
            dev_rows = tuple(dev)
        trained = train(
            train_rows,
            dev_rows,
            settings=settings,
            runtime=runtime,
            journal=journal or Journal(),
            checkpoint_folder=checkpoint_folder,
            checkpoint_every=checkpoint_every,
            resume=resume,
        )
        seen = {"train": fingerprints(train_rows), "dev": fingerprints(dev_rows)}
        return cls(_bundle_of(trained, seen, record or {}), runtime)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the bundle to `folder`, whole or not at all.

        Raises:
            BundleError: something is there already.
        """
        self._bundle.write(Path(folder), overwrite=overwrite)

    def scores(
        self, texts: Sequence[str], *, advance: Callable[[int], None] = lambda texts: None
    ) -> NDArray[np.float64]:
        """(B, C) scores in [0, 1], in the order of `texts` and of `labels`.

        Args:
            texts: B texts.
            advance: called with the number of texts done, for progress.

        Raises:
            DataError: `texts` is one string.
        """
        if isinstance(texts, str):
            raise DataError("predict takes a list of texts, and this is one string", hint="write [text]")
        table = self._text_encoder.encode(texts)
        logits = predict_logits(self._bundle.classifier, table, self._runtime, advance=advance)
        return scores_from_logits(logits, self.task)

    def predict(self, texts: Sequence[str], *, top_k: int | None = None) -> list[Prediction]:
        """The labels of each text.

        Args:
            texts: B texts.
            top_k: how many scores an answer keeps; None: all.
        """
        return self.decide(self.scores(texts), top_k=top_k)

    def decide(self, scores: NDArray[np.float64], *, top_k: int | None = None) -> list[Prediction]:
        """(B, C) scores -> B predictions, by the saved decision."""
        decided = self.decision.apply(scores)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        return [
            Prediction(
                tuple(self.labels[label] for label in np.flatnonzero(row_decided)),
                tuple((self.labels[label], float(row_scores[label])) for label in row_order),
            )
            for row_decided, row_scores, row_order in zip(decided, scores, order, strict=True)
        ]

    def evaluate(
        self, examples: Sequence[Example], *, advance: Callable[[int], None] = lambda texts: None
    ) -> "Evaluation":
        """Measure the classifier, and its linear baseline beside it, on labelled examples.

        Raises:
            DataError: there are no rows, or a label is unknown to the classifier.
        """
        if not examples:
            raise DataError("there are no rows to evaluate")
        truth = self._bundle.labels.encode(examples, self.task)
        texts = [example.text for example in examples]
        scores = self.scores(texts, advance=advance)
        kept = [self._text_encoder.kept_text(text) for text in texts]
        seen = {
            part: sum(text_fingerprint(text) in prints for text in texts) for part, prints in self._bundle.seen.items()
        }
        baseline_scores = self._bundle.baseline.decision_scores(kept)
        report = build_report(
            truth,
            scores,
            self.decision,
            self.labels,
            baseline=Baseline(
                name="TF-IDF + linear",
                predicted=self._bundle.baseline.decide(baseline_scores),
                scores=baseline_scores,
            ),
            groups=_groups(examples),
            seen=seen,
        )
        shown = [text.replace(PAIR, "\n") for text in texts]
        errors = error_rows([example.id for example in examples], shown, truth, scores, self.decision, self.labels)
        return Evaluation(report, errors, scores)


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation gives.

    Attributes:
        report: the figures.
        errors: the rows that were got wrong, most confident first.
        scores: (B, C).
    """

    report: Report
    errors: list[ErrorRow]
    scores: NDArray[np.float64]


def _groups(examples: Sequence[Example]) -> list[str] | None:
    """Which rows the bootstrap draws together; None: every row alone."""
    if all(example.group is None for example in examples):
        return None
    return [example.group or f"row {example.id}" for example in examples]


def _bundle_of(trained: Trained, seen: dict[str, frozenset[str]], data: dict[str, Any]) -> Bundle:
    settings = trained.settings
    return Bundle(
        task=trained.task,
        labels=trained.labels,
        decision=trained.decision,
        classifier=trained.classifier,
        tokenizer=trained.tokenizer,
        text=settings.text_settings(),
        baseline=trained.baseline,
        seen=seen,
        record={
            "encoder": {"source": trained.source.name, "kind": trained.source.kind},
            "training": {**settings.to_dict(), **trained.facts},
            "data": data,
            "versions": library_versions(),
        },
    )

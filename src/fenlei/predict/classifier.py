"""Texts -> scores -> labels: the classifier as its users hold it, from Python and behind the command line."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.bundle import Bundle
from fenlei.decided import Decided
from fenlei.errors import SettingsError
from fenlei.journal import Journal
from fenlei.judge.decision import Decision
from fenlei.judge.fitting import DecisionPlan, FittedDecision
from fenlei.judge.rules import Rules
from fenlei.predict.evaluate import Evaluation, evaluate, found_in
from fenlei.predict.prediction import Prediction, decide
from fenlei.predict.refit import refit
from fenlei.predict.scoring import Advance, Scorer, list_of_texts
from fenlei.runtime import Runtime, open_runtime
from fenlei.text.example import Example, examples_of, fingerprints
from fenlei.text.labels import Task, settle_task
from fenlei.text.split import split_examples
from fenlei.train.config import TrainSettings
from fenlei.train.job import train
from fenlei.train.recipes import settings_of


class Classifier:
    """A trained classifier with its decision.

    Made by `Classifier.train` or `Classifier.load`:

        classifier = Classifier.load("runs/news")
        classifier.predict(["大众汽车召回部分车型，车主可免费更换电池"])[0].labels
    """

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self._bundle = bundle
        self._runtime = runtime
        self._scorer = Scorer(bundle, runtime)

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
        """The rule from logits to labels."""
        return self._bundle.decision.decision

    @property
    def fitted_decision(self) -> FittedDecision:
        """The decision with its plan and the rows it was fitted on."""
        return self._bundle.decision

    @property
    def decided(self) -> Decided:
        """The labels with the decision, as the bundle keeps them."""
        return self._bundle

    @property
    def previous_decision(self) -> FittedDecision | None:
        """The decision before the last change, which `restore_decision` brings back."""
        return self._bundle.previous

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that were named as the text in training; none: it was found by its usual name."""
        return tuple(self._bundle.record["data"].get("text_columns", ()))

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The same of the labels."""
        return tuple(self._bundle.record["data"].get("label_columns", ()))

    @property
    def takes_pairs(self) -> bool:
        """Whether those columns were a pair of texts."""
        return bool(self._bundle.record["data"].get("pair", False))

    @property
    def reads_windows(self) -> bool:
        """Whether long texts are read in several windows."""
        return self._bundle.text.truncation == "windows"

    def has_seen(self, texts: Iterable[str]) -> NDArray[np.bool_] | None:
        """(B,) whether each text helped to make the classifier; None: its bundle keeps no fingerprints."""
        seen = self._bundle.seen
        return None if seen is None else np.any(list(found_in(list_of_texts(texts), seen).values()), axis=0)

    def fingerprint(self) -> dict[str, Any]:
        """What the answers depend on, as JSON: the bundle's content, and how it is computed."""
        return {"content": self._bundle.fingerprint(), **asdict(self._runtime)}

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
            SettingsError: as `open_runtime`, or the folder's path is not UTF-8.
        """
        # The runtime first: it settles what the first computation, the proof of packing, reads.
        runtime = open_runtime(device=device, precision=precision, threads=threads)
        return cls(Bundle.read(Path(folder)), runtime)

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
        keep_fingerprints: bool = True,
        **more: Any,
    ) -> "Classifier":
        """Train a classifier on `examples`.

        Args:
            examples: the training rows.
            dev: the rows that choose the epoch and fit the decision; None: a stratified tenth of `examples`.
            settings: the settings; None: `fenlei.train.recipes.settings_of(**more)`, so that
                `Classifier.train(rows, encoder="starter", epochs=5)` does what it says.
            runtime: where to compute; None: settled from the machine.
            journal: where progress goes; None: nowhere.
            record: what else the bundle should remember of the data.
            checkpoint_folder: where an interrupted run can be resumed from; None: it cannot. It is kept until you
                delete it, best after `save`.
            checkpoint_every: updates between checkpoints; None: by the clock, so that they stay cheap.
            resume: go on from the newest checkpoint there.
            keep_fingerprints: keep 16-byte hashes of the texts in the bundle, so that an evaluation can tell which
                rows it was made of. Who has a text can find out by them whether it was among these.
            more: a recipe and fields of `TrainSettings` in place of `settings`; what `load` takes, of `runtime`.

        Raises:
            FenleiError: the data, the settings or the encoder cannot be used; see `fenlei.errors`.
        """
        where = {name: more.pop(name) for name in ("device", "precision", "threads") if name in more}
        for what, whole, beside in (("settings", settings, more), ("runtime", runtime, where)):
            if whole and beside:
                raise SettingsError(
                    f"{what}= is given, and {', '.join(beside)} beside it",
                    hint=f"put all into one: dataclasses.replace({what}, …)",
                )
        settings = settings or settings_of(**more)
        runtime = runtime or open_runtime(**where)
        train_rows = examples_of(examples)
        settings = replace(settings, task=settings.task or settle_task(train_rows))
        if dev is None:
            parts = split_examples(train_rows, settings.task, ratios={"train": 0.9, "dev": 0.1}, seed=settings.seed)
            train_rows, dev_rows = parts["train"], parts["dev"]
        else:
            dev_rows = examples_of(dev)
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
        seen = {"train": fingerprints(train_rows), "dev": fingerprints(dev_rows)} if keep_fingerprints else None
        return cls(Bundle.of(trained, seen, record or {}), runtime)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the bundle to `folder`, whole or not at all.

        Raises:
            BundleError: something is there already.
        """
        self._bundle.write(Path(folder), overwrite=overwrite)

    def save_decision(self, folder: str | Path) -> None:
        """Write only the decisions into the bundle in `folder`, from which this classifier was loaded.

        Raises:
            BundleError: there is no bundle.
        """
        self._bundle.write_decision(Path(folder))

    def refit_decision(
        self,
        plan: DecisionPlan | None = None,
        *,
        rules: Rules | None = None,
        examples: Iterable[Example] | None = None,
        source: str = "other rows",
        advance: Advance = lambda texts: None,
    ) -> "Classifier":
        """The same classifier with its decision fitted anew; the present one is kept beside it.

        Args:
            plan: what to fit for; None: as before.
            rules: which label sets are possible; None: as before.
            examples: labelled rows to fit on; None: the held-out rows that the bundle keeps. Those that the
                classifier was trained on are left out.
            source: what those rows are, for people.
            advance: called with the number of texts done, for progress.

        Raises:
            DataError: no row is left, they are no examples, or a label is unknown to the classifier.
            SettingsError: the rules do not fit the task.
        """
        rows = None if examples is None else examples_of(examples)
        return self._with(refit(self._scorer, plan, rules, rows, source, advance))

    def restore_decision(self) -> "Classifier":
        """The same classifier with the decision before the last change; the present one becomes the previous one.

        Raises:
            BundleError: there is none.
        """
        return self._with(self._bundle.restored())

    def _with(self, bundle: Bundle) -> "Classifier":
        return Classifier(bundle, self._runtime)

    def logits(self, texts: Iterable[str], *, advance: Advance = lambda texts: None) -> NDArray[np.float32]:
        """(B, C) raw outputs, in the order of `texts` and of `labels`; arguments and errors as for `scores`."""
        return self._scorer.logits(texts, advance=advance)

    def scores(self, texts: Iterable[str], *, advance: Advance = lambda texts: None) -> NDArray[np.float64]:
        """(B, C) calibrated scores in [0, 1], in the order of `texts` and of `labels`.

        Args:
            texts: B texts.
            advance: called with the number of texts done, for progress.

        Raises:
            DataError: `texts` is one string or a whole table, or holds something that is no text.
        """
        return self._scorer.scores(texts, advance=advance)

    def predict(
        self, texts: Iterable[str], *, top_k: int | None = None, advance: Advance = lambda texts: None
    ) -> list[Prediction]:
        """The labels of each text, and of long texts that were read in windows those that decided.

        Args:
            texts: B texts.
            top_k: how many scores an answer keeps; None: all.
            advance: called with the number of texts done, for progress.

        Raises:
            DataError: `texts` is one string or a whole table, or holds something that is no text.
            SettingsError: `top_k` is below 0.
        """
        scores, deciding = self._scorer.scores_and_deciding(texts, advance=advance)
        return decide(self.decision, self.labels, scores, deciding, top_k=top_k)

    def decide(self, scores: NDArray[np.float64], *, top_k: int | None = None) -> list[Prediction]:
        """(B, C) scores -> B predictions, by the saved decision; errors as `fenlei.predict.prediction.decide`."""
        return decide(self.decision, self.labels, scores, top_k=top_k)

    def evaluate(self, examples: Iterable[Example], *, advance: Advance = lambda texts: None) -> Evaluation:
        """Measure the classifier, and its linear baseline beside it, on labelled examples.

        Raises:
            DataError: there are no rows, they are no examples, or a label is unknown to the classifier.
        """
        return evaluate(self._scorer, examples_of(examples), advance)

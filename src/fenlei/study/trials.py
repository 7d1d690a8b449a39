"""Variants of the settings, each trained with every seed on the same rows; what is done is kept and not done again.

A run lies in `NAME, seed N/`: the logits of dev and judged rows in arrays.npz, the rest in facts.json, which is
written last.

Shapes: B judged rows, C labels.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.atomic import atomic_file, write_text
from fenlei.errors import DataError, SettingsError
from fenlei.journal import Journal, clock
from fenlei.judge.decision import Decision
from fenlei.judge.fitting import DecisionPlan, FittedDecision, HeldOut
from fenlei.judge.metrics import Bits
from fenlei.judge.scores import scores_from_logits
from fenlei.judge.variants import Answers, VariantTable, compare_variants
from fenlei.model.classifier import predict_logits
from fenlei.model.losses import known_loss
from fenlei.model.precast import for_prediction
from fenlei.predict.evaluate import groups_of
from fenlei.runtime import Runtime
from fenlei.study.protocol import StudyRows
from fenlei.text.labels import Task
from fenlei.train.checkpoint import can_go_on, delete_checkpoints
from fenlei.train.config import TrainSettings
from fenlei.train.job import train

Variants = Mapping[str, Mapping[str, Any]]
"""The name of each variant and the fields of `TrainSettings` that it changes."""

_ARRAYS, _FACTS = "arrays.npz", "facts.json"


@dataclass(frozen=True, eq=False)
class Trial:
    """A finished run.

    Attributes:
        task: of the classifier.
        logits, baseline_logits: (B, C) of the judged rows.
        truth: (B, C) of them.
        held_out: the dev rows.
        support: (C,) training rows that have each label.
        groups: (B,) judged rows of one group are resampled together; None: each row alone.
        facts: what else is kept, as JSON: `rows`, `seconds`, `history`, `setting`, `date`.
    """

    task: Task
    logits: NDArray[np.float32]
    baseline_logits: NDArray[np.float32]
    truth: Bits
    held_out: HeldOut
    support: NDArray[np.int64]
    groups: NDArray[np.str_] | None
    facts: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Trial":
        """Read what a run left in `folder`.

        Raises:
            DataError: it is damaged.
        """
        facts = _facts(folder)
        try:
            with (folder / _ARRAYS).open("rb") as file, np.load(file) as arrays:
                return cls(
                    task=facts["task"],
                    logits=arrays["logits"],
                    baseline_logits=arrays["baseline_logits"],
                    truth=arrays["truth"],
                    held_out=HeldOut(arrays["dev_logits"], arrays["dev_baseline_logits"], arrays["dev_truth"], "dev"),
                    support=arrays["support"].astype(np.int64),
                    groups=arrays.get("groups"),
                    facts=facts,
                )
        # A torn archive raises whatever zip or zlib finds first.
        except Exception as error:
            raise DataError(f"the run in {folder} is damaged: {error!r}", hint="delete the folder") from error

    def answers(self, *, blend: bool = False) -> Answers:
        """The labels given to the judged rows by a decision fitted on dev; with `blend`, with a share of the baseline.

        Beside them those of one threshold for all labels, 0.5 on scores as they come: multi-label only, since of
        classes the highest score decides.
        """
        fitted = FittedDecision.fit(self.held_out, self.task, DecisionPlan(blend=blend))
        tuned = fitted.decision.apply(fitted.scores(self.logits, self.baseline_logits))
        untuned = None
        if self.task == "multilabel" and not blend:
            untuned = Decision.default(self.task).apply(scores_from_logits(self.logits, self.task))
        return Answers(tuned=tuned, untuned=untuned, seconds=self.facts["seconds"])


def run_trials(
    folder: Path,
    rows: StudyRows,
    variants: Variants,
    seeds: Sequence[int],
    settings: TrainSettings,
    runtime: Runtime,
    journal: Journal,
    *,
    checkpoint_every: int | None = None,
) -> None:
    """Train and judge every variant with every seed, all variants with one seed before the next.

    Every run makes the same number of updates: none stops early, and dev chooses its epoch afterwards.

    Args:
        folder: where the runs are kept; a finished one is not done again, an interrupted one goes on.
        rows: of all runs.
        variants: what is compared.
        seeds: of the runs.
        settings: what the variants change.
        runtime: where to compute.
        journal: told what happens, and about how much time is left.
        checkpoint_every: updates between checkpoints; None: by the clock.

    Raises:
        FenleiError: as `fenlei.train.job.train` does.
        SettingsError: a variant's settings contradict each other, its loss does not fit the task, or a finished run of
            its name had other settings.
    """
    epochs = settings.planned_epochs(len(rows.train))
    settings = replace(settings, task=rows.task, epochs=epochs, patience=max(epochs, 1))
    plan = [
        (name, seed, replace(settings, **variants[name], seed=seed))
        for seed in dict.fromkeys(seeds)
        for name in variants
    ]
    for _, _, own in plan:
        known_loss(own.loss, rows.task)
    seconds = []
    for name, seed, _ in plan:
        place, setting = _place(folder, name, seed), dict(variants[name])
        if not (place / _FACTS).exists():
            continue
        facts = _facts(place)
        if facts["setting"] != json.loads(json.dumps(setting)):
            raise SettingsError(
                f"{place} holds a run with {facts['setting']}, and {name!r} is now {setting}",
                hint="give the variant another name, or delete that folder",
            )
        seconds.append(facts["seconds"])
    if seconds:
        journal.say(f"runs       {len(seconds)} of {len(plan)} are there from before{_left(seconds, len(plan))}")
    for name, seed, own in plan:
        place = _place(folder, name, seed)
        if (place / _FACTS).exists():
            continue
        journal.stage = f"run {len(seconds) + 1}/{len(plan)}, {name}, seed {seed}  "
        facts = _run(place, rows, dict(variants[name]), own, runtime, journal, checkpoint_every)
        seconds.append(facts["seconds"])
        journal.say(f"done       in {clock(seconds[-1])}{_left(seconds, len(plan))}")
    journal.stage = ""


def find_trials(
    folder: Path, names: Sequence[str] | None = None, seeds: Sequence[int] | None = None
) -> dict[str, dict[int, Path]]:
    """Where the finished runs lie, by name and seed, in the order of `names`; None: of all names, or seeds."""
    found: dict[str, dict[int, Path]] = {name: {} for name in names or ()}
    for facts in sorted(folder.glob(f"*, seed */{_FACTS}")):
        name, _, seed = facts.parent.name.rpartition(", seed ")
        if (names is None or name in names) and (seeds is None or int(seed) in seeds):
            found.setdefault(name, {})[int(seed)] = facts.parent
    return found


def compare_trials(
    places: Mapping[str, Mapping[int, Path]], default: str, *, blend: bool = False, seed: int = 0
) -> VariantTable:
    """Each variant against the default one, their decisions fitted on dev.

    Args:
        places: where their runs lie, by name and seed.
        default: what the others are compared with.
        blend: whether decisions may take a share of the baseline.
        seed: of the bootstrap.

    Raises:
        DataError: there is no run of `default`, one is damaged, or some were judged on other rows.
    """
    if not places.get(default):
        raise DataError(f"there is no finished run of {default!r} to compare with")
    first = Trial.read(next(iter(places[default].values())))
    answers: dict[str, dict[int, Answers]] = {}
    for name, runs in places.items():
        for number, place in runs.items():
            # One after the other: of many labels the logits of all would not fit.
            trial = Trial.read(place)
            if not np.array_equal(trial.truth, first.truth):
                raise DataError(f"{place} was judged on other rows than {default}", hint="delete the folder")
            answers.setdefault(name, {})[number] = trial.answers(blend=blend)
    return compare_variants(
        first.truth, answers, first.support, first.task, default=default, groups=first.groups, seed=seed
    )


def _run(
    place: Path,
    rows: StudyRows,
    change: dict[str, Any],
    settings: TrainSettings,
    runtime: Runtime,
    journal: Journal,
    checkpoint_every: int | None,
) -> dict[str, Any]:
    """Train and judge one run and keep it in `place`; returns its facts."""
    began = time.monotonic()
    trained = train(
        rows.train,
        rows.dev,
        settings=settings,
        runtime=runtime,
        journal=journal,
        checkpoint_folder=place,
        checkpoint_every=checkpoint_every,
        resume=can_go_on(place),
    )
    texts = [row.text for row in rows.judged]
    journal.begin("judged rows", len(texts))
    ready = for_prediction(trained.classifier, runtime)
    logits = predict_logits(ready, trained.text_encoder.encode(texts), runtime, advance=journal.advance)
    journal.end()
    held_out = trained.decision.held_out
    arrays: dict[str, NDArray[Any]] = {
        "logits": logits,
        "baseline_logits": trained.baseline.logits([trained.text_encoder.whole_text(text) for text in texts]),
        "truth": rows.labels.encode(rows.judged, rows.task),
        "dev_logits": held_out.logits,
        "dev_baseline_logits": held_out.baseline_logits,
        "dev_truth": held_out.truth,
        "support": rows.labels.encode_sparse(rows.train, rows.task).sum(axis=0, dtype=np.int64),
    }
    if groups := groups_of(rows.judged):
        arrays["groups"] = np.array(groups)
    facts = {
        "task": rows.task,
        "rows": rows.counts,
        # Of a run that went on, the time of its training counts from its first beginning.
        "seconds": round(max(time.monotonic() - began, trained.facts["seconds"]), 1),
        "history": trained.facts["history"],
        "setting": change,
        "date": time.strftime("%Y-%m-%d"),
    }
    with atomic_file(place / _ARRAYS) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]  # a name could be numpy's own flag
    write_text(place / _FACTS, json.dumps(facts, ensure_ascii=False) + "\n")
    delete_checkpoints(place)
    return facts


def _facts(place: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((place / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"the run in {place} is damaged: {error!r}", hint="delete the folder") from error
    return facts


def _place(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name}, seed {seed}"


def _left(seconds: Sequence[float], runs: int) -> str:
    """About how long the other runs will take."""
    left = runs - len(seconds)
    return f"; {left} left, about {clock(left * float(np.mean(seconds)))}" if left else ""

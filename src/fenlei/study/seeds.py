"""One recipe with several seeds: how far chance moves it, and the classifier that is best on dev."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fenlei.bundle import Bundle
from fenlei.errors import SettingsError
from fenlei.journal import Journal
from fenlei.judge.figures import FIGURE_NAMES
from fenlei.plain_table import aligned
from fenlei.predict.classifier import Classifier
from fenlei.runtime import Runtime
from fenlei.study.protocol import CIRCUMSTANCES, require_training, settle_folder
from fenlei.text.example import Example
from fenlei.train.checkpoint import can_go_on
from fenlei.train.config import TrainSettings


@dataclass(frozen=True, kw_only=True)
class SeedRun:
    """One seed's classifier.

    Attributes:
        seed: of fresh weights, order and dropout; the rows are the same for all.
        dev_score: of the kept weights, what the best is chosen by.
        dev_loss: decides between equal scores.
        test: the report's figures on the test part by name; empty: none was given.
    """

    seed: int
    dev_score: float
    dev_loss: float
    test: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class SeedRuns:
    """All seeds of a recipe.

    Attributes:
        dev_score_name: what dev was judged by.
        runs: in the order of their seeds.
    """

    dev_score_name: str
    runs: tuple[SeedRun, ...]

    @property
    def best(self) -> SeedRun:
        """The one that is best on dev; of equal ones the first. The test part has no say."""
        return max(self.runs, key=lambda run: (run.dev_score, -run.dev_loss))

    def spread(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation over the seeds: of the dev score, as `dev`, and of each test figure."""
        every = {"dev": [run.dev_score for run in self.runs]}
        every |= {name: [run.test[name] for run in self.runs] for name in self.runs[0].test}
        return {name: (float(np.mean(values)), float(np.std(values, ddof=1))) for name, values in every.items()}

    def to_text(self) -> str:
        """The table as it stands in a terminal."""
        rows = [["seed", f"dev {self.dev_score_name}", *(FIGURE_NAMES[name] for name in self.runs[0].test), ""]]
        for run in self.runs:
            values = (run.dev_score, *run.test.values())
            kept = "kept: best on dev" if run is self.best else ""
            rows.append([str(run.seed), *(f"{value:.4f}" for value in values), kept])
        spread = self.spread().values()
        rows.append(["mean", *(f"{mean:.4f}" for mean, _ in spread), ""])
        rows.append(["±", *(f"{deviation:.4f}" for _, deviation in spread), ""])
        return "\n".join([*aligned(rows), "", "±: standard deviation over the seeds; dev chooses, so it flatters", ""])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        spread = {name: {"mean": mean, "deviation": deviation} for name, (mean, deviation) in self.spread().items()}
        return {**asdict(self), "best": self.best.seed, "spread": spread}


def train_seeds(
    train_rows: Sequence[Example],
    dev_rows: Sequence[Example],
    *,
    folder: Path,
    count: int,
    settings: TrainSettings,
    runtime: Runtime,
    journal: Journal,
    test_rows: Sequence[Example] = (),
    record: dict[str, Any] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    keep_fingerprints: bool = True,
) -> tuple[SeedRuns, Classifier]:
    """Train the same rows with `count` seeds from `settings.seed` on; returns all figures and the best on dev.

    Args:
        train_rows, dev_rows: of every seed.
        folder: each finished seed's bundle is kept there, as `seed-<number>/`, and the present one's checkpoints.
        count: how many seeds, at least 2.
        settings: of all.
        runtime: where to compute.
        journal: told what happens.
        test_rows: every seed's classifier is measured on them, which changes nothing in the choice; may be none.
        record: what else the bundles should remember of the data.
        checkpoint_every, keep_fingerprints: as in `Classifier.train`.
        resume: seeds that are finished in `folder` are not trained again, and the present one goes on; otherwise
            those are deleted.

    Raises:
        SettingsError: fewer than two seeds, no epochs, a seed out of range, or
            `folder` holds runs of other rows or settings, or something else.
        FenleiError: as `Classifier.train`.
    """
    if count < 2:
        raise SettingsError(f"--seeds is {count}; a spread needs 2 or more")
    require_training(settings)
    every = [replace(settings, seed=settings.seed + number) for number in range(count)]
    if not resume:
        delete_seeds(folder)
    settle_folder(folder, (train_rows, dev_rows), settings, runtime, varying=("seed",))
    runs, name = [], ""
    for number, seeded in enumerate(every, 1):
        seed = seeded.seed
        journal.stage = f"seed {seed} ({number}/{count})  "
        place, checkpoints = folder / f"seed-{seed}", folder / f"seed-{seed}.run"
        if place.exists():
            journal.say("is there from before")
        else:
            Classifier.train(
                train_rows,
                dev=dev_rows,
                settings=seeded,
                runtime=runtime,
                journal=journal,
                record=record,
                checkpoint_folder=checkpoints,
                checkpoint_every=checkpoint_every,
                resume=can_go_on(checkpoints),
                keep_fingerprints=keep_fingerprints,
            ).save(place)
            shutil.rmtree(checkpoints, ignore_errors=True)
        bundle = Bundle.read(place)
        trained, test = bundle.record["training"], {}
        if test_rows:
            journal.begin("test", len(test_rows))
            evaluation = Classifier(bundle, runtime).evaluate(test_rows, advance=journal.advance)
            test = {figure: found.value for figure, found in evaluation.report.figures.items()}
            journal.end()
        name = trained["dev_score_name"]
        run = SeedRun(seed=seed, dev_score=trained["dev_score"], dev_loss=trained["dev_loss"], test=test)
        journal.record("seed", **asdict(run))
        runs.append(run)
    journal.stage = ""
    found = SeedRuns(dev_score_name=name, runs=tuple(runs))
    return found, Classifier(Bundle.read(folder / f"seed-{found.best.seed}"), runtime)


def delete_seeds(folder: Path) -> None:
    """Delete what `train_seeds` keeps in `folder`, and nothing else."""
    if not (folder / CIRCUMSTANCES).exists():
        return
    for left_over in (*folder.glob("seed-*"), *folder.glob(".seed-*")):
        shutil.rmtree(left_over)
    # Last, so that a kill before leaves a folder that can be deleted again.
    (folder / CIRCUMSTANCES).unlink()
    if not any(folder.iterdir()):
        folder.rmdir()

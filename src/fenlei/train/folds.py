"""Out-of-fold logits: every training row judged by a classifier that has not seen it.

Shapes: B rows, C labels.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fenlei.atomic import atomic_file
from fenlei.errors import FenleiError
from fenlei.text.example import Example
from fenlei.text.split import fold_places
from fenlei.train.trainer import Start, Trainer

FoldLogits = dict[str, NDArray[np.float32]]
"""`logits` and `baseline_logits`, (B, C) each."""


class Folds:
    """The folds of a job: stratified, groups and duplicates on one side.

    Args:
        trainer: trains a classifier on all folds but one.
        rows: B training rows.
        count: how many folds.
        folder: where the logits of finished folds are kept, so that an interrupted run does not train them
            again, and in `fold-<number>/` the checkpoints of the present one; None: nowhere.

    Raises:
        DataError: there are fewer groups than folds.
    """

    def __init__(self, trainer: Trainer, rows: Sequence[Example], count: int, folder: Path | None) -> None:
        self._trainer, self._rows, self._folder = trainer, rows, folder
        self._places = fold_places(rows, trainer.task, count, seed=trainer.settings.seed)

    def logits(self) -> FoldLogits:
        """The logits of all rows in their order.

        Raises:
            FenleiError: a fold's loss is no longer a number, or what is kept of it is damaged.
        """
        tables: FoldLogits = {}
        for number, (name, places) in enumerate(self._places.items(), 1):
            self._trainer.journal.stage = f"fold {number}/{len(self._places)}  "
            for key, found in self._logits_of(name, places).items():
                tables.setdefault(key, np.zeros((len(self._rows), found.shape[1]), np.float32))[places] = found
        self._trainer.journal.stage = ""
        return tables

    def _logits_of(self, name: str, places: list[int]) -> FoldLogits:
        outside = set(places)
        held_out = [self._rows[place] for place in places]
        start = self._trainer.start([row for place, row in enumerate(self._rows) if place not in outside])
        kept = None if self._folder is None else self._folder / f"{name}.safetensors"
        if kept is not None and self._trainer.resume and (found := _read(kept, start)):
            self._trainer.journal.say("its logits are there from before")
            return found
        own = None if self._folder is None else self._folder / name
        self._trainer.begin(start, own)
        self._trainer.fit(start, own)
        baseline = self._trainer.fit_baseline(start)
        logits = {
            "logits": self._trainer.logits(start, held_out),
            "baseline_logits": self._trainer.baseline_logits(baseline, held_out),
        }
        if kept is not None:
            from safetensors.numpy import save_file

            with atomic_file(kept) as temporary:
                save_file(logits, temporary, metadata=_metadata(start))
            shutil.rmtree(kept.with_suffix(""), ignore_errors=True)
        return logits


def _read(path: Path, start: Start) -> FoldLogits | None:
    """The logits in the file at `path`; None if it is not there or they were made under other circumstances."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="np") as file:
            if file.metadata() != _metadata(start):
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise FenleiError(f"{path} is damaged: {error}", hint="delete it: its fold will be trained again") from error


def _metadata(start: Start) -> dict[str, str]:
    return {"circumstances": json.dumps(start.circumstances, sort_keys=True)}

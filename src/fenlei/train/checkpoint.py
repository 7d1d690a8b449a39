"""Checkpoints from which an interrupted training run goes on to the same weights, on a CPU to the bit.

One safetensors file holds everything that the rest of the run depends on: weights, optimizer, random
state, place in the data order, and the best epoch so far. Its metadata holds the circumstances, as does
`run.json` beside it from the beginning on; a run under other circumstances could not be exact and is refused
before it starts.
"""

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fenlei.atomic import atomic_file, delete_torn, write_text
from fenlei.errors import FenleiError, SettingsError

RUN = "run.json"
"""The file that says which run has begun in its folder."""

# A checkpoint is due when the time since the last is this many times what the last one cost.
_WORK_PER_SAVING = 50
_SHORTEST_PAUSE = 30.0
_KEPT = 2
# Ten thousand labels are a value too.
_SHOWN = 80


@dataclass
class KeptEpoch:
    """An epoch that was among the best on dev.

    Attributes:
        epoch: its number, from 1.
        rank: its dev score and negative dev loss; higher is better.
        weights: at its end.
        logits: (B, C) float32 on the dev part.
    """

    epoch: int
    rank: list[float]
    weights: dict[str, Tensor]
    logits: Tensor


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        epoch: the current one, from 1.
        updates_in_epoch: updates done in it.
        loss_sum: () float32, the training loss summed over the texts of the epoch so far.
        seconds: of training before this process.
        best: the best epochs so far, the best first; none before the first evaluation.
        average: the moving average of the weights; empty: there is none.
        history: what each epoch so far showed, as JSON.
    """

    epoch: int = 1
    updates_in_epoch: int = 0
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros(()))
    seconds: float = 0.0
    best: list[KeptEpoch] = field(default_factory=list)
    average: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def keep_best(self, candidate: KeptEpoch, count: int) -> None:
        """Take an epoch among the best if it is one of the `count` best; of equal ones the earlier stands first."""
        self.best = sorted([*self.best, candidate], key=lambda kept: kept.rank, reverse=True)[:count]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie; None: none are written.
        circumstances: all that the numbers of the run depend on, as JSON; compared on resuming.
        every: an update is followed by a checkpoint when its number is a multiple of this; None: by the clock,
            so that saving takes about 2% of the time.
    """

    def __init__(self, folder: Path | None, circumstances: dict[str, Any], *, every: int | None = None) -> None:
        self._folder = folder
        self._circumstances: dict[str, Any] = json.loads(json.dumps(circumstances))
        self._every = every
        self._last, self._cost = time.monotonic(), 0.0

    def begin(self) -> None:
        """Delete what another run left here and note which one begins.

        Raises:
            OSError: the folder cannot be written.
        """
        self.clear()
        if self._folder is not None:
            write_text(self._folder / RUN, json.dumps(self._circumstances, ensure_ascii=False) + "\n")

    def require_begun(self) -> None:
        """Refuse to go on with a run that never began here, or that was another.

        Raises:
            FenleiError: none began, or the note of it is damaged.
            SettingsError: the circumstances were others; says which.
        """
        if self._folder is None or not (self._folder / RUN).exists():
            self._newest()
            return
        try:
            stored = dict(json.loads((self._folder / RUN).read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise FenleiError(
                f"{self._folder / RUN} is damaged: {error}", hint="leave out --resume to start from the beginning"
            ) from error
        self._require_same(stored)

    def save_if_due(
        self, update: int, progress: Progress, network: torch.nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        """Write a checkpoint after update number `update` if it is time for one, and delete older ones.

        Raises:
            FenleiError: it cannot be written, as on a full disk; the one before is still there.
        """
        if self._folder is None or not self._is_due(update):
            return
        started = time.monotonic()
        path = self._folder / f"checkpoint-{update:08}.safetensors"
        facts = {name: getattr(progress, name) for name in ("epoch", "updates_in_epoch", "seconds", "history")}
        facts["best"] = [{"epoch": kept.epoch, "rank": kept.rank} for kept in progress.best]
        metadata = {"circumstances": json.dumps(self._circumstances), "progress": json.dumps(facts)}
        delete_torn(self._folder, "checkpoint-")
        try:
            with atomic_file(path) as temporary:
                save_file(_tensors(progress, network, optimizer), temporary, metadata=metadata)
        except (SafetensorError, OSError) as error:
            raise FenleiError(
                f"the checkpoint {path} cannot be written: {error}",
                hint="make room on the disk and go on from the one before with --resume",
            ) from error
        for old in self._all()[:-_KEPT]:
            old.unlink()
        self._last, self._cost = time.monotonic(), time.monotonic() - started

    def restore(self, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Put the newest checkpoint into `network`, `optimizer` and the random state; returns how far it had come.

        Raises:
            FenleiError: there is no checkpoint, or the newest is damaged.
            SettingsError: the circumstances are not those of the checkpoint; says which.
        """
        newest = self._newest()
        try:
            with safe_open(newest, framework="pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise FenleiError(f"{newest} is damaged: {error}", hint="delete it: the one before will be used") from error
        self._require_same(json.loads(metadata["circumstances"]))
        network.load_state_dict(_under("network.", tensors))
        optimizer_state = optimizer.state_dict()
        optimizer_state["state"] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            index, key = name.split(".")
            optimizer_state["state"].setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict(optimizer_state)
        device = next(network.parameters()).device
        torch.set_rng_state(tensors["random_state"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random_state_of_gpu"], device)
        facts = json.loads(metadata["progress"])
        best = [
            KeptEpoch(**kept, weights=_under(f"best.{place}.", tensors, device), logits=tensors[f"logits.{place}"])
            for place, kept in enumerate(facts.pop("best"))
        ]
        average = _under("average.", tensors, device)
        return Progress(loss_sum=tensors["loss_sum"], best=best, average=average, **facts)

    @property
    def exist(self) -> bool:
        """Whether there is one to resume from."""
        return bool(self._all())

    @property
    def begun(self) -> bool:
        """Whether a run has begun here, whose state was not deleted yet."""
        return self.exist or (self._folder is not None and (self._folder / RUN).exists())

    def clear(self) -> None:
        """Delete them all, and the note that a run began."""
        for path in self._all():
            path.unlink()
        if self._folder is not None:
            delete_torn(self._folder, "checkpoint-")
            (self._folder / RUN).unlink(missing_ok=True)

    def _newest(self) -> Path:
        if not self.exist:
            raise FenleiError(
                f"there is no checkpoint to resume from in {self._folder}",
                hint="leave out --resume to start from the beginning",
            )
        return self._all()[-1]

    def _all(self) -> list[Path]:
        return sorted(self._folder.glob("checkpoint-*.safetensors")) if self._folder else []

    def _is_due(self, update: int) -> bool:
        if self._every is not None:
            return update % self._every == 0
        return time.monotonic() - self._last >= max(_SHORTEST_PAUSE, _WORK_PER_SAVING * self._cost)

    def _require_same(self, stored: dict[str, Any]) -> None:
        if differing := what_differs(stored, self._circumstances):
            raise SettingsError(
                "this run cannot be resumed exactly: " + "; ".join(differing),
                hint="give the same data, settings and thread count again, or start anew without --resume",
            )


def can_go_on(folder: Path) -> bool:
    """Whether an interrupted training left something done, or its beginning, in `folder`."""
    return bool(work_left(folder) or next(folder.rglob(RUN), None))


def work_left(folder: Path) -> Path | None:
    """A checkpoint or the scores of a fold that an interrupted training left in `folder` or below, if there is one."""
    kinds = ("checkpoint-*.safetensors", "fold-*.safetensors")
    return next((path for kind in kinds for path in folder.rglob(kind)), None)


def delete_checkpoints(folder: Path) -> None:
    """Delete what a training could go on from, and its folds: to be called when its classifier is safe elsewhere."""
    for left_over in (*folder.glob("checkpoint-*"), *folder.glob("fold-*.safetensors"), folder / RUN):
        left_over.unlink(missing_ok=True)
    delete_torn(folder, "checkpoint-")
    for fold in folder.glob("fold-*/"):
        shutil.rmtree(fold)


def what_differs(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The fields that are not what they were, each with both values, in the order of their names.

    Of a field that holds fields itself, as the settings, those of them.
    """
    found = []
    for name in sorted(before.keys() | now.keys()):
        was, now_is = before.get(name), now.get(name)
        if isinstance(was, dict) and isinstance(now_is, dict):
            found += what_differs(was, now_is)
        elif was != now_is:
            found.append(f"{name} was {_shortened(was)} and is now {_shortened(now_is)}")
    return found


def _shortened(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _tensors(progress: Progress, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        # Tied weights would be refused as shared memory, so each entry is its own copy.
        **{f"network.{name}": weight.detach().clone() for name, weight in network.state_dict().items()},
        **{
            f"best.{place}.{name}": weight
            for place, kept in enumerate(progress.best)
            for name, weight in kept.weights.items()
        },
        **{f"logits.{place}": kept.logits for place, kept in enumerate(progress.best)},
        **{f"average.{name}": weight for name, weight in progress.average.items()},
        **{f"optimizer.{index}.{key}": value for index, entry in state.items() for key, value in entry.items()},
        **_random_states(next(network.parameters()).device),
        "loss_sum": progress.loss_sum,
    }


def _random_states(device: torch.device) -> dict[str, Tensor]:
    states = {"random_state": torch.get_rng_state()}
    return states | ({"random_state_of_gpu": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _under(prefix: str, tensors: dict[str, Tensor], device: torch.device | None = None) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it; on `device`, or where they are."""
    return {name.removeprefix(prefix): one.to(device) for name, one in tensors.items() if name.startswith(prefix)}

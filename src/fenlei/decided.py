"""How a bundle comes to its labels: the part of it that `fenlei decide` shows and changes.

It needs no network, and so neither PyTorch nor the seconds that its start takes.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from fenlei.atomic import atomic_file
from fenlei.errors import BundleError, FenleiError
from fenlei.judge.blend import Blend
from fenlei.judge.decision import Decision
from fenlei.judge.fitting import DecisionPlan, FittedDecision, HeldOut
from fenlei.judge.rules import Rules
from fenlei.manifest import MANIFEST, digest_of, read_manifest, verify, write_manifest
from fenlei.text.encoding import require_utf8_name
from fenlei.text.labels import LabelSet, Task

_SEEN = "seen"
_HELD_OUT = "held-out"

# Numbers kept of the rows that a decision was fitted on: 36 MB with both models' logits.
_HELD_OUT_CELLS = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Decided:
    """The labels of a classifier and its decision.

    Attributes:
        task: `multilabel` or `multiclass`.
        labels: the label set in its order.
        decision: logits -> labels, with what it was fitted on.
        previous: the one before it, if it was refitted.
        seen: for `train`, `dev` and, after a refit on other rows, `decision` the fingerprints of their texts;
            None: they were left out.
    """

    task: Task
    labels: LabelSet
    decision: FittedDecision
    previous: FittedDecision | None = None
    seen: dict[str, frozenset[str]] | None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read that part of the bundle in `folder`.

        Raises:
            BundleError: it is no bundle, of an unknown format version, or this part is damaged; says which file.
            SettingsError: as `require_utf8_name`.
        """
        require_utf8_name(folder)
        manifest = read_manifest(folder)
        with described(folder):
            own = {name: manifest["files"][name] for name in _decision_files(manifest)}
        verify(folder, own)
        with described(folder):
            return cls(**decided_fields(folder, manifest))

    def refitted(
        self,
        plan: DecisionPlan | None = None,
        rules: Rules | None = None,
        *,
        held_out: HeldOut | None = None,
        seen: dict[str, frozenset[str]] | None = None,
    ) -> Self:
        """The same with the decision fitted anew; the present one is kept beside it.

        Args:
            plan: what to fit for; None: as before.
            rules: which label sets are possible; None: as before.
            held_out: the rows to fit on; None: those that are kept.
            seen: with theirs; None: as before.

        Raises:
            SettingsError: the rules do not fit the task.
        """
        present = self.decision
        fitted = FittedDecision.fit(
            held_out or present.held_out,
            self.task,
            plan or present.plan,
            present.decision.rules if rules is None else rules,
        )
        return replace(self, decision=fitted, previous=present, seen=self.seen if seen is None else seen)

    def restored(self) -> Self:
        """The same with the decision before the last change; the present one becomes the previous one.

        Raises:
            BundleError: there is none.
        """
        if self.previous is None:
            raise BundleError("there is no earlier decision to go back to", hint="it was never changed")
        return replace(self, decision=self.previous, previous=self.decision)

    def write_decision(self, folder: Path) -> None:
        """Put the decisions into the bundle's folder and leave everything else there as it is.

        A kill at any moment leaves the folder whole, with the old decision or the new one.

        Raises:
            BundleError: `folder` is no bundle.
        """
        manifest = read_manifest(folder)
        replaced = _decision_files(manifest)
        manifest |= self.write_decision_files(folder)
        new = _decision_files(manifest)
        kept = {name: digest for name, digest in manifest["files"].items() if name not in replaced}
        manifest["files"] = kept | {name: digest_of(folder / name) for name in new}
        write_manifest(folder, manifest)
        for name in replaced - new:
            (folder / name).unlink()

    def write_decision_files(self, folder: Path) -> dict[str, Any]:
        """Write the arrays under names that tell their content; returns the manifest's fields."""
        seen = None
        if self.seen is not None:
            seen = _write_arrays(folder, _SEEN, {part: _to_bytes(prints) for part, prints in self.seen.items()})
        return {
            "decision": _write_decision(folder, self.decision),
            "previous_decision": None if self.previous is None else _write_decision(folder, self.previous),
            "seen": seen,
        }


@contextmanager
def described(folder: Path) -> Iterator[None]:
    """Whatever goes wrong inside: the manifest does not describe what is there.

    Raises:
        BundleError: in place of the errors of reading it.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, OSError, FenleiError) as error:
        reason = str(error) if isinstance(error, FenleiError) else repr(error)
        raise BundleError(f"{folder}: {MANIFEST} does not describe this bundle: {reason}") from error


def decided_fields(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """The fields of `Decided` in a bundle's folder; errors as `described` takes them."""
    from safetensors.numpy import load_file

    task, seen, previous = manifest["task"], manifest["seen"], manifest["previous_decision"]
    return {
        "task": task,
        "labels": LabelSet(tuple(manifest["labels"])),
        "decision": _read_decision(folder, manifest["decision"], task),
        "previous": previous and _read_decision(folder, previous, task),
        "seen": seen and {part: _from_bytes(prints) for part, prints in load_file(folder / seen).items()},
    }


def _write_decision(folder: Path, fitted: FittedDecision) -> dict[str, Any]:
    held_out = fitted.held_out.thinned(_HELD_OUT_CELLS)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "logits": held_out.logits,
        "baseline_logits": held_out.baseline_logits,
        "truth": held_out.truth,
    }
    return {
        "rule": fitted.decision.to_dict(),
        "blend": asdict(fitted.blend),
        "baseline": fitted.baseline.to_dict(),
        "plan": fitted.plan.to_dict(),
        "fitted_on": held_out.source,
        "held_out": _write_arrays(folder, _HELD_OUT, arrays),
    }


def _read_decision(folder: Path, plain: dict[str, Any], task: Task) -> FittedDecision:
    from safetensors.numpy import load_file

    held_out = HeldOut(**load_file(folder / plain["held_out"]), source=plain["fitted_on"])
    decision = Decision.from_dict(plain["rule"])
    # A decision of other labels would be found out only by the first answer.
    decision.rules.require_labels(held_out.logits.shape[1])
    decision.apply(decision.scores(held_out.logits[:1]))
    if decision.task != task:
        raise BundleError(f"a {decision.task} decision in a {task} bundle")
    return FittedDecision(
        decision=decision,
        blend=Blend(**plain["blend"]),
        baseline=Decision.from_dict(plain["baseline"]),
        plan=DecisionPlan.from_dict(plain["plan"], task),
        held_out=held_out,
    )


def _decision_files(manifest: dict[str, Any]) -> set[str]:
    """The files that belong to the decisions of a manifest."""
    decisions = [manifest["decision"], manifest["previous_decision"]]
    names = {decision["held_out"] for decision in decisions if decision}
    return names | ({manifest["seen"]} if manifest["seen"] else set())


def _write_arrays(folder: Path, name: str, arrays: dict[str, "np.ndarray[Any, Any]"]) -> str:
    """Write `name-<digest>.safetensors`; a file of the same content is there already and stays. Returns its name."""
    from safetensors.numpy import save

    content = save({key: np.ascontiguousarray(array) for key, array in arrays.items()})
    file = f"{name}-{hashlib.sha256(content).hexdigest()[:8]}.safetensors"
    if not (folder / file).exists():
        with atomic_file(folder / file) as temporary:
            temporary.write_bytes(content)
    return file


def _to_bytes(prints: frozenset[str]) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    joined = bytes.fromhex("".join(sorted(prints)))
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 16)


def _from_bytes(prints: "np.ndarray[Any, np.dtype[np.uint8]]") -> frozenset[str]:
    return frozenset(row.tobytes().hex() for row in prints)

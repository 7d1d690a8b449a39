"""The artifact: a folder that holds a trained classifier whole. Only this file knows what lies in it under which name.

A bundle is a Hugging Face directory (config.json with label names and problem type, model.safetensors,
tokenizer files) that transformers loads alone with the same logits. A classifier on mean states, which no plain class
can express, has its encoder in encoder/ instead and head.safetensors beside it. With that goes fenlei's own:

    fenlei.json            format, task, decision (and the one before), settings, data and library versions, hashes
    baseline/              the TF-IDF + linear model that the report compares with
    seen-*.safetensors     16-byte fingerprints of the texts that made the classifier (may be left out)
    held-out-*.safetensors    logits and truth of the rows that the decision was fitted on, to fit it again
    report/                what was measured

Nothing in it is executed and nothing is a pickle.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fenlei
from fenlei.atomic import atomic_file, atomic_folder, is_occupied
from fenlei.digests import digest_of_arrays
from fenlei.encoders.tokenizer import EncoderTokenizer, load_tokenizer, save_tokenizer
from fenlei.errors import BundleError, FenleiError
from fenlei.judge.blend import Blend
from fenlei.judge.decision import Decision
from fenlei.judge.fitting import DecisionPlan, FittedDecision, HeldOut
from fenlei.manifest import FORMAT, MANIFEST, digest_of, digests_of, read_manifest, verify, write_manifest
from fenlei.model.build import encoder_folder, load_classifier, save_classifier
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.linear import LinearModel
from fenlei.text.encoding import require_utf8_name
from fenlei.text.labels import LabelSet, Task
from fenlei.text.tokens import TextEncoder, TextSettings

_SEEN = "seen"
_HELD_OUT = "held-out"
_BASELINE = "baseline"
_REPORT = "report"

# Fields of a network's config that decide no answer.
_NO_MATTER = frozenset({"_name_or_path", "architectures", "dtype", "transformers_version"})

# Numbers kept of the rows that a decision was fitted on: 36 MB with both models' logits.
_HELD_OUT_CELLS = 1 << 22


@dataclass(frozen=True)
class Bundle:
    """A trained classifier in memory, with all that its folder holds.

    Attributes:
        task: `multilabel` or `multiclass`.
        labels: the label set in its order.
        decision: logits -> labels, with what it was fitted on.
        previous: the one before it, if it was refitted.
        classifier: in evaluation mode.
        tokenizer: of the encoder.
        text: how a text becomes tokens.
        baseline: the linear model of the report.
        seen: for `train`, `dev` and, after a refit on other rows, `decision` the fingerprints of their texts;
            None: they were left out.
        record: what is kept for people: encoder, training, data, versions.
    """

    task: Task
    labels: LabelSet
    decision: FittedDecision
    classifier: EncoderClassifier
    tokenizer: EncoderTokenizer
    text: TextSettings
    baseline: LinearModel
    seen: dict[str, frozenset[str]] | None
    record: dict[str, Any]
    previous: FittedDecision | None = None

    def text_encoder(self) -> TextEncoder:
        """The tokenizer with the text settings of training."""
        return TextEncoder(self.tokenizer.tokenizer, self.text)

    def fingerprint(self) -> str:
        """One number for all that decides an answer."""
        digest = hashlib.blake2b(self._weights().encode(), digest_size=16)
        rest: list[Any] = [self.decision.decision.to_dict(), asdict(self.decision.blend), self.labels.names]
        rest += [self.tokenizer.tokenizer.to_str(), asdict(self.text), self.classifier.pooling]
        # Such as the activation; where it lies and what wrote it decide nothing.
        config = self.classifier.network.config.to_diff_dict()
        rest.append({name: value for name, value in config.items() if name not in _NO_MATTER})
        if self.decision.blend.baseline:
            for array in (self.baseline.idf, self.baseline.weights, self.baseline.bias):
                digest.update(array.tobytes())
            rest.append(self.baseline.vocabulary)
        digest.update(json.dumps(rest, sort_keys=True).encode())
        return digest.hexdigest()

    def _weights(self) -> str:
        """One number for the weights of the classifier."""
        return digest_of_arrays(self.classifier.weights())

    def write(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write the bundle to `folder`, whole or not at all.

        Raises:
            BundleError: `folder` exists and is not to be overwritten, or is no bundle, or the disk is full.
        """
        from safetensors import SafetensorError

        refuse_to_overwrite(folder, overwrite=overwrite)
        try:
            self._write(folder)
        except SafetensorError as error:
            raise BundleError(f"{folder} cannot be written: {error}", hint="make room on the disk") from error

    def _write(self, folder: Path) -> None:
        with atomic_folder(folder) as temporary:
            save_classifier(self.classifier, temporary)
            pooling = self.classifier.pooling
            save_tokenizer(self.tokenizer, encoder_folder(temporary, pooling), max_tokens=self.text.max_tokens)
            self.baseline.save(temporary / _BASELINE)
            decided = self._write_decision_files(temporary)
            manifest = {
                "format": FORMAT,
                "fenlei": fenlei.__version__,
                "task": self.task,
                "labels": list(self.labels.names),
                "pooling": pooling,
                "weights": self._weights(),
                **decided,
                "text": asdict(self.text),
                **self.record,
                "files": digests_of(temporary),
            }
            write_manifest(temporary, manifest)

    def write_decision(self, folder: Path) -> None:
        """Put this bundle's decisions into its folder and leave everything else there as it is.

        A kill at any moment leaves the folder whole, with the old decision or the new one.

        Raises:
            BundleError: `folder` is no bundle, or one of another classifier.
        """
        manifest = read_manifest(folder)
        own = self._weights()
        if manifest.get("weights", own) != own:  # early bundles do not say
            raise BundleError(
                f"{folder} holds another classifier than this decision was fitted for",
                hint="name the folder that the classifier was loaded from",
            )
        replaced = _decision_files(manifest)
        manifest |= self._write_decision_files(folder)
        new = _decision_files(manifest)
        kept = {name: digest for name, digest in manifest["files"].items() if name not in replaced}
        manifest["files"] = kept | {name: digest_of(folder / name) for name in new}
        write_manifest(folder, manifest)
        for name in replaced - new:
            (folder / name).unlink()

    def _write_decision_files(self, folder: Path) -> dict[str, Any]:
        """Write the arrays under names that tell their content; returns the manifest's fields."""
        seen = None
        if self.seen is not None:
            seen = _write_arrays(folder, _SEEN, {part: _to_bytes(prints) for part, prints in self.seen.items()})
        return {
            "decision": _write_decision(folder, self.decision),
            "previous_decision": None if self.previous is None else _write_decision(folder, self.previous),
            "seen": seen,
        }

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        """Read the bundle in `folder`.

        Raises:
            BundleError: it is no bundle, of an unknown format version, or damaged; says which file.
            SettingsError: as `require_utf8_name`.
        """
        require_utf8_name(folder)
        manifest = read_manifest(folder)
        verify(folder, manifest["files"])
        from safetensors.numpy import load_file

        try:
            task, seen, previous = manifest["task"], manifest["seen"], manifest["previous_decision"]
            pooling = manifest.get("pooling", "first")  # which was once the only one
            classifier, labels = load_classifier(folder, pooling), LabelSet(tuple(manifest["labels"]))
            _require_labels_of(classifier, labels)
            return cls(
                task=task,
                labels=labels,
                decision=_read_decision(folder, manifest["decision"], task),
                classifier=classifier,
                tokenizer=load_tokenizer(encoder_folder(folder, pooling)),
                text=TextSettings(**manifest["text"]),
                baseline=LinearModel.load(folder / _BASELINE),
                seen=seen and {part: _from_bytes(prints) for part, prints in load_file(folder / seen).items()},
                record={name: manifest[name] for name in ("encoder", "training", "data", "versions")},
                previous=previous and _read_decision(folder, previous, task),
            )
        except (KeyError, TypeError, ValueError, OSError, FenleiError) as error:
            reason = str(error) if isinstance(error, FenleiError) else repr(error)
            raise BundleError(f"{folder}: {MANIFEST} does not describe this bundle: {reason}") from error


def _require_labels_of(classifier: EncoderClassifier, labels: LabelSet) -> None:
    """Other names, or the same in another order, would stand at the wrong answers."""
    names = classifier.network.config.id2label
    if own := [name for column, name in enumerate(labels.names) if names.get(column) != name]:
        raise BundleError(f"the classifier has no label {own[0]!r} in that place")
    if len(names) > len(labels):
        raise BundleError(f"the classifier has {len(names)} labels and not {len(labels)}")


def report_folder(bundle: Path, name: str) -> Path:
    """Where the report on the data called `name` belongs."""
    return bundle / _REPORT / name


def refuse_to_overwrite(folder: Path, *, overwrite: bool) -> None:
    """Check that a bundle may be written to `folder`.

    Raises:
        BundleError: something is there and `overwrite` is false, or it is not a bundle.
    """
    if not is_occupied(folder):
        return
    if not (folder / MANIFEST).exists():
        raise BundleError(f"{folder} exists and is not a bundle", hint="name another --out")
    if not overwrite:
        raise BundleError(f"{folder} already holds a bundle", hint="name another --out, or add --overwrite")


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

"""The artifact: a folder that holds a trained classifier whole. Only this file knows its file names.

A bundle is a Hugging Face directory (config.json with label names and problem type, model.safetensors,
tokenizer files) that transformers loads alone with the same logits, and beside it fenlei's own:

    fenlei.json            format, task, decision, settings, data and library versions, file hashes
    baseline/              the TF-IDF + linear model that the report compares with
    seen.safetensors       16-byte fingerprints of the training and dev texts
    report/                what was measured

Nothing in it is executed and nothing is a pickle.
"""

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import fenlei
from fenlei.atomic import atomic_folder
from fenlei.encoders.tokenizer import EncoderTokenizer, load_tokenizer, save_tokenizer
from fenlei.errors import BundleError, FenleiError
from fenlei.judge.decision import Decision
from fenlei.model.build import load_classifier, save_classifier
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.linear import LinearModel
from fenlei.text.example import Example, text_fingerprint
from fenlei.text.labels import LabelSet, Task
from fenlei.text.tokens import TextEncoder, TextSettings

FORMAT = 1
_MANIFEST = "fenlei.json"
_SEEN = "seen.safetensors"
_BASELINE = "baseline"
_REPORT = "report"


@dataclass(frozen=True)
class Bundle:
    """A trained classifier in memory, with all that its folder holds.

    Attributes:
        task: `multilabel` or `multiclass`.
        labels: the label set in its order.
        decision: scores -> labels.
        classifier: in evaluation mode.
        tokenizer: of the encoder.
        text: how a text becomes tokens.
        baseline: the linear model of the report.
        seen: for each of `train` and `dev` the fingerprints of its texts.
        record: what is kept for people: encoder, training, data, versions.
    """

    task: Task
    labels: LabelSet
    decision: Decision
    classifier: EncoderClassifier
    tokenizer: EncoderTokenizer
    text: TextSettings
    baseline: LinearModel
    seen: dict[str, frozenset[str]]
    record: dict[str, Any]

    def text_encoder(self) -> TextEncoder:
        """The tokenizer with the text settings of training."""
        return TextEncoder(self.tokenizer.tokenizer, self.text)

    def fingerprint(self) -> str:
        """One number for all that decides an answer."""
        digest = hashlib.blake2b(digest_size=16)
        for weight in self.classifier.state_dict().values():
            digest.update(weight.numpy(force=True).tobytes())
        rest = [self.tokenizer.tokenizer.to_str(), asdict(self.text), self.labels.names, self.decision.to_dict()]
        digest.update(json.dumps(rest, ensure_ascii=False).encode())
        return digest.hexdigest()

    def write(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write the bundle to `folder`, whole or not at all.

        Raises:
            BundleError: `folder` exists and is not to be overwritten, or is no bundle.
        """
        refuse_to_overwrite(folder, overwrite=overwrite)
        from safetensors.numpy import save_file

        with atomic_folder(folder) as temporary:
            save_classifier(self.classifier, temporary)
            save_tokenizer(self.tokenizer, temporary, max_tokens=self.text.max_tokens)
            self.baseline.save(temporary / _BASELINE)
            save_file({part: _to_bytes(prints) for part, prints in self.seen.items()}, temporary / _SEEN)
            manifest = {
                "format": FORMAT,
                "fenlei": fenlei.__version__,
                "task": self.task,
                "labels": list(self.labels.names),
                "decision": self.decision.to_dict(),
                "text": asdict(self.text),
                **self.record,
                "files": _digests(temporary),
            }
            text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
            (temporary / _MANIFEST).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        """Read the bundle in `folder`.

        Raises:
            BundleError: it is no bundle, of an unknown format version, or damaged; says which file.
        """
        manifest = _manifest(folder)
        _verify(folder, manifest["files"])
        from safetensors.numpy import load_file

        try:
            return cls(
                task=manifest["task"],
                labels=LabelSet(tuple(manifest["labels"])),
                decision=Decision.from_dict(manifest["decision"]),
                classifier=load_classifier(folder),
                tokenizer=load_tokenizer(folder),
                text=TextSettings(**manifest["text"]),
                baseline=LinearModel.load(folder / _BASELINE),
                seen={part: _from_bytes(prints) for part, prints in load_file(folder / _SEEN).items()},
                record={name: manifest[name] for name in ("encoder", "training", "data", "versions")},
            )
        except (KeyError, TypeError, ValueError, FenleiError) as error:
            raise BundleError(f"{folder}: {_MANIFEST} does not describe this bundle: {error!r}") from error


def report_folder(bundle: Path, name: str) -> Path:
    """Where the report on the data called `name` belongs."""
    return bundle / _REPORT / name


def refuse_to_overwrite(folder: Path, *, overwrite: bool) -> None:
    """Check that a bundle may be written to `folder`.

    Raises:
        BundleError: something is there and `overwrite` is false, or it is not a bundle.
    """
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MANIFEST).exists()):
        raise BundleError(f"{folder} exists and is not a bundle", hint="name another --out")
    if any(folder.iterdir()) and not overwrite:
        raise BundleError(f"{folder} already holds a bundle", hint="name another --out, or add --overwrite")


def fingerprints(examples: Sequence[Example]) -> frozenset[str]:
    """The fingerprints of the examples' texts."""
    return frozenset(text_fingerprint(example.text) for example in examples)


def library_versions() -> dict[str, str]:
    """What the bundle was made with."""
    names = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    if not folder.exists():
        raise BundleError(f"there is no bundle at {folder}", hint="`fenlei train` makes one with --out")
    if not path.exists():
        raise BundleError(f"{folder} is not a bundle: it has no {_MANIFEST}", hint="name the folder given as --out")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["format"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise BundleError(f"{path} is damaged: {error!r}", hint="copy or train the bundle again") from error
    if found != FORMAT:
        raise BundleError(
            f"{folder} has bundle format {found!r}; this fenlei {fenlei.__version__} reads format {FORMAT}",
            hint="use the fenlei version that wrote it, or train again",
        )
    return manifest


def _digests(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _digest(path) for path in files}


def _digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _verify(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{folder} is damaged: {name} is missing", hint="copy the whole folder again")
        if path.stat().st_size != expected["bytes"]:
            raise BundleError(
                f"{folder} is damaged: {name} has {path.stat().st_size:,} bytes instead of {expected['bytes']:,}",
                hint="copy the whole folder again",
            )
        if _digest(path) != expected:
            raise BundleError(
                f"{folder} is damaged: the content of {name} has changed", hint="copy the whole folder again"
            )


def _to_bytes(prints: frozenset[str]) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    joined = bytes.fromhex("".join(sorted(prints)))
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 16)


def _from_bytes(prints: "np.ndarray[Any, np.dtype[np.uint8]]") -> frozenset[str]:
    return frozenset(row.tobytes().hex() for row in prints)

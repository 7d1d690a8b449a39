"""The artifact: a folder that holds a trained classifier whole. Here and in decided.py stands what is in it where.

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

import fenlei
from fenlei.atomic import atomic_folder, is_occupied
from fenlei.decided import Decided, decided_fields, described
from fenlei.digests import digest_of_arrays
from fenlei.encoders.tokenizer import EncoderTokenizer, load_tokenizer, save_tokenizer
from fenlei.errors import BundleError
from fenlei.manifest import FORMAT, MANIFEST, digests_of, read_manifest, verify, write_manifest
from fenlei.model.build import encoder_folder, load_classifier, save_classifier
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.linear import LinearModel
from fenlei.runtime import library_versions
from fenlei.text.encoding import require_utf8_name
from fenlei.text.labels import LabelSet
from fenlei.text.tokens import TextEncoder, TextSettings
from fenlei.train.job import Trained

_BASELINE = "baseline"
_REPORT = "report"

# Fields of a network's config that decide no answer.
_NO_MATTER = frozenset({"_name_or_path", "architectures", "dtype", "transformers_version"})


@dataclass(frozen=True, kw_only=True)
class Bundle(Decided):
    """A trained classifier in memory, with all that its folder holds.

    Attributes:
        classifier: in evaluation mode.
        tokenizer: of the encoder.
        text: how a text becomes tokens.
        baseline: the linear model of the report.
        record: what is kept for people: encoder, training, data, versions.
    """

    classifier: EncoderClassifier
    tokenizer: EncoderTokenizer
    text: TextSettings
    baseline: LinearModel
    record: dict[str, Any]

    @classmethod
    def of(cls, trained: Trained, seen: dict[str, frozenset[str]] | None, data: dict[str, Any]) -> "Bundle":
        """What a training left, with the fingerprints of its texts and what is to be remembered of its data."""
        return cls(
            task=trained.task,
            labels=trained.labels,
            decision=trained.decision,
            classifier=trained.classifier,
            tokenizer=trained.tokenizer,
            text=trained.settings.text_settings(trained.task),
            baseline=trained.baseline,
            seen=seen,
            record={
                "encoder": {"source": trained.source.name, "kind": trained.source.kind},
                "training": {**trained.settings.to_dict(), **trained.facts},
                "data": data,
                "versions": library_versions(),
            },
        )

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
            decided = self.write_decision_files(temporary)
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
        """As of `Decided`; raises BundleError too where the bundle there has another classifier."""
        own = self._weights()
        if read_manifest(folder).get("weights", own) != own:  # early bundles do not say
            raise BundleError(
                f"{folder} holds another classifier than this decision was fitted for",
                hint="name the folder that the classifier was loaded from",
            )
        super().write_decision(folder)

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
        with described(folder):
            pooling = manifest.get("pooling", "first")  # which was once the only one
            bundle = cls(
                **decided_fields(folder, manifest),
                classifier=load_classifier(folder, pooling),
                tokenizer=load_tokenizer(encoder_folder(folder, pooling)),
                text=TextSettings(**manifest["text"]),
                baseline=LinearModel.load(folder / _BASELINE),
                record={name: manifest[name] for name in ("encoder", "training", "data", "versions")},
            )
            _require_labels_of(bundle.classifier, bundle.labels)
        return bundle


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

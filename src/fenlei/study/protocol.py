"""What the runs of a study have in common: the rows, cut once, and a folder that holds runs of these settings alone."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fenlei.atomic import is_occupied, write_text
from fenlei.encoders.catalog import open_encoder
from fenlei.errors import DataError, SettingsError
from fenlei.runtime import Runtime, library_versions
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet, Task, settle_task
from fenlei.text.split import split_examples
from fenlei.train.checkpoint import what_differs
from fenlei.train.config import TrainSettings

CIRCUMSTANCES = "study.json"
"""The file that says what the runs in its folder have in common."""


@dataclass(frozen=True)
class StudyRows:
    """Rows cut for a study.

    Attributes:
        task: of all runs.
        labels: those of the training rows.
        train: every run learns from them.
        dev: they choose each run's epoch and fit its decision.
        judged: each run is judged on them.
    """

    task: Task
    labels: LabelSet
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    judged: tuple[Example, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each part has."""
        return {"train": len(self.train), "dev": len(self.dev), "judged": len(self.judged)}


def require_training(settings: TrainSettings) -> None:
    """Refuse several seeds of what has no chance in it.

    Raises:
        SettingsError: nothing is trained.
    """
    if settings.epochs == 0:
        raise SettingsError(
            "--seeds is for training; with --epochs 0, the linear probe alone, every seed gives the same",
            hint="leave out --seeds, or --epochs 0",
        )


def study_sizes(rows: int, most: int | None = None) -> dict[str, int]:
    """How many of `rows` rows to train on, for dev and to judge on.

    Seven tenths are trained on, at most `most`; dev has a seventh of that, and as many others as possible judge, up
    to the number trained on: rows that judge cost little and narrow the intervals.
    """
    train = min(rows * 7 // 10, most or rows)
    dev = max(1, train // 7)
    return {"train": train, "dev": dev, "judged": min(rows - train - dev, train)}


def draw_rows(
    examples: Sequence[Example], task: Task | None, *, train: int, dev: int, judged: int, seed: int
) -> StudyRows:
    """Cut a study's rows out of `examples`: stratified, groups and duplicates on one side.

    Args:
        examples: labelled rows.
        task: None: settled from the examples.
        train, dev, judged: about so many rows each; what is left over is not used.
        seed: of the cut.

    Raises:
        DataError: there are fewer rows.
    """
    sizes = {"train": train, "dev": dev, "judged": judged}
    rest = len(examples) - sum(sizes.values())
    if rest < 0 or min(sizes.values()) < 1:
        wanted = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        raise DataError(f"{len(examples):,} rows are too few for a study of {wanted} rows")
    counts = sizes | ({"rest": rest} if rest else {})
    ratios = {name: count / len(examples) for name, count in counts.items()}
    parts = split_examples(examples, task, ratios=ratios, seed=seed)
    # A label of any row has one in the training part.
    labels = LabelSet.from_examples(parts["train"])
    return StudyRows(task or settle_task(examples), labels, **{name: parts[name] for name in sizes})


def settle_folder(
    folder: Path,
    rows: Sequence[Sequence[Example]],
    settings: TrainSettings,
    runtime: Runtime,
    *,
    varying: Collection[str],
) -> None:
    """Make `folder` the place of runs with these rows and settings, or check that it is.

    Args:
        folder: made if it is not there.
        rows: the parts.
        settings: of all runs.
        runtime: where they are computed.
        varying: the settings that may differ from run to run.

    Raises:
        SettingsError: it holds something else; says what.
        EncoderError: the encoder cannot be used.
    """
    own: dict[str, Any] = {name: value for name, value in settings.to_dict().items() if name not in varying} | {
        "rows": [len(part) for part in rows],
        "data": _digest(rows),
        # Its name says where it lies, and not what it is.
        "encoder_sha256": open_encoder(settings.encoder).sha256,
        **asdict(runtime),
        **library_versions(),
    }
    path = folder / CIRCUMSTANCES
    if not path.exists():
        if is_occupied(folder):
            raise SettingsError(f"{folder} exists and holds no runs of fenlei", hint="name another --out")
        write_text(path, json.dumps(own, ensure_ascii=False, indent=2) + "\n")
        return
    try:
        differing = what_differs(json.loads(path.read_text(encoding="utf-8")), own)
    except (ValueError, AttributeError) as error:
        raise SettingsError(f"{path} is damaged: {error}", hint="name another --out") from error
    if differing:
        raise SettingsError(
            f"{folder} holds runs of other rows or settings: {'; '.join(differing)}",
            hint="name another --out, or give the same data and settings again",
        )


def _digest(rows: Sequence[Sequence[Example]]) -> str:
    """One number for the content of all parts."""
    digest = hashlib.blake2b(digest_size=16)
    for part in rows:
        for row in part:
            digest.update(json.dumps([row.text, row.labels, row.group]).encode())
        digest.update(b"\n")
    return digest.hexdigest()

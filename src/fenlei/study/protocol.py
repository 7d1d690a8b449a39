"""What the runs of a study have in common: the rows, cut once, and a folder that holds runs of these settings alone."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fenlei.atomic import is_occupied, write_text
from fenlei.errors import DataError, SettingsError
from fenlei.runtime import Runtime
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
        left_out: dev and judged rows with labels that no training row has.
    """

    task: Task
    labels: LabelSet
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    judged: tuple[Example, ...]
    left_out: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each part has."""
        return {"train": len(self.train), "dev": len(self.dev), "judged": len(self.judged)}


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
    labels = LabelSet.from_examples(parts["train"])
    known = set(labels.names)
    kept = {name: tuple(row for row in parts[name] if set(row.labels or ()) <= known) for name in sizes}
    left_out = sum(len(parts[name]) - len(kept[name]) for name in sizes)
    return StudyRows(task or settle_task(examples), labels, **kept, left_out=left_out)


def settle_folder(folder: Path, rows: Sequence[Sequence[Example]], settings: TrainSettings, runtime: Runtime) -> None:
    """Make `folder` the place of runs with these rows and settings, or check that it is.

    Args:
        folder: made if it is not there.
        rows: the parts.
        settings: of all runs; their loss and seed may differ.
        runtime: where they are computed.

    Raises:
        SettingsError: it holds something else; says what.
    """
    own: dict[str, Any] = settings.to_dict() | {
        "rows": [len(part) for part in rows],
        "data": _digest(rows),
        **asdict(runtime),
    }
    for varying in ("loss", "seed"):
        del own[varying]
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

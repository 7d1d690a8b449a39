"""Where a report comes from: what was run, on which files, by which bundle and libraries. No figure depends on it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fenlei
from fenlei.digests import sha256_of
from fenlei.runtime import Runtime, library_versions

if TYPE_CHECKING:
    from fenlei.bundle import Bundle


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """What was judged.

    Attributes:
        name: the path as it was given.
        bytes: of the file, or of all files of a folder.
        sha256: of its content; of a folder, of the names and the digests of its files, sorted.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Everything needed to make the same report again.

    Attributes:
        made: when, in UTC.
        bundle: one number for all that decides an answer, as `Bundle.fingerprint`.
        encoder: where the pretrained weights came from.
        runtime: device, precision and threads of the judging.
        versions: of fenlei, Python and the libraries that judged.
        training: settings and facts of the training run, as the bundle keeps them.
        training_versions: of the libraries that trained.
        history: what each epoch showed.
        command: what was typed; empty: it came from Python.
        data: the files, where they are known.
    """

    made: str
    bundle: str
    encoder: str
    runtime: dict[str, Any]
    versions: dict[str, str]
    training: dict[str, Any]
    training_versions: dict[str, str]
    history: tuple[dict[str, Any], ...]
    command: tuple[str, ...] = ()
    data: tuple[DataFile, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def origin_of(bundle: "Bundle", runtime: Runtime) -> Origin:
    """Where a report of `bundle` comes from, as far as the bundle knows."""
    training = dict(bundle.record["training"])
    history = tuple(training.pop("history", ()))
    # A count a label stands in the label table.
    training.pop("label_rows", None)
    return Origin(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        bundle=bundle.fingerprint(),
        encoder=str(bundle.record["encoder"]["source"]),
        runtime={"device": runtime.device, "precision": runtime.precision, "threads": runtime.threads},
        versions={"fenlei": fenlei.__version__, **library_versions()},
        training=training,
        training_versions=dict(bundle.record["versions"]),
        history=history,
    )


def data_files(paths: Sequence[Path]) -> tuple[DataFile, ...]:
    """The digests of files and folders."""
    return tuple(DataFile(name=str(path), bytes=_size(path), sha256=sha256_of(path)) for path in paths)


def _size(path: Path) -> int:
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)

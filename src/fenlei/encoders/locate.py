"""From the path a user names to the files meant: folders, prefixes, hub caches, archives not yet unpacked."""

import re
from pathlib import Path

from fenlei.encoders.file_kind import mistaken_for
from fenlei.encoders.tf_table import MAGIC, MISSING_FILE
from fenlei.errors import EncoderError

_MEMBER = re.compile(r"\.(index|data-\d{5}-of-\d{5}|meta)$")
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".rar", ".7z")


def resolve_hub_cache(path: Path) -> Path:
    """The folder with the files, where `path` is a model's folder in the cache of a hub; otherwise `path`.

    Hugging Face and newer ModelScope clients keep `models--org--name/snapshots/<revision>/`, with the
    revision of a branch in `refs/`. Older ModelScope clients keep the files directly.

    Raises:
        EncoderError: there are several snapshots and no branch says which is meant, or none at all.
    """
    snapshots = path / "snapshots"
    if not snapshots.is_dir():
        return path
    for branch in ("main", "master"):
        reference = path / "refs" / branch
        if reference.is_file() and (snapshots / reference.read_text(encoding="utf-8").strip()).is_dir():
            return snapshots / reference.read_text(encoding="utf-8").strip()
    found = sorted(folder for folder in snapshots.iterdir() if folder.is_dir())
    if len(found) != 1:
        raise EncoderError(
            f"{path} holds {len(found)} snapshots and none is named as the branch main",
            hint="name one of the folders in snapshots/" if found else "download the model again",
        )
    return found[0]


def is_tensorflow_checkpoint(path: Path) -> bool:
    """Whether `path` looks like a TensorFlow checkpoint, whole or damaged; no weights are read.

    Args:
        path: a folder, a prefix, an `.index`, `.data-…` or `.meta` file, the text file `checkpoint`, or an
            archive, which `find_prefix` asks to unpack. A folder with a configuration and weights of
            Hugging Face's kind is none.
    """
    if path.is_dir():
        if _is_hugging_face(path):
            return False
        return bool(_prefixes(path) or _only_subfolder(path) or _archives(path))
    return bool(_MEMBER.search(path.name) or _beside(path) or _is_archive(path) or _is_v1(path))


def find_prefix(path: Path) -> Path:
    """The prefix of the checkpoint that `path` names: the path without `.index`.

    Args:
        path: as for `is_tensorflow_checkpoint`.

    Raises:
        EncoderError: there is no checkpoint, more than one, or one still packed or of the old format.
    """
    if path.is_dir():
        return _prefix_in(path)
    if _is_archive(path):
        raise EncoderError(f"{path} is an archive", hint="unpack it first and name the folder that comes out")
    if path.name == "checkpoint" and path.is_file():
        return _prefix_in(path.parent)
    prefix = path.with_name(_MEMBER.sub("", path.name))
    if path.with_name(f"{prefix.name}.index").exists():
        return prefix
    if _is_v1(prefix):
        raise EncoderError(
            f"{prefix} is a checkpoint of TensorFlow's old V1 format, which is not read",
            hint="save it again with tf.train.Saver(write_version=tf.train.SaverDef.V2)",
        )
    if beside := _beside(prefix):
        raise EncoderError(
            f"{prefix}.index is missing; only {', '.join(beside)} is there",
            hint=MISSING_FILE,
        )
    if path.is_file() and (mistaken := mistaken_for(path)):
        raise EncoderError(f"{path} is {mistaken[0]}", hint=mistaken[1])
    raise EncoderError(
        f"there is no TensorFlow checkpoint at {path}",
        hint="name the folder that holds the .index file, or the path without .index",
    )


def _prefix_in(folder: Path) -> Path:
    prefixes = _prefixes(folder)
    if len(prefixes) > 1:
        # Training leaves several; the text file `checkpoint` names the last one.
        latest = _latest(folder)
        if latest in prefixes:
            return folder / latest
        raise EncoderError(
            f"{folder} holds several checkpoints: {', '.join(prefixes)}",
            hint=f"name one of them, such as {folder / prefixes[0]}",
        )
    if prefixes:
        return find_prefix(folder / prefixes[0])
    if below := _only_subfolder(folder):
        return _prefix_in(below)
    if archives := _archives(folder):
        raise EncoderError(
            f"{folder} holds no TensorFlow checkpoint but the archive {archives[0]}",
            hint=f"unpack {archives[0]} and name the folder that comes out",
        )
    raise EncoderError(
        f"{folder} holds no TensorFlow checkpoint (no .index file)",
        hint="name the folder that holds the .index file, or the path without .index",
    )


def _prefixes(folder: Path) -> list[str]:
    """Names of checkpoints in `folder`, in order: those with an index, or else what is left of others."""
    files = _visible(folder)
    for endings in ((".index",), (".data-", ".meta")):
        names = {
            _MEMBER.sub("", file.name)
            for file in files
            if _MEMBER.search(file.name) and any(ending in file.name for ending in endings)
        }
        if names:
            return sorted(names)
    return sorted(file.name for file in files if _is_v1(file))


def _only_subfolder(folder: Path) -> Path | None:
    """The one folder within `folder` that has a checkpoint: archives often hold one of their own name."""
    found = [entry for entry in _visible(folder) if entry.is_dir() and _prefixes(entry)]
    return found[0] if len(found) == 1 else None


def _latest(folder: Path) -> str | None:
    """The base name in the text file `checkpoint`; its directory is that of the machine that wrote it."""
    try:
        text = (folder / "checkpoint").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(r'^model_checkpoint_path: "(?:.*[/\\])?([^"/\\]+)"', text, re.MULTILINE)
    return found[1] if found else None


def _beside(prefix: Path) -> list[str]:
    """The files of the checkpoint `prefix` that are there."""
    if not prefix.parent.is_dir():
        return []
    return [
        file.name
        for file in _visible(prefix.parent)
        if _MEMBER.search(file.name) and _MEMBER.sub("", file.name) == prefix.name
    ]


def _visible(folder: Path) -> list[Path]:
    # `._name` and __MACOSX are what a Mac puts into archives beside each file.
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX")))


def _is_hugging_face(folder: Path) -> bool:
    weights = (
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    )
    return (folder / "config.json").exists() and any((folder / name).exists() for name in weights)


def _archives(folder: Path) -> list[str]:
    return [file.name for file in _visible(folder) if _is_archive(file)]


def _is_archive(path: Path) -> bool:
    return path.is_file() and path.name.endswith(_ARCHIVES)


def _is_v1(path: Path) -> bool:
    """Whether `path` is a checkpoint in one file: a table of the same kind as an index holds it all."""
    if not path.is_file() or _MEMBER.search(path.name) or path.stat().st_size < len(MAGIC):
        return False
    with path.open("rb") as file:
        file.seek(-len(MAGIC), 2)
        return file.read() == MAGIC

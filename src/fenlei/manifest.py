"""A bundle's manifest: what is in the folder, and whether it is still what was written."""

import json
from pathlib import Path
from typing import Any

import fenlei
from fenlei.atomic import write_text
from fenlei.digests import sha256_of
from fenlei.errors import BundleError

FORMAT = 1
MANIFEST = "fenlei.json"


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write it atomically: it names every other file, so that a bundle changes at this moment."""
    write_text(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read it.

    Raises:
        BundleError: there is none, it is damaged, or of an unknown format version.
    """
    path = folder / MANIFEST
    if not folder.exists():
        raise BundleError(f"there is no bundle at {folder}", hint="`fenlei train` makes one with --out")
    if not path.exists():
        raise BundleError(f"{folder} is not a bundle: it has no {MANIFEST}", hint="name the folder given as --out")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))  # as Notepad saves it
        found = manifest["format"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise BundleError(f"{path} is damaged: {error!r}", hint="copy or train the bundle again") from error
    if found != FORMAT:
        raise BundleError(
            f"{folder} has bundle format {found!r}; this fenlei {fenlei.__version__} reads format {FORMAT}",
            hint="use the fenlei version that wrote it, or train again",
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(file, dict) and "bytes" in file for file in files.values()):
        raise BundleError(f"{path} is damaged: it names no files", hint="copy or train the bundle again")
    return manifest


def digests_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file in a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest_of(path) for path in files}


def digest_of(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of one file."""
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def verify(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    """Check the files of a folder against what `digests_of` gave.

    Raises:
        BundleError: one is missing or has changed; says which.
    """
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{folder} is damaged: {name} is missing", hint="copy the whole folder again")
        if path.stat().st_size != expected["bytes"]:
            raise BundleError(
                f"{folder} is damaged: {name} has {path.stat().st_size:,} bytes instead of {expected['bytes']:,}",
                hint="copy the whole folder again",
            )
        if digest_of(path) != expected:
            raise BundleError(
                f"{folder} is damaged: the content of {name} has changed", hint="copy the whole folder again"
            )

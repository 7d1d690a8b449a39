"""Digests of files, folders and arrays: whether something is still what it was."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sha256_of(path: Path) -> str:
    """Of a file's content; of a folder, of the names and the digests of its files, sorted."""
    if path.is_dir():
        files = [(one.relative_to(path).as_posix(), one) for one in sorted(path.rglob("*")) if one.is_file()]
        lines = "".join(f"{name}\t{sha256_of(file)}\n" for name, file in files)
        return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_arrays(arrays: Iterable[NDArray[Any]]) -> str:
    """BLAKE2b of the bytes of many arrays, one after the other."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

"""Files and folders that appear whole or not at all.

Everything fenlei leaves on disk is written beside its final place and renamed, so
that a full disk or a kill never leaves half a result, nor harms what was there.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` when the block ends well.

    The temporary name keeps the suffix, since some writers choose the format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes private files; a result is as readable as any other new file.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Write `text` to `path` atomically, its line ends left as they are."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding=encoding, newline="")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; it becomes `path` when the block ends well.

    A folder that was at `path` is replaced at that moment and not before; callers that
    must not overwrite check first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent))
    try:
        yield temporary
        # mkdtemp and some writers make private files; a result is as readable as any other new one.
        for made in (temporary, *temporary.rglob("*")):
            os.chmod(made, (0o777 if made.is_dir() else 0o666) & ~_umask())
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.old.", dir=path.parent))
            os.replace(path, old / "replaced")
            try:
                os.replace(temporary, path)
            except OSError:
                os.replace(old / "replaced", path)
                raise
            finally:
                shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_occupied(path: Path) -> bool:
    """Whether there is something at `path`: a folder that is not empty, or no folder at all."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current

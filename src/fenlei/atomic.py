"""Files and folders that appear whole or not at all.

Everything fenlei leaves on disk is written beside its final place and renamed, so
that a full disk or a kill never leaves half a result, nor harms what was there.
"""

import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fenlei.errors import FenleiError

# Of renameat2(2): relative to the working folder; both names stay and change what they stand for.
_HERE, _RENAME_EXCHANGE = -100, 2


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path of the same name in a new hidden folder beside; rename it to `path` when the block ends well.

    The name is kept, since some writers choose the format by it; the folder is there, since others write files of
    their own beside it, which a kill leaves behind. `delete_torn` finds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent))
    temporary = folder / path.name
    try:
        yield temporary
        # Some writers make private files; a result is as readable as any other new file.
        os.chmod(temporary, 0o666 & ~_umask())
        _to_disk(temporary)
        os.replace(temporary, path)
        _to_disk(path.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def delete_torn(folder: Path, beginning: str) -> None:
    """Delete what a kill left of files that were being written to `folder`, whose names begin with this."""
    for torn in folder.glob(f".{beginning}*"):
        shutil.rmtree(torn, ignore_errors=True)


def write_text(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    r"""Write `text` to `path` atomically, its line ends left as they are.

    Half a surrogate pair, as Python has for the bytes of a file's name that is no UTF-8, is written as `\udcd0`.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding=encoding, errors="backslashreplace", newline="")


@contextmanager
def alone_at(path: Path) -> Iterator[None]:
    """Keep other processes from working on a file or folder for as long as the block runs.

    Where the file system has no locks, nobody is kept off.

    Raises:
        FenleiError: one does.
    """
    from filelock import FileLock, Timeout

    place = path.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.with_name(f".{place.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise FenleiError(
            f"another command works on {path} now", hint="wait for it, end it, or name another --out"
        ) from error
    except (OSError, NotImplementedError):
        pass
    try:
        yield
    finally:
        # Before it is released: who opens it now has the file that nobody else will find.
        with suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; it becomes `path` when the block ends well.

    A folder that was at `path` is replaced at that moment and not before; callers that
    must not overwrite check first. Where the system cannot exchange two folders, a kill between two renames leaves
    the one that was there beside `path`, in a hidden folder with `.old.` in its name. A link stays one: the folder
    that it names is replaced.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent))
    try:
        yield temporary
        # mkdtemp and some writers make private files; a result is as readable as any other new one.
        for made in (temporary, *temporary.rglob("*")):
            os.chmod(made, (0o777 if made.is_dir() else 0o666) & ~_umask())
            _to_disk(made)
        if not path.exists():
            os.replace(temporary, path)
        elif not _exchange(temporary, path):
            old = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.old.", dir=path.parent))
            os.replace(path, old / "replaced")
            try:
                os.replace(temporary, path)
            except OSError:
                os.replace(old / "replaced", path)
                raise
            finally:
                shutil.rmtree(old, ignore_errors=True)
        _to_disk(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """The folder, which `make` makes, whole or not at all, where it is not there yet.

    Of processes that ask at once, one makes it and the others wait for it.
    """
    from filelock import FileLock

    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not folder.exists():
                make(folder)
    return folder


def is_occupied(path: Path) -> bool:
    """Whether there is something at `path`: a folder that is not empty, or no folder at all."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step; False: nothing was done, since system or disk has no such call."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # not Linux, or before glibc 2.28
        return False
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _to_disk(path: Path) -> None:
    """Wait until a file, or which names a folder holds, would survive a power cut."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current

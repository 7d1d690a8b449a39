"""A folder with one sub-folder of text files a class, as THUCNews and the Sogou corpus come."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from fenlei.errors import DataError
from fenlei.text.encoding import detect_encoding
from fenlei.text.rows import Row, RowSource


def open_class_folders(folder: Path, encoding: str | None) -> RowSource:
    """One row a file: its path in the folder as `id`, its whole content as `text`, its sub-folder as `labels`.

    Args:
        folder: holds the sub-folders; files that lie beside them, and hidden ones, are no texts.
        encoding: of every file; None: detected file by file.

    Raises:
        DataError: there is no sub-folder with a file.
    """
    if not any(_files(folder)):
        raise DataError(
            f"{folder} has no sub-folders with files",
            hint="give a file, or a folder with one sub-folder of text files a class",
        )
    return RowSource(
        str(folder),
        "class folders",
        encoding or "",
        ("id", "text", "labels"),
        lambda: (_row(number, file, folder, encoding) for number, file in enumerate(_files(folder), 1)),
        [str(folder.resolve()), _digest(folder)],
        _not_read(folder),
    )


def _row(number: int, file: Path, folder: Path, encoding: str | None) -> Row:
    cells: dict[str, object] = {"id": file.relative_to(folder).as_posix(), "text": "", "labels": [file.parent.name]}
    try:
        cells["text"] = file.read_bytes().decode(encoding or detect_encoding(file))
    except (DataError, UnicodeDecodeError, OSError) as error:
        return Row(1, cells, f"it cannot be read as text ({error})", str(file))
    return Row(number, cells, None, str(file))


def _files(folder: Path) -> Iterator[Path]:
    for sub in _shown(folder):
        yield from (path for path in _shown(sub) if path.is_file())


def _shown(folder: Path) -> list[Path]:
    """What lies in a folder and is not hidden, in order; of a file nothing."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def _not_read(folder: Path) -> str:
    """Files beside the classes, and folders within them."""
    beside = [path for path in _shown(folder) if path.is_file()]
    within = [path for sub in _shown(folder) for path in _shown(sub) if path.is_dir()]
    kinds = (("files beside the classes", beside), ("folders inside a class", within))
    return "; ".join(
        f"{what} are not read: {len(found):,}, such as {found[0].relative_to(folder).as_posix()}"
        for what, found in kinds
        if found
    )


def _digest(folder: Path) -> str:
    stats = [(file.relative_to(folder).as_posix(), file.stat()) for file in _files(folder)]
    facts = json.dumps([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])
    return hashlib.blake2b(facts.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

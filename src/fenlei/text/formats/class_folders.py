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
    )


def _row(number: int, file: Path, folder: Path, encoding: str | None) -> Row:
    cells: dict[str, object] = {"id": file.relative_to(folder).as_posix(), "text": "", "labels": [file.parent.name]}
    try:
        cells["text"] = file.read_bytes().decode(encoding or detect_encoding(file))
    except (DataError, UnicodeDecodeError, OSError) as error:
        return Row(1, cells, f"it cannot be read as text ({error})", str(file))
    return Row(number, cells, None, str(file))


def _files(folder: Path) -> Iterator[Path]:
    for sub in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        yield from sorted(path for path in sub.iterdir() if path.is_file() and not path.name.startswith("."))


def _digest(folder: Path) -> str:
    stats = [(file.relative_to(folder).as_posix(), file.stat()) for file in _files(folder)]
    facts = json.dumps([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])
    return hashlib.blake2b(facts.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

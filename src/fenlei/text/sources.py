"""Paths -> the rows behind them: which files are meant, and which format each has."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from glob import has_magic
from pathlib import Path

from fenlei.errors import DataError
from fenlei.text.encoding import detect_encoding, known_encoding
from fenlei.text.formats.class_folders import open_class_folders
from fenlei.text.formats.delimited import open_delimited
from fenlei.text.formats.json_records import open_json
from fenlei.text.formats.lines import lines_of_bytes, open_lines
from fenlei.text.formats.parquet import open_parquet
from fenlei.text.formats.workbook import open_workbook
from fenlei.text.rows import RowSource

# Formats of characters, opened with an encoding, and those that settle it themselves.
_TEXTUAL: dict[str, Callable[..., RowSource]] = {
    ".csv": partial(open_delimited, tabs=False),
    ".tsv": partial(open_delimited, tabs=True),
    ".tab": partial(open_delimited, tabs=True),
    ".jsonl": open_json,
    ".ndjson": open_json,
    ".json": open_json,
    ".txt": open_lines,
}
_BINARY: dict[str, Callable[[Path], RowSource]] = {".xlsx": open_workbook, ".parquet": open_parquet}


def open_rows(path: Path, *, encoding: str | None = None, known: Collection[str] = ()) -> RowSource:
    """The rows of a file, the format by its suffix; or of a folder with one sub-folder a class.

    Args:
        path: the file or folder.
        encoding: of its characters; None: detected.
        known: the labels of the classifier that the rows are for, if there is one: in a file without a header they
            tell which side of a tab is the text.

    Raises:
        DataError: no such file, an unknown suffix or encoding, or no header.
    """
    if encoding:
        known_encoding(encoding)
    if path.is_dir():
        return open_class_folders(path, encoding)
    if not path.exists():
        raise DataError(f"there is no file {path}")
    suffix = path.suffix.lower()
    if suffix in _BINARY:
        return _BINARY[suffix](path)
    if suffix in _TEXTUAL:
        without_header = {"known": known} if suffix == ".txt" else {}
        return _TEXTUAL[suffix](path, encoding or detect_encoding(path), **without_header)
    raise DataError(
        f"{path}: the suffix {path.suffix!r} is not known; accepted are {', '.join([*_TEXTUAL, *_BINARY])}",
        hint="save an .xls file as .xlsx or CSV" if suffix == ".xls" else None,
    )


def rows_of_stdin(content: bytes, *, encoding: str | None = None) -> RowSource:
    """The rows of plain lines that came through a pipe.

    Raises:
        DataError: the encoding is not known.
    """
    return lines_of_bytes(content, "stdin", encoding=known_encoding(encoding) if encoding else None)


def find_files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files meant by paths and patterns such as `data/*.csv`, which not every shell resolves.

    Raises:
        DataError: a pattern fits no file, or a file is meant twice; it is a table and no path.
    """
    if hasattr(paths, "columns"):
        raise DataError(
            f"files are needed, and this is a {type(paths).__name__}",
            hint="`examples_from(table[…], table[…])` makes examples of its columns",
        )
    files: list[Path] = []
    for path in [paths] if isinstance(paths, str | Path) else paths:
        if Path(path).exists() or not has_magic(str(path)):
            files.append(Path(path))
            continue
        anchor = Path(Path(path).anchor)
        found = sorted(anchor.glob(str(Path(path).relative_to(anchor))))
        if not found:
            raise DataError(f"no file fits the pattern {path}")
        files += found
    if repeated := [path for path, times in Counter(files).items() if times > 1]:
        raise DataError(f"{repeated[0]} is given more than once")
    return files


def part_names(files: Sequence[Path]) -> list[str]:
    """A short name for each file: its own without the suffix, with all of its path where two would share one."""
    times = Counter(file.stem for file in files)
    return [file.as_posix() if times[file.stem] > 1 else file.stem for file in files]

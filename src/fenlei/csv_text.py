"""Rows -> a CSV file: the one place where fenlei's CSV is made."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fenlei.atomic import write_text


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    r"""Lines of cells that `fenlei`, Excel and any other reader of CSV give back as they were.

    Python's writer quotes the characters of its own line end: with `\n` alone a lone `\r` in a text would stay bare,
    and every reader takes it for the end of the row.

    Example:
        >>> csv_text([["id", "text"], [7, "one\rtwo"]])
        'id,text\n7,"one\rtwo"\n'
    """
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\r\n")
    lines = []
    for row in rows:
        writer.writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
        line.seek(0)
        line.truncate()
    return "".join(lines)


def write_csv(path: Path, text: str) -> None:
    """Write the text of a CSV file; Excel takes it for UTF-8 only when it begins with a byte order mark."""
    write_text(path, text, encoding="utf-8-sig")

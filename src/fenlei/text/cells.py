"""Cells of one row -> its text and its labels."""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from fenlei.text.columns import LABEL_NAMES, Columns, flag_of
from fenlei.text.example import PAIR
from fenlei.text.rows import RowSource

# "#" as in doccano's CSV, a line break as Alt+Enter makes it in Excel.
SEPARATORS = ("|", ",", "，", ";", "；", "、", "#", "｜", "\n")

# Those that one hand types and another input method turns into the other: a table has both.
_FOUND_TOGETHER = (("|", "｜"), (",", "，"), (";", "；"), ("、",), ("#",), ("\n",))

NO_LABEL = frozenset({"", "无", "没有", "none", "null", "n/a"})
"""What a cell says, in any case, that has no label. In a list a name is a name."""

_JOINT = _FOUND_TOGETHER[0][0]

EXCEL_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})
"""What Excel shows, and exports to CSV, where a formula has failed; a cell that is nothing else is a bad one."""

# A list of labels, or Label Studio's object.
_JSON = ("[", '{"')
_BROKEN = ('["', "['", '{"')

# Python's sets and tuples, as pandas writes them to CSV.
_PYTHON = ("{'", "('", '("')

# What NumPy, PyTorch and pandas make of a row of numbers when they write it as text.
_NUMBERS = re.compile(r"(array|tensor)\(\[.*\].*\)|\[\s*[\d.]+(\s+[\d.]+)+\s*\]", re.DOTALL)

# JSON can write one, UTF-8 and tokenizers cannot.
_SURROGATE = re.compile("[\ud800-\udfff]")


class CellError(ValueError):
    """A cell that cannot be used.

    Attributes:
        column: where it stands.
        value: what it holds.
    """

    def __init__(self, reason: str, column: str, value: Any) -> None:
        super().__init__(reason)
        self.column = column
        self.value = value


def text_of(cells: Mapping[str, Any], columns: Sequence[str], *, pair: bool = False) -> str:
    """The text of a row: its text cells without the white space around them, a line each; empty ones left out.

    Args:
        cells: of the row.
        columns: those of the text.
        pair: two columns become a pair of texts instead, unless one is empty; one column holds pairs already.

    Raises:
        CellError: a cell is no string or holds what no text can.
    """
    texts = [_checked(cells.get(column), column, several=len(columns) > 1) for column in columns]
    if not (pair and len(columns) == 1) and any(PAIR in text for text in texts):
        raise CellError("the text holds U+001E, which stands between the texts of a pair", columns[0], "".join(texts))
    return (PAIR if pair else "\n").join(text for text in texts if text)


def _checked(text: Any, column: str, *, several: bool) -> str:
    if text is None and several:
        return ""
    if not isinstance(text, str):
        raise CellError("the text is missing or no string", column, text)
    if text in EXCEL_ERRORS:
        raise CellError("Excel shows an error here", column, text)
    if "\0" in text:
        raise CellError("the text holds a NUL character", column, text)
    if _SURROGATE.search(text):
        raise CellError("the text holds half a surrogate pair, which is no character", column, text)
    # Which also takes a border of a pair with nothing on its other side.
    return text.strip()


class LabelCells:
    """How the label cells of a source are read.

    Args:
        columns: of the source.
        separators: each of them between labels in a cell; none: a cell is one label.
        no_label: words, in lower case, that mean "none".
    """

    def __init__(self, columns: Columns, separators: Sequence[str], no_label: frozenset[str]) -> None:
        self._columns = columns
        self._separators = separators
        self._no_label = no_label

    def labels_of(self, cells: Mapping[str, Any]) -> tuple[str, ...]:
        """The labels of a row, each once.

        Raises:
            CellError: a cell cannot be understood.
        """
        if self._columns.labels_are_flags:
            return tuple(column for column in self._columns.labels if self._flag(cells, column))
        [column] = self._columns.labels
        cell = cells.get(column)
        if column not in cells and (others := [name for name in cells if name.strip().lower() in LABEL_NAMES]):
            reason = f"it has no {column!r}, but another that looks like the labels"
            raise CellError(reason, others[0], cells[others[0]])
        if isinstance(cell, str) and cell in EXCEL_ERRORS:
            raise CellError("Excel shows an error here", column, cell)
        content = _parsed(cell)
        if _are_flags(content):
            reason = "0 and 1 do not say which labels they are of; give the names, or a column of 0 and 1 for each"
            raise CellError(reason, column, cell)
        names = self._names(content)
        if any(map(_SURROGATE.search, names or ())):
            raise CellError("a label holds half a surrogate pair, which is no character", column, cell)
        if names is None:
            raise CellError("labels are neither a string nor a list of strings", column, cell)
        return tuple(dict.fromkeys(name for name in map(str.strip, names) if name))

    def word_for_none(self, cells: Mapping[str, Any]) -> str:
        """What the label cell says, if that is a word for "no label"; empty if it says nothing or anything else."""
        cell = None if self._columns.labels_are_flags else cells.get(self._columns.labels[0])
        return cell.strip() if isinstance(cell, str) and cell.strip().lower() in self._no_label else ""

    def _flag(self, cells: Mapping[str, Any], column: str) -> bool:
        flag = flag_of(cells.get(column))
        if flag is None:
            raise CellError("neither 0 nor 1", column, cells.get(column))
        return flag

    def _names(self, cell: Any) -> list[str] | None:
        # A name may begin with a bracket, as [重要]财经; a list that is cut off is none.
        if isinstance(cell, str) and cell.strip().startswith((*_BROKEN, *_PYTHON)):
            return None
        if isinstance(cell, dict):
            cell = cell.get("choices", cell)  # Label Studio's short exports
        if cell is None or cell != cell:  # NaN: pandas has no other way to leave a number out
            return []
        cell = _name_of_number(cell)
        if isinstance(cell, str):
            return [piece for piece in pieces_of(cell, self._separators) if piece.strip().lower() not in self._no_label]
        if not isinstance(cell, list):
            return None
        names = [_name_of_number(label) for label in cell]
        return names if all(isinstance(name, str) for name in names) else None


def _parsed(cell: Any) -> Any:
    """What a cell of JSON holds; any other as it is."""
    if isinstance(cell, str) and cell.strip().startswith(_JSON):
        with suppress(ValueError, RecursionError):
            return json.loads(cell)
    return cell


def _are_flags(cell: Any) -> bool:
    """Whether a cell holds a row of a table of 0 and 1, whose columns nobody named: names do not repeat."""
    if isinstance(cell, str):
        return _NUMBERS.fullmatch(cell.strip()) is not None
    if not isinstance(cell, list) or not all(one in (0, 1, "0", "1") for one in cell):
        return False
    return len(cell) > 2 or (len(cell) == 2 and cell[0] == cell[1])


def _name_of_number(label: Any) -> Any:
    """A whole number as a name, 1.0 as 1; anything else as it is."""
    if isinstance(label, bool) or not isinstance(label, int | float) or label != label // 1:
        return label
    return str(int(label))


def label_cell(labels: Sequence[str]) -> str:
    """One cell for several labels, which `LabelCells` takes apart again: joined by `|`, or a JSON list if need be."""
    if any(map(_would_be_misread, labels)):
        return json.dumps(labels, ensure_ascii=False)
    return _JOINT.join(labels)


def _would_be_misread(label: str) -> bool:
    joint = any(form in label for form in _FOUND_TOGETHER[0])
    return joint or label.startswith((*_JSON, *_PYTHON)) or label.lower() in NO_LABEL or label in EXCEL_ERRORS


def detect_separators(sources: Sequence[tuple[RowSource, str]], known: Collection[str] = ()) -> tuple[str, ...]:
    """The separator whose pieces most often are labels that occur elsewhere too; empty if there is none.

    There are two where both forms of one occur, as `,` and `，`. A character inside names, as in `A、B类`, would yield
    pieces that occur nowhere else.

    Args:
        sources: all that are read by one command, each with its column of labels: in a file of a few rows nothing
            occurs elsewhere.
        known: the labels of a classifier, if the rows are for one: they settle it, and not what occurs elsewhere.
    """
    cells = [row.cells.get(column) for source, column in sources for row in source if row.problem is None]
    texts = Counter(cell.strip() for cell in cells if isinstance(cell, str) and not cell.strip().startswith(_JSON))
    known = frozenset(known)
    best, most = tuple[str, ...](), 0
    for forms in _FOUND_TOGETHER:
        separators = tuple(form for form in forms if any(form in cell for cell in texts))
        split = {
            cell: pieces_of(cell, separators)
            for cell in texts
            if cell not in known and any(separator in cell for separator in separators)
        }
        counts: Counter[str] = Counter()
        for cell, number in texts.items():
            for piece in split.get(cell, [cell]):
                counts[piece] += number
        recurring = sum(
            texts[cell]
            for cell, pieces in split.items()
            if sum(p in known if known else counts[p] > texts[cell] for p in pieces) * 2 >= len(pieces)
        )
        if recurring > most and recurring * 2 >= sum(texts[cell] for cell in split):
            best, most = separators, recurring
    return best


def pieces_of(cell: str, separators: Sequence[str]) -> list[str]:
    """The names in a cell, without white space around them; without separators the cell is one."""
    pieces = _any_of(tuple(separators)).split(cell) if separators else [cell]
    return [piece.strip() for piece in pieces if piece.strip()]


@cache
def _any_of(separators: tuple[str, ...]) -> re.Pattern[str]:
    # PaddleNLP's ## stands between the levels of one label.
    return re.compile("|".join("(?<!#)#(?!#)" if sign == "#" else re.escape(sign) for sign in separators))

"""Labelled files -> examples: which columns hold what, how labels stand in a cell, which rows are bad."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from fenlei.errors import DataError, SettingsError
from fenlei.text.example import Example
from fenlei.text.labels import Task
from fenlei.text.rows import Row, RowSource, open_rows

TEXT_NAMES = (
    "text",
    "content",
    "sentence",
    "review",
    "文本",
    "内容",
    "正文",
    "句子",
    "评论",
    "新闻",
    "标题",
    "title",
)
LABEL_NAMES = (
    "labels",
    "label",
    "category",
    "categories",
    "class",
    "tag",
    "tags",
    "标签",
    "类别",
    "分类",
    "类目",
    "标注",
)
ID_NAMES = ("id", "编号", "序号")
SEPARATORS = ("|", ",", "，", ";", "；", "、")
NO_LABEL = frozenset({"", "无", "none", "没有", "null", "n/a", "[]"})

# JSON can write one, UTF-8 and tokenizers cannot.
_SURROGATE = re.compile("[\ud800-\udfff]")

OnBadRow = Literal["error", "skip"]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read labelled files; what is None or empty is found out.

    Attributes:
        encoding: of the characters.
        text_column, label_column, id_column, group_column: column names.
        label_separator: between labels in a cell; `none`: a cell is one label.
        on_bad_row: `error`: the first bad rows end the reading; `skip`: they are left out and listed.
    """

    encoding: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    id_column: str | None = None
    group_column: str | None = None
    label_separator: str | None = None
    on_bad_row: OnBadRow = "error"

    def __post_init__(self) -> None:
        if self.on_bad_row not in get_args(OnBadRow):
            raise SettingsError(f"--on-bad-row is {self.on_bad_row!r}; accepted are {', '.join(get_args(OnBadRow))}")


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: file, line, column, the value, and what is wrong with it."""

    file: str
    line: int
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        column = f", column {self.column!r}" if self.column else ""
        return f"{self.file}, line {self.line}{column}: {self.reason}: {self.value[:60]!r}"


@dataclass(frozen=True)
class Table:
    """What was read.

    Attributes:
        examples: in the order of the files.
        skipped: the bad rows that were left out.
        notes: a line a file for people: encoding, columns, separator.
    """

    examples: tuple[Example, ...]
    skipped: tuple[BadRow, ...]
    notes: tuple[str, ...]


def read_examples(
    paths: Path | Sequence[Path], options: ReadOptions | None = None, *, task: Task | None = None
) -> Table:
    """Read labelled files.

    Args:
        paths: one file or several, read as one.
        options: how; None: everything is found out.
        task: `multiclass` keeps each cell whole unless a separator is named, and takes no word for "no label".

    Raises:
        DataError: a file or a column is missing, or there are bad rows and they are not to be skipped;
            says file, line, column, value.
    """
    options = options or ReadOptions()
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    examples: list[Example] = []
    bad: list[BadRow] = []
    notes = []
    for path in map(Path, files):
        source = open_rows(path, encoding=options.encoding)
        reader = _Reader(source, options, task, prefix=f"{path.stem}:" if len(files) > 1 else "")
        found, wrong = reader.read()
        examples += found
        bad += wrong
        notes.append(reader.note(len(found), len(wrong)))
    if bad and options.on_bad_row == "error":
        shown = "\n".join(f"  {row}" for row in bad[:5])
        more = f"\n  and {len(bad) - 5:,} more" if len(bad) > 5 else ""
        raise DataError(
            f"{len(bad):,} of {len(bad) + len(examples):,} rows cannot be used:\n{shown}{more}",
            hint="mend them, or leave them out with --on-bad-row skip",
        )
    if not examples:
        raise DataError(f"there are no usable rows in {', '.join(map(str, files))}")
    return Table(tuple(examples), tuple(bad), tuple(notes))


def find_column(columns: Sequence[str], named: str | None, names: Sequence[str], what: str, where: str) -> str:
    """The column that holds `what`: as named, or the first of the usual names that occurs.

    Raises:
        DataError: there is no such column; lists those there are.
    """
    if named is not None:
        if named in columns:
            return named
        raise DataError(f"{where} has no column {named!r}; its columns are {', '.join(columns)}")
    folded = {column.strip().lower(): column for column in columns}
    for name in names:
        if name in folded:
            return folded[name]
    raise DataError(
        f"{where}: no column looks like the {what}; its columns are {', '.join(columns)}",
        hint=f"name it with --{what}-column",
    )


def text_problem(text: Any) -> str | None:
    """Why a cell cannot be a text; None if it can."""
    if not isinstance(text, str):
        return "the text is missing or no string"
    if "\0" in text:
        return "the text holds a NUL character"
    if _SURROGATE.search(text):
        return "the text holds half a surrogate pair, which is no character"
    return None


class _Reader:
    """One file's rows -> examples and bad rows."""

    def __init__(self, source: RowSource, options: ReadOptions, task: Task | None, prefix: str) -> None:
        self._source, self._options, self._prefix = source, options, prefix
        self._text = find_column(source.columns, options.text_column, TEXT_NAMES, "text", source.name)
        self._labels = find_column(source.columns, options.label_column, LABEL_NAMES, "label", source.name)
        self._id = _optional(source, options.id_column, ID_NAMES)
        self._group = _optional(source, options.group_column, ())
        # A class may well be called 无; only with several labels a row does the word mean that there are none.
        self._no_label = frozenset({""}) if task == "multiclass" else NO_LABEL
        self._separator = options.label_separator
        if self._separator is None:
            self._separator = "none" if task == "multiclass" else self._detect_separator()

    def read(self) -> tuple[list[Example], list[BadRow]]:
        examples, bad, seen = [], [], set()
        for row in self._source:
            example = self._example(row)
            if isinstance(example, Example) and example.id in seen:
                example = self._bad(row, self._id or "", example.id, "this id occurred before")
            if isinstance(example, BadRow):
                bad.append(example)
                continue
            seen.add(example.id)
            examples.append(example)
        return examples, bad

    def note(self, kept: int, bad: int) -> str:
        separator = "" if self._separator == "none" else f", labels split on {self._separator!r}"
        encoding = f" {self._source.encoding}" if self._source.encoding else ""
        skipped = f", {bad:,} bad rows" if bad else ""
        return (
            f"{self._source.name}: {self._source.format}{encoding}, {kept:,} rows{skipped}, "
            f"text in {self._text!r}, labels in {self._labels!r}{separator}"
        )

    def _detect_separator(self) -> str:
        """The separator whose pieces most often are labels that occur elsewhere too.

        A character inside names, as in `A、B类`, would yield pieces that occur nowhere else.
        """
        cells = [row.cells.get(self._labels) for row in self._source if row.problem is None]
        texts = Counter(cell.strip() for cell in cells if isinstance(cell, str) and not cell.strip().startswith("["))
        best, most = "none", 0
        for separator in SEPARATORS:
            split = {cell: _pieces(cell, separator) for cell in texts if separator in cell}
            counts: Counter[str] = Counter()
            for cell, number in texts.items():
                for piece in split.get(cell, [cell]):
                    counts[piece] += number
            recurring = sum(
                texts[cell]
                for cell, pieces in split.items()
                if sum(counts[p] > texts[cell] for p in pieces) * 2 >= len(pieces)
            )
            if recurring > most and recurring * 2 >= sum(texts[cell] for cell in split):
                best, most = separator, recurring
        return best

    def _example(self, row: Row) -> Example | BadRow:
        if row.problem:
            return self._bad(row, "", next(iter(row.cells.values()), ""), row.problem)
        text = row.cells.get(self._text)
        if problem := text_problem(text):
            return self._bad(row, self._text, text, problem)
        text = str(text).strip()
        if not text:
            return self._bad(row, self._text, text, "the text is empty")
        labels = self._split(row.cells.get(self._labels))
        if labels is None:
            return self._bad(
                row,
                self._labels,
                row.cells.get(self._labels),
                "labels are neither a string nor a list of strings",
            )
        return Example(
            id=self._prefix + (str(row.cells.get(self._id)) if self._id else str(row.number)),
            text=text,
            labels=labels,
            group=str(row.cells.get(self._group) or "") or None if self._group else None,
        )

    def _split(self, cell: Any) -> tuple[str, ...] | None:
        if isinstance(cell, str) and cell.strip().startswith("["):
            try:
                cell = json.loads(cell)
            except json.JSONDecodeError:
                return None
        if cell is None:
            return ()
        if isinstance(cell, bool):
            return None
        if isinstance(cell, int):
            cell = str(cell)
        if isinstance(cell, str):
            cell = [cell] if self._separator == "none" else _pieces(cell, self._separator or "")
        if not isinstance(cell, list) or not all(isinstance(label, str) for label in cell):
            return None
        names = [label.strip() for label in cell]
        return tuple(dict.fromkeys(name for name in names if name.lower() not in self._no_label))

    def _bad(self, row: Row, column: str, value: Any, reason: str) -> BadRow:
        return BadRow(self._source.name, row.number, column, "" if value is None else str(value), reason)


def _pieces(cell: str, separator: str) -> list[str]:
    return [piece.strip() for piece in cell.split(separator) if piece.strip()]


def _optional(source: RowSource, named: str | None, names: Iterable[str]) -> str | None:
    if named is not None:
        return find_column(source.columns, named, (), "id", source.name)
    return next((column for column in source.columns if column.strip().lower() in names), None)

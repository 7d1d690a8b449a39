"""Labelled files -> examples, and the rows that are bad."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fenlei.errors import DataError, SettingsError
from fenlei.text.cells import NO_LABEL, CellError, LabelCells, detect_separator, text_of
from fenlei.text.columns import find_columns
from fenlei.text.example import Example
from fenlei.text.labels import Task
from fenlei.text.rows import Row, RowSource
from fenlei.text.sources import find_files, open_rows, part_names

OnBadRow = Literal["error", "skip"]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read labelled files; what is None or empty is found out.

    Attributes:
        encoding: of the characters.
        text_column: its name; several are joined, a line each.
        pair: two text columns are a pair of texts for the encoder instead.
        label_column: its name; several are labels themselves and hold 0 or 1.
        id_column, group_column: their names.
        label_separator: between labels in a cell; `none`: a cell is one label.
        on_bad_row: `error`: the first bad rows end the reading; `skip`: they are left out and listed.
    """

    encoding: str | None = None
    text_column: str | Sequence[str] | None = None
    pair: bool = False
    label_column: str | Sequence[str] | None = None
    id_column: str | None = None
    group_column: str | None = None
    label_separator: str | None = None
    on_bad_row: OnBadRow = "error"

    def __post_init__(self) -> None:
        if self.on_bad_row not in get_args(OnBadRow):
            raise SettingsError(f"--on-bad-row is {self.on_bad_row!r}; accepted are {', '.join(get_args(OnBadRow))}")
        if self.pair and len(self.text_columns) != 2:
            raise SettingsError(f"--pair takes two text columns, and {len(self.text_columns)} are named")

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The names given; none: to be found."""
        return _as_tuple(self.text_column)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The names given; none: to be found."""
        return _as_tuple(self.label_column)


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: file, line, column, the value, and what is wrong with it."""

    file: str
    line: int
    column: str
    value: str
    reason: str

    @classmethod
    def of(cls, row: Row, source: RowSource, error: CellError) -> "BadRow":
        """The row of a source that has a bad cell."""
        value = "" if error.value is None else str(error.value)
        return cls(row.file or source.name, row.number, error.column, value, str(error))

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
    paths: str | Path | Sequence[str | Path], options: ReadOptions | None = None, *, task: Task | None = None
) -> Table:
    """Read labelled files.

    Args:
        paths: one file, folder of classes or pattern, or several, read as one.
        options: how; None: everything is found out.
        task: `multiclass` keeps each cell whole unless a separator is named, and takes no word for "no label".

    Raises:
        DataError: a file or a column is missing, or there are bad rows and they are not to be skipped;
            says file, line, column, value.
    """
    options = options or ReadOptions()
    files = find_files(paths)
    examples: list[Example] = []
    bad: list[BadRow] = []
    notes = []
    for path, name in zip(files, part_names(files), strict=True):
        # Row 7 of one file is not row 7 of another.
        prefix = f"{name}:" if len(files) > 1 else ""
        reader = _Reader(open_rows(path, encoding=options.encoding), options, task, prefix)
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


class _Reader:
    """One file's rows -> examples and bad rows."""

    def __init__(self, source: RowSource, options: ReadOptions, task: Task | None, prefix: str) -> None:
        self._source, self._prefix = source, prefix
        self._columns = find_columns(
            source,
            text=options.text_columns,
            labels=options.label_columns,
            id=options.id_column,
            group=options.group_column,
        )
        self._separator = "none"
        if options.label_separator:
            self._separator = options.label_separator
        elif task != "multiclass" and not self._columns.labels_are_flags:
            self._separator = detect_separator(source, self._columns.labels[0])
        # A class may well be called 无; only with several labels a row does the word mean that there are none.
        no_label = frozenset({""}) if task == "multiclass" else NO_LABEL
        self._pair = options.pair
        self._labels = LabelCells(self._columns, self._separator, no_label)

    def read(self) -> tuple[list[Example], list[BadRow]]:
        examples, bad, seen = [], [], set()
        for row in self._source:
            try:
                example = self._example(row)
                if example.id in seen:
                    raise CellError("this id occurred before", self._columns.id or "", example.id)
            except CellError as error:
                bad.append(BadRow.of(row, self._source, error))
                continue
            seen.add(example.id)
            examples.append(example)
        return examples, bad

    def note(self, kept: int, bad: int) -> str:
        separator = "" if self._separator == "none" else f", labels split on {self._separator!r}"
        encoding = f" {self._source.encoding}" if self._source.encoding else ""
        skipped = f", {bad:,} bad rows" if bad else ""
        labels = f"{len(self._columns.labels)} columns of 0 and 1" if self._columns.labels_are_flags else ""
        return (
            f"{self._source.name}: {self._source.format}{encoding}, {kept:,} rows{skipped}, "
            f"text in {' + '.join(map(repr, self._columns.text))}, "
            f"labels in {labels or repr(self._columns.labels[0])}{separator}"
        )

    def _example(self, row: Row) -> Example:
        if row.problem:
            raise CellError(row.problem, "", next(iter(row.cells.values()), ""))
        columns = self._columns
        text = text_of(row.cells, columns.text, pair=self._pair)
        if not text:
            raise CellError("the text is empty", columns.text[0], row.cells.get(columns.text[0]))
        return Example(
            id=self._prefix + (str(row.cells.get(columns.id)) if columns.id else str(row.number)),
            text=text,
            labels=self._labels.labels_of(row.cells),
            group=str(row.cells.get(columns.group) or "") or None if columns.group else None,
        )


def _as_tuple(names: str | Sequence[str] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())

"""Labelled files -> examples, and the rows that are bad."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from fenlei.errors import DataError, SettingsError
from fenlei.text.cells import NO_LABEL, CellError, LabelCells, detect_separators, text_of
from fenlei.text.columns import find_columns, is_written, present
from fenlei.text.example import PAIR, Example
from fenlei.text.labels import Task, unknown_label
from fenlei.text.rows import Row, RowSource
from fenlei.text.sources import find_files, open_rows, part_names

OnBadRow = Literal["error", "skip"]

_SHOWN_ROWS = 5


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
        trained_text, trained_labels: the columns that a classifier was trained on, which are taken where none is named
            and the file has them.
        on_bad_row: `error`: the first bad rows end the reading; `skip`: they are left out and listed.
    """

    encoding: str | None = None
    text_column: str | Sequence[str] | None = None
    pair: bool = False
    label_column: str | Sequence[str] | None = None
    id_column: str | None = None
    group_column: str | None = None
    label_separator: str | None = None
    trained_text: Sequence[str] = ()
    trained_labels: Sequence[str] = ()
    on_bad_row: OnBadRow = "error"

    def __post_init__(self) -> None:
        if self.on_bad_row not in get_args(OnBadRow):
            raise SettingsError(f"--on-bad-row is {self.on_bad_row!r}; accepted are {', '.join(get_args(OnBadRow))}")
        if self.pair and len(self.text_columns) != 2:
            raise SettingsError(f"--pair takes two text columns, and {len(self.text_columns)} are named")
        for flag, names in (("--text-column", self.text_columns), ("--label-column", self.label_columns)):
            if twice := [name for name, times in Counter(names).items() if times > 1]:
                raise SettingsError(f"{flag} names {twice[0]!r} twice", hint="name each column once")

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
        words_for_none: those that were read as "no label", with their rows, the most frequent first.
    """

    examples: tuple[Example, ...]
    skipped: tuple[BadRow, ...]
    notes: tuple[str, ...]
    words_for_none: tuple[tuple[str, int], ...] = ()


Paths = str | Path | Sequence[str | Path]


def read_examples(
    paths: Paths, options: ReadOptions | None = None, *, task: Task | None = None, known: Collection[str] = ()
) -> Table:
    """Read labelled files.

    Args:
        paths: one file, folder of classes or pattern, or several, read as one.
        options: how; None: everything is found out.
        task: `multiclass` keeps each cell whole unless a separator is named, and takes no word for "no label".
        known: the labels of the classifier that the rows are for, if there is one: where cells hold several, these
            tell what separates them, and a row with any other label is a bad row.

    Raises:
        DataError: a file or a column is missing, or there are bad rows and they are not to be skipped;
            says file, line, column, value.
    """
    return read_parts({"": paths}, options, task=task, known=known)[""]


def read_parts(
    parts: Mapping[str, Paths],
    options: ReadOptions | None = None,
    *,
    task: Task | None = None,
    known: Collection[str] = (),
) -> dict[str, Table]:
    """Read the files of several parts, such as train, dev and test, with one separator of labels for all.

    Args:
        parts: name -> what `read_examples` takes; the other arguments and the errors are those of `read_examples`.
    """
    options = options or ReadOptions()
    readers = {name: _readers(paths, options, task, known) for name, paths in parts.items()}
    every = [reader for of_part in readers.values() for reader in of_part]
    separators = _separators(every, options, task, known)
    return {name: _table(of_part, separators, options) for name, of_part in readers.items()}


def _readers(paths: Paths, options: ReadOptions, task: Task | None, known: Collection[str]) -> list["_Reader"]:
    files = find_files(paths)
    # Row 7 of one file is not row 7 of another.
    prefixes = [f"{name}:" if len(files) > 1 else "" for name in part_names(files)]
    return [
        _Reader(open_rows(path, encoding=options.encoding, known=known), options, task, prefix, known)
        for path, prefix in zip(files, prefixes, strict=True)
    ]


def _separators(
    readers: Sequence["_Reader"], options: ReadOptions, task: Task | None, known: Collection[str]
) -> tuple[str, ...]:
    named = options.label_separator
    if named or task == "multiclass":
        return (named,) if named and named != "none" else ()
    cells = [(one.source, one.columns.labels[0]) for one in readers if not one.columns.labels_are_flags]
    return detect_separators(cells, known)


def _table(readers: Sequence["_Reader"], separators: Sequence[str], options: ReadOptions) -> Table:
    examples: list[Example] = []
    bad: list[BadRow] = []
    notes = []
    words: Counter[str] = Counter()
    for reader in readers:
        found, wrong = reader.read(separators)
        examples += found
        bad += wrong
        words += reader.words_for_none
        notes.append(reader.note(len(found), len(wrong), separators))
    shown = "".join(f"\n  {row}" for row in bad[:_SHOWN_ROWS])
    if len(bad) > _SHOWN_ROWS:
        shown += f"\n  and {len(bad) - _SHOWN_ROWS:,} more"
    if not examples:
        files = ", ".join(reader.source.name for reader in readers)
        raise DataError(
            f"there are no usable rows in {files}" + (f", all {len(bad):,} are bad:{shown}" if bad else ""),
            hint="mend them; if all have one reason, --text-column or --label-column may name a wrong one"
            if bad
            else None,
        )
    if bad and options.on_bad_row == "error":
        raise DataError(
            f"{len(bad):,} of {len(bad) + len(examples):,} rows cannot be used:{shown}",
            hint="mend them, or leave them out with --on-bad-row skip",
        )
    return Table(tuple(examples), tuple(bad), tuple(notes), tuple(words.most_common()))


class _Reader:
    """One file's rows -> examples and bad rows."""

    def __init__(
        self, source: RowSource, options: ReadOptions, task: Task | None, prefix: str, known: Collection[str]
    ) -> None:
        self.source, self._prefix = source, prefix
        self.columns = find_columns(
            source,
            text=options.text_columns or present(source, options.trained_text),
            labels=options.label_columns or present(source, options.trained_labels) or present(source, known),
            id=options.id_column,
            group=options.group_column,
        )
        in_one_cell = len(self.columns.text) == 1
        self._pair = options.pair or (is_written(source) and in_one_cell)
        self._pairs_needed = options.pair and in_one_cell
        self._named_id, self._known = options.id_column, frozenset(known)
        self._why_unknown: dict[str, str] = {}
        self._id_lost = ""
        # A class may well be called 无; only with several labels a row does the word mean that there are none.
        self._no_label = frozenset({""}) if task == "multiclass" else NO_LABEL
        self.words_for_none: Counter[str] = Counter()

    def read(self, separators: Sequence[str]) -> tuple[list[Example], list[BadRow]]:
        labels = LabelCells(self.columns, separators, self._no_label)
        examples, bad, seen = [], [], set()
        for row in self.source:
            try:
                example = self._example(row, labels)
                if example.id in seen:
                    if self.columns.id != self._named_id:
                        return self._read_by_line(separators)
                    raise CellError("this id occurred before", self.columns.id or "", example.id)
            except CellError as error:
                bad.append(BadRow.of(row, self.source, error))
                continue
            seen.add(example.id)
            if word := labels.word_for_none(row.cells):
                self.words_for_none[word] += 1
            examples.append(example)
        if self._pairs_needed and examples and not any(PAIR in example.text for example in examples):
            raise DataError(
                f"{self.source.name} was written without --pair: no text in it is a pair",
                hint="write it again, `split` takes --pair too; or leave --pair out here",
            )
        return examples, bad

    def _read_by_line(self, separators: Sequence[str]) -> tuple[list[Example], list[BadRow]]:
        """Read again: the column that looked like one of names, such as of a form's users, does not name the rows."""
        self._id_lost = f", rows named by their line, since {self.columns.id!r} repeats"
        self.columns, self.words_for_none = replace(self.columns, id=None), Counter()
        return self.read(separators)

    def note(self, kept: int, bad: int, separators: Sequence[str]) -> str:
        flags = self.columns.labels_are_flags
        split = f", labels split on {' and '.join(map(repr, separators))}" if separators and not flags else ""
        skipped = f", {bad:,} bad rows" if bad else ""
        none = "".join(f"; {word!r} ({rows:,}) read as no label" for word, rows in self.words_for_none.most_common())
        labels = f"{len(self.columns.labels)} columns of 0 and 1" if flags else ""
        return (
            f"{self.source.title}, {kept:,} rows{skipped}, "
            f"text in {' + '.join(map(repr, self.columns.text))}, "
            f"labels in {labels or repr(self.columns.labels[0])}{split}{none}{self._id_lost}"
            + (f"; {self.source.not_read}" if self.source.not_read else "")
        )

    def _example(self, row: Row, labels: LabelCells) -> Example:
        if row.problem:
            raise CellError(row.problem, "", next(iter(row.cells.values()), ""))
        columns = self.columns
        text = text_of(row.cells, columns.text, pair=self._pair)
        if not text:
            raise CellError("the text is empty", columns.text[0], row.cells.get(columns.text[0]))
        given = labels.labels_of(row.cells)
        for label in given:
            if self._known and label not in self._known:
                column = label if columns.labels_are_flags else columns.labels[0]
                raise CellError(self._unknown(label), column, row.cells.get(column))
        return Example(
            id=self._prefix + (_written(row, columns.id) or str(row.number)),
            text=text,
            labels=given,
            group=_written(row, columns.group) or None,
        )

    def _unknown(self, label: str) -> str:
        """Why it is refused. Of many labels the nearest takes long to find: once for each of the first few."""
        if label not in self._why_unknown:
            few = len(self._why_unknown) < _SHOWN_ROWS
            self._why_unknown[label] = unknown_label(label, self._known, with_nearest=few)
        return self._why_unknown[label]


def _written(row: Row, column: str | None) -> str:
    """What a cell says; nothing where it is empty or NaN, pandas' word for that."""
    cell = row.cells.get(column) if column else None
    return "" if cell is None or cell != cell else str(cell)


def _as_tuple(names: str | Sequence[str] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())

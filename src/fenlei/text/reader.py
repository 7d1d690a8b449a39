"""One source's rows -> examples and bad rows."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from fenlei.errors import DataError, SettingsError
from fenlei.text.cells import NO_LABEL, CellError, LabelCells, text_of
from fenlei.text.columns import find_columns, flag_columns, is_written, present
from fenlei.text.example import PAIR, Example
from fenlei.text.labels import Task, unknown_label
from fenlei.text.rows import Row, RowSource

OnBadRow = Literal["error", "skip"]

# Unknown labels for which the nearest known one is looked for.
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


class Reader:
    """One file's rows -> examples and bad rows.

    Args:
        source: the file.
        options: how to read it.
        task: as for `read_examples`, and `known`.
        prefix: stands before the ids of the examples.

    Attributes:
        columns: those that are read.
        words_for_none: what was read as "no label", with the number of rows.

    Raises:
        DataError: a column is missing.
    """

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
        self._no_labels: tuple[str, ...] = ()
        if known and self.columns.labels_are_flags:
            taken = (*self.columns.text, *self.columns.labels, self.columns.id, self.columns.group)
            self._no_labels = flag_columns(source, taken)
        self._why_unknown: dict[str, str] = {}
        self._id_lost = ""
        # A class may well be called 无; only with several labels a row does the word mean that there are none.
        self._no_label = frozenset({""}) if task == "multiclass" else NO_LABEL
        self.words_for_none: Counter[str] = Counter()

    def require_columns_of(self, labels: Collection[str]) -> None:
        """Refuse columns of 0 and 1 where some of these labels have none: whether rows have them is not known.

        Raises:
            DataError: as there.
        """
        missing = [label for label in labels if label not in self.source.columns]
        if self.columns.labels_are_flags and missing:
            more = f" and {len(missing) - _SHOWN_ROWS} others" if len(missing) > _SHOWN_ROWS else ""
            raise DataError(
                f"{self.source.name} has its labels in columns of 0 and 1, and none for "
                f"{', '.join(map(repr, missing[:_SHOWN_ROWS]))}{more}",
                hint="add the column: without it nobody knows which rows have the label",
            )

    def read(self, separators: Sequence[str]) -> tuple[list[Example], list[BadRow]]:
        """All rows that can be used, and those that cannot; the separators are those of labels in one cell.

        Raises:
            DataError: pairs are asked for, and the file was written without.
        """
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
        """A line for people: what was read, and how."""
        flags = self.columns.labels_are_flags
        split = f", labels split on {' and '.join(map(repr, separators))}" if separators and not flags else ""
        skipped = f", {bad:,} bad rows" if bad else ""
        none = "".join(f"; {word!r} ({rows:,}) read as no label" for word, rows in self.words_for_none.most_common())
        labels = f"{len(self.columns.labels)} columns of 0 and 1" if flags else ""
        if self._no_labels:
            none += f"; not read, since the classifier has no such labels: {', '.join(map(repr, self._no_labels))}"
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

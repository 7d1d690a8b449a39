"""Labelled files -> examples, and the rows that are bad."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fenlei.errors import DataError
from fenlei.text.cells import detect_separators
from fenlei.text.example import Example
from fenlei.text.labels import Task
from fenlei.text.reader import BadRow, Reader, ReadOptions
from fenlei.text.sources import find_files, open_rows, part_names

_SHOWN_ROWS = 5


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
    flags = [label for reader in every if reader.columns.labels_are_flags for label in reader.columns.labels]
    for reader in every:
        reader.require_columns_of(dict.fromkeys([*known, *flags]))
    separators = _separators(every, options, task, known)
    return {name: _table(of_part, separators, options) for name, of_part in readers.items()}


def _readers(paths: Paths, options: ReadOptions, task: Task | None, known: Collection[str]) -> list[Reader]:
    files = find_files(paths)
    # Row 7 of one file is not row 7 of another.
    prefixes = [f"{name}:" if len(files) > 1 else "" for name in part_names(files)]
    return [
        Reader(open_rows(path, encoding=options.encoding, known=known), options, task, prefix, known)
        for path, prefix in zip(files, prefixes, strict=True)
    ]


def _separators(
    readers: Sequence[Reader], options: ReadOptions, task: Task | None, known: Collection[str]
) -> tuple[str, ...]:
    named = options.label_separator
    if named or task == "multiclass":
        return (named,) if named and named != "none" else ()
    cells = [(one.source, one.columns.labels[0]) for one in readers if not one.columns.labels_are_flags]
    return detect_separators(cells, known)


def _table(readers: Sequence[Reader], separators: Sequence[str], options: ReadOptions) -> Table:
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

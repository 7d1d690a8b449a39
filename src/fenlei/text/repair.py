"""Examples -> the same without what a program can mend, with a log of every change."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

from fenlei.csv_text import csv_text
from fenlei.text.example import Example, canonical_text
from fenlei.text.labels import without_spelling
from fenlei.text.normalize import normalize
from fenlei.text.read import Table

_LEFT = "left:"


@dataclass(frozen=True)
class Change:
    """What was done to a row, or that it was left to a person.

    Attributes:
        row: its id, or file and line where it could not be read.
        change: what was done.
        before, after: the value; empty where the whole row went.
    """

    row: str
    change: str
    before: str
    after: str

    @property
    def is_left(self) -> bool:
        """Whether nothing was done."""
        return self.change.startswith(_LEFT)


def repair(table: Table) -> tuple[tuple[Example, ...], tuple[Change, ...]]:
    """Mend what needs no judgement.

    Rows that cannot be read are gone already; invisible characters are dropped, and a row of nothing else; labels that
    differ only in width, case or white space get their commonest spelling; exact duplicates with the same labels go but
    for the first. The same text with different labels stays, and is logged: which is right, a person must say.

    Returns:
        The rows that remain, in order, and every change.
    """
    changes = [Change(f"{bad.file}, line {bad.line}", f"removed: {bad.reason}", bad.value, "") for bad in table.skipped]
    spelling = _spellings(table.examples)
    first_of_text: dict[str, Example] = {}
    first_of_row: dict[tuple[str, frozenset[str]], Example] = {}
    kept = []
    for example in table.examples:
        mended = _mended(example, spelling, changes)
        if not mended.text:
            changes.append(Change(example.id, "removed: there is nothing else in its text", example.text, ""))
            continue
        text = canonical_text(mended.text)
        first = first_of_text.setdefault(text, mended)
        same = first_of_row.setdefault((text, frozenset(mended.labels or ())), mended)
        if same is not mended:
            changes.append(Change(example.id, f"removed: the same as row {same.id}", example.text, ""))
            continue
        if first is not mended:
            labels, others = "|".join(mended.labels or ()), "|".join(first.labels or ())
            changes.append(Change(example.id, f"{_LEFT} row {first.id} has the same text as {others}", labels, labels))
        kept.append(mended)
    return tuple(kept), tuple(changes)


def changes_csv(changes: Sequence[Change]) -> str:
    """A line a change, for a spreadsheet."""
    return csv_text([("row", "change", "before", "after"), *map(astuple, changes)])


def _mended(example: Example, spelling: dict[str, str], changes: list[Change]) -> Example:
    text = normalize(example.text, "clean").strip()
    if text != example.text:
        changes.append(Change(example.id, "invisible characters dropped", example.text, text))
    labels = tuple(dict.fromkeys(spelling[label] for label in example.labels or ()))
    if labels != example.labels:
        changes.append(Change(example.id, "labels respelled", "|".join(example.labels or ()), "|".join(labels)))
    return replace(example, text=text, labels=labels)


def _spellings(examples: Sequence[Example]) -> dict[str, str]:
    """Label -> the commonest label of the same canonical form."""
    counts = Counter(label for example in examples for label in example.labels or ())
    variants: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        variants[without_spelling(label)].append(label)
    return {label: max(variants[without_spelling(label)], key=lambda one: (counts[one], one)) for label in counts}

"""Rows whose text stands, exactly or nearly, in another part too: what makes a test score one of memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from fenlei.csv_text import csv_text
from fenlei.text.duplicates import Duplicates, find_duplicates, jaccard, ngrams_of
from fenlei.text.example import Example


@dataclass(frozen=True)
class Leak:
    """A row of one part whose text a later part has too.

    Attributes:
        part, row: the part and the row's id.
        other_part, other_row: where the text stands too, at its most similar.
        similarity: Jaccard similarity of the two texts' character 3-grams.
        exact: whether the texts are the same, and not only their 3-grams.
    """

    part: str
    row: str
    other_part: str
    other_row: str
    similarity: float
    exact: bool


def find_leaks(
    parts: Mapping[str, Sequence[Example]], *, near: bool | None = None, duplicates: Duplicates | None = None
) -> tuple[Leak, ...]:
    """The rows of each part that also stand in a later one, in file order.

    Args:
        parts: name -> rows; with `train` first, its rows that stand in dev or test are found.
        near: whether near duplicates count; None: among up to 200,000 rows in all. Clusters so large that
            they must be a template count by exact duplicates only.
        duplicates: those among the rows of all parts, one after the other, where they are known already.
    """
    if len(parts) < 2:
        return ()
    names = [name for name, examples in parts.items() for _ in examples]
    examples = [example for part in parts.values() for example in part]
    texts = [example.text for example in examples]
    duplicates = duplicates or find_duplicates(texts, near=near)
    number_of_part = {name: number for number, name in enumerate(parts)}
    part_of_row = np.array([number_of_part[name] for name in names], dtype=np.int64)
    found: dict[int, Leak] = {}
    for cluster in _clusters(duplicates.together()):
        # Thousands of rows may have one text: those of a part have the same answer.
        key_of_row = {row: (int(part_of_row[row]), int(duplicates.exact[row])) for row in cluster.tolist()}
        first_row: dict[tuple[int, int], int] = {}
        for row, key in key_of_row.items():
            first_row.setdefault(key, row)
        grams = {row: ngrams_of(texts[row]) for row in first_row.values()} if len(first_row) > 1 else {}
        nearest = {key: _nearest(key, first_row, grams) for key in first_row}
        for row, key in key_of_row.items():
            if (other := nearest[key]) is not None:
                exact, likeness, at = other
                found[row] = Leak(names[row], examples[row].id, names[at], examples[at].id, likeness, exact)
    return tuple(found[row] for row in sorted(found))


def _nearest(
    key: tuple[int, int], first_row: Mapping[tuple[int, int], int], grams: Mapping[int, frozenset[str]]
) -> tuple[bool, float, int] | None:
    """Of the text in a later part most like that of `key`, a part and a text: whether the same, how like, its row."""
    part, text = key
    best: tuple[bool, float, int] | None = None
    for (other_part, other_text), row in first_row.items():
        if other_part > part:
            likeness = 1.0 if other_text == text else jaccard(grams[first_row[key]], grams[row])
            if best is None or (other_text == text, likeness) > best[:2]:
                best = other_text == text, likeness, row
    return best


def leaks_csv(leaks: Sequence[Leak]) -> str:
    """A line a leak, for a spreadsheet."""
    header = ("part", "row", "stands also in", "as row", "similarity")
    return csv_text([header, *((*astuple(leak)[:4], f"{leak.similarity:.3f}") for leak in leaks)])


def _clusters(numbers: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The rows of each number that occurs more than once."""
    order = np.argsort(numbers, kind="stable")
    begins = np.flatnonzero(np.diff(numbers[order])) + 1
    yield from (cluster for cluster in np.split(order, begins) if len(cluster) > 1)

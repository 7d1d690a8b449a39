"""One labelled (or still unlabelled) text."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from fenlei.errors import DataError

PAIR = "\x1e"
"""Stands between the two texts of a pair: U+001E, the record separator, which no text has."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its labels.

    Attributes:
        id: names the row in reports and error lists; unique within a file.
        text: the text as read; a pair of texts as `pair_texts` makes it.
        labels: label names in the file's order; `()` means "none of them", a legal answer
            in a multi-label task; `None` means that the labels are not known.
        group: rows of one group (a document, an author) never part in a split; `None`: its own group.

    Raises:
        DataError: text or labels are no strings.
        ValueError: labels repeat.
    """

    id: str
    text: str
    labels: tuple[str, ...] | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise DataError(f"the text of example {self.id!r} is {self.text!r}; a text is a str")
        if isinstance(self.labels, str) or not all(isinstance(label, str) for label in self.labels or ()):
            raise DataError(
                f"the labels of example {self.id!r} are {self.labels!r}; they are a tuple of str",
                hint="write (label,) for one label, and str(label) for a number",
            )
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels repeat in example {self.id!r}: {self.labels}")


def examples_of(given: Any) -> tuple[Example, ...]:
    """The examples of any iterable.

    Raises:
        DataError: it is something else, such as a table or the name of a file.
    """
    if isinstance(given, Iterable) and not isinstance(given, str | Mapping):
        found = tuple(given)
        wrong = [one for one in found if not isinstance(one, Example)]
    else:
        found, wrong = (), [given]
    if wrong:
        raise DataError(
            f"examples are needed, and this is a {type(given).__name__}: {str(wrong[0])[:40]!r}",
            hint="read a file with read_examples(path).examples, or make them with examples_from(texts, labels)",
        )
    return found


def examples_from(texts: Iterable[str], labels: Any, *, names: Sequence[str] | None = None) -> tuple[Example, ...]:
    """Examples of texts and labels as scikit-learn takes them; the id of each is its row, from 0.

    Args:
        texts: B texts.
        labels: for each its label, or a list, tuple, set or array of them; whole numbers become names. Or a (B, C)
            table of 0 and 1, such as MultiLabelBinarizer makes, dense or sparse.
        names: of the table's columns; None: those of a data frame.

    Raises:
        DataError: there are more of one than of the other, or something is no text, no label or neither 0 nor 1.
    """
    if isinstance(texts, str | Mapping) or hasattr(texts, "columns"):
        raise DataError(
            f"a list of texts is needed, and this is a {type(texts).__name__}", hint="give one column of it"
        )
    if names is None:
        names = getattr(labels, "columns", None)
    listed, is_table = list(texts), names is not None or getattr(labels, "ndim", 1) > 1
    answers = (
        _labels_of_table(labels, [] if names is None else list(map(str, names)))
        if is_table
        else [_labels_of_row(row, answer) for row, answer in enumerate(labels)]
    )
    if len(answers) != len(listed):
        raise DataError(f"there are {len(listed):,} texts and labels of {len(answers):,}", hint="give as many of both")
    return tuple(Example(str(row), *pair) for row, pair in enumerate(zip(listed, answers, strict=True)))


def _labels_of_row(row: int, answer: Any) -> tuple[str, ...]:
    given = sorted(answer, key=str) if isinstance(answer, set | frozenset) else answer
    labels = tuple(given) if isinstance(given, list | tuple | np.ndarray) else (given,)
    if any(isinstance(label, bool) or not isinstance(label, str | Integral) for label in labels):
        raise DataError(f"the labels of row {row} are {answer!r}", hint="a label is a str or a whole number")
    if "" in (labels := tuple(str(label).strip() for label in labels)):
        raise DataError(f"row {row} has a label without a name: {answer!r}", hint="no label at all is an empty list")
    if len(set(labels)) < len(labels):
        raise DataError(f"row {row} has a label twice: {answer!r}", hint="to a table of 0 and 1 give names=")
    return labels


def _labels_of_table(table: Any, names: Sequence[str]) -> list[tuple[str, ...]]:
    bits = np.asarray(table.toarray() if hasattr(table, "toarray") else table)
    if bits.ndim != 2 or bits.shape[1] != len(names):
        raise DataError(
            f"the table of labels has the shape {bits.shape}, and there are {len(names)} names",
            hint="name its columns: names=binarizer.classes_",
        )
    for row, column in np.argwhere(~np.isin(bits, (0, 1)))[:1].tolist():
        raise DataError(f"row {row} of the table has {bits[row, column]!r} at {names[column]!r}, neither 0 nor 1")
    return [tuple(names[column] for column in np.flatnonzero(row).tolist()) for row in bits]


def pair_texts(first: str, second: str) -> str:
    """Two texts, such as title and body, as one string that the encoder takes for a pair.

    Example:
        >>> classifier.predict([pair_texts("央行降息", "一年期利率下调十个基点")])
    """
    return f"{first}{PAIR}{second}"


def readable_text(text: str) -> str:
    """A text for people: the two of a pair on a line each."""
    return text.replace(PAIR, "\n")


def canonical_text(text: str) -> str:
    """The form in which two texts count as exact duplicates: NFKC, lower case, white space folded."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def text_fingerprint(text: str) -> str:
    """16 bytes of BLAKE2b over `canonical_text`, in hexadecimal (32 characters)."""
    return hashlib.blake2b(canonical_text(text).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def fingerprints(examples: Iterable[Example]) -> frozenset[str]:
    """The fingerprints of the examples' texts."""
    return frozenset(text_fingerprint(example.text) for example in examples)

"""One labelled (or still unlabelled) text."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
            hint="read a file with read_examples(path).examples, or make them: "
            "[Example(str(row), text, (label,)) for row, (text, label) in enumerate(zip(texts, labels))]",
        )
    return found


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

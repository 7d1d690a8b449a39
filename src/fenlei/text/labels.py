"""Label names and their order, decided in one place."""

import difflib
from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError, SettingsError
from fenlei.text.example import Example, canonical_text

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Task = Literal["multilabel", "multiclass"]


def settle_task(examples: Sequence[Example]) -> Task:
    """`multiclass` if every example has exactly one label, otherwise `multilabel`.

    Asked once, of the training rows; the answer is stored and never guessed again.
    """
    return "multiclass" if all(len(example.labels or ()) == 1 for example in examples) else "multilabel"


def known_task(name: str | None) -> Task | None:
    """The task that the user named.

    Raises:
        SettingsError: it is none of the known ones.
    """
    if name not in (None, *get_args(Task)):
        raise SettingsError(f"--task is {name!r}; accepted are {', '.join(get_args(Task))}")
    return cast("Task | None", name)


@dataclass(frozen=True)
class LabelSet:
    """The label names of a classifier in their order.

    Attributes:
        names: C distinct names.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"label names repeat: {self.names}")

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def from_examples(cls, examples: Sequence[Example]) -> "LabelSet":
        """Every name that occurs, sorted, so that the order of rows has no say."""
        return cls(tuple(sorted({label for example in examples for label in example.labels or ()})))

    def encode(self, examples: Sequence[Example], task: Task) -> NDArray[np.uint8]:
        """(B, C), 1 where example b has label c.

        Raises:
            DataError: a label is not in the set, an example's labels are not known, or a multi-class
                example has not exactly one.
        """
        truth: NDArray[np.uint8] = self.encode_sparse(examples, task).toarray()
        return truth

    def encode_sparse(self, examples: Sequence[Example], task: Task) -> "csr_array":
        """The same as a sparse (B, C) table: a million rows of 10,000 labels take megabytes, dense they take 10 GB.

        Raises:
            DataError: as `encode`.
        """
        from scipy.sparse import csr_array

        index = {name: column for column, name in enumerate(self.names)}
        columns, ends = array("i"), array("q", [0])
        for example in examples:
            if example.labels is None:
                raise DataError(f"row {example.id} has no known labels", hint="give rows with a label column")
            if task == "multiclass" and len(example.labels) != 1:
                raise DataError(
                    f"row {example.id} has {len(example.labels)} labels ({', '.join(example.labels)}); "
                    "a multiclass task has exactly one a row",
                    hint="mend the row, or train with --task multilabel",
                )
            for label in example.labels:
                if label not in index:
                    raise DataError(
                        f"row {example.id}: {unknown_label(label, self.names)}",
                        hint="mend the label, or train again with rows that have it",
                    )
                columns.append(index[label])
            ends.append(len(columns))
        ones = np.ones(len(columns), dtype=np.uint8)
        shape = (len(examples), len(self.names))
        return csr_array((ones, np.array(columns, np.int32), np.array(ends, np.int64)), shape=shape)


def without_spelling(label: str) -> str:
    """What two spellings of a label have in common that differ in width, case or white space."""
    return "".join(canonical_text(label).split())


def unknown_label(label: str, names: Collection[str], *, with_nearest: bool = True) -> str:
    """What an error says of a label that is none of a classifier's `names`."""
    near = nearest_told(label, names) if with_nearest else ""
    return f"the label {label!r} is not among the {len(names)} labels of the training rows{near}"


def nearest_told(name: str, names: Collection[str], *, words: str = "the nearest known one is") -> str:
    """The end of an error: which of `names` is most like `name`, behind a semicolon; empty if none is like it."""
    return "".join(f"; {words} {near!r}" for near in difflib.get_close_matches(name, names, n=1, cutoff=0.3))

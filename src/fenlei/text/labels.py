"""Label names and their order, decided in one place."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError, SettingsError
from fenlei.text.example import Example

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
        index = {name: column for column, name in enumerate(self.names)}
        truth = np.zeros((len(examples), len(self.names)), dtype=np.uint8)
        for row, example in enumerate(examples):
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
                    raise self._unknown(label, example)
                truth[row, index[label]] = 1
        return truth

    def _unknown(self, label: str, example: Example) -> DataError:
        near = nearest_name(label, self.names)
        nearest = f"; the nearest known one is {near!r}" if near else ""
        return DataError(
            f"row {example.id}: the label {label!r} is not among the {len(self.names)} labels "
            f"of the training rows{nearest}",
            hint="mend the label, or train again with rows that have it",
        )


def nearest_name(name: str, names: Sequence[str]) -> str | None:
    """The one of `names` that is most like `name`; None: none is like it."""
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.3)), None)

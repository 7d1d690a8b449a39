"""Examples -> parts: seeded, stratified, with groups and exact duplicates on one side."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError
from fenlei.text.example import Example, text_fingerprint
from fenlei.text.labels import LabelSet, Task, settle_task


def split_examples(
    examples: Sequence[Example], task: Task | None = None, *, ratios: Mapping[str, float], seed: int
) -> dict[str, tuple[Example, ...]]:
    """Cut `examples` into parts whose label shares are alike.

    Examples that share a group or a text (but for width, case and white space) go to the same part.
    Multi-label: iterative stratification (Sechidis et al. 2011) with one row a group.
    Multi-class: class by class, by largest remainder. Every label has a row in the first part.

    Args:
        examples: labelled rows.
        task: None: settled from the examples.
        ratios: part name -> share; the shares sum to 1, the first part is the training one.
        seed: the same seed gives the same parts, whatever else happens.

    Returns:
        Part name -> its examples, in file order.

    Raises:
        DataError: there are fewer groups than parts.
    """
    names, shares = list(ratios), np.array(list(ratios.values()))
    groups = _groups(examples)
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < len(names):
        raise DataError(f"{len(examples)} rows with {count} different texts cannot be split into {len(names)} parts")
    labels = LabelSet.from_examples(examples)
    truth = np.zeros((count, len(labels)), dtype=np.uint8)
    np.maximum.at(truth, groups, labels.encode(examples, "multilabel"))
    if (task or settle_task(examples)) == "multiclass":
        part_of_group = _by_class(truth.argmax(axis=1), shares, seed)
    else:
        part_of_group = _iteratively(truth, shares, seed)
    for label in np.flatnonzero(~truth[part_of_group == 0].any(axis=0)):
        # A label that no training row has could not be learned, nor named in the other parts.
        part_of_group[np.flatnonzero(truth[:, label])[0]] = 0
    part_of_row = part_of_group[groups]
    return {
        name: tuple(example for example, part in zip(examples, part_of_row, strict=True) if part == number)
        for number, name in enumerate(names)
    }


def _groups(examples: Sequence[Example]) -> NDArray[np.int64]:
    """(B,) a number for each example; equal for those that share a group or a text, also through others."""
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for example in examples:
        text = ("text", text_fingerprint(example.text))
        root(text)
        if example.group is not None:
            parent[root(text)] = root(("group", example.group))
    numbers: dict[Hashable, int] = {}
    roots = (root(("text", text_fingerprint(example.text))) for example in examples)
    return np.array([numbers.setdefault(key, len(numbers)) for key in roots], dtype=np.int64)


def _by_class(classes: NDArray[np.int64], shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    random = np.random.default_rng(seed)
    parts = np.zeros(len(classes), dtype=np.int64)
    owed = np.zeros(len(shares))
    for one in np.unique(classes):
        rows = random.permutation(np.flatnonzero(classes == one))
        # What rounding took from a part in one class it is given in the next.
        owed += shares * len(rows)
        sizes = np.maximum(np.floor(owed), 0).astype(np.int64)
        for _ in range(len(rows) - int(sizes.sum())):
            sizes[np.argmax(owed - sizes)] += 1
        owed -= sizes
        parts[rows] = np.repeat(np.arange(len(shares)), sizes)
    return parts


def _iteratively(truth: NDArray[np.uint8], shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    from iterstrat.ml_stratifiers import IterativeStratification

    # Rows without any label count as having one of their own, so that they are spread too.
    none = (truth.sum(axis=1, keepdims=True) == 0).astype(np.uint8)
    table = np.hstack([truth, none]).astype(bool)
    # The library draws only to break ties; the order of the rows decides the rest.
    order = np.random.default_rng(seed).permutation(len(table))
    parts = np.empty(len(table), dtype=np.int64)
    parts[order] = IterativeStratification(table[order], shares, np.random.RandomState(seed))
    return parts

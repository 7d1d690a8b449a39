"""Examples -> parts: seeded, stratified, with groups and duplicates on one side."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError, SettingsError
from fenlei.text.duplicates import connected, find_duplicates
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet, Task, settle_task
from fenlei.text.stratify import stratify

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_SEED = 2**32 - 1
"""The highest seed that NumPy's random state of iterative stratification takes."""


def split_examples(
    examples: Iterable[Example],
    task: Task | None = None,
    *,
    ratios: Mapping[str, float],
    seed: int,
    near: bool | None = None,
    first_has_all: bool = True,
) -> dict[str, tuple[Example, ...]]:
    """Cut `examples` into parts whose label shares are alike.

    Examples that share a group, or whose texts are duplicates or near duplicates, go to the same part.
    Multi-label: iterative stratification (Sechidis et al. 2011) with one row a group.
    Multi-class: class by class, by largest remainder.

    Args:
        examples: labelled rows.
        task: None: settled from the examples.
        ratios: part name -> share; the shares sum to 1, the first part is the training one.
        seed: the same seed gives the same parts, whatever else happens.
        first_has_all: whether every label must have a row in the first part, to be learned there.
        near: whether to look for near duplicates; None: among up to 200,000 rows.

    Returns:
        Part name -> its examples, in file order.

    Raises:
        DataError: there are fewer groups than parts.
        SettingsError: the shares are not above 0 or do not sum to 1, or the seed is out of range.
    """
    if min(ratios.values(), default=0) <= 0 or not math.isclose(sum(ratios.values()), 1, abs_tol=1e-6):
        raise SettingsError(
            f"the ratios are {dict(ratios)}; each is a share above 0, and together they are 1",
            hint="divide each by their sum, as in {'train': 0.8, 'test': 0.2}",
        )
    if not 0 <= seed <= MOST_SEED:
        raise SettingsError(f"the seed is {seed}; it must be from 0 to {MOST_SEED}")
    examples = tuple(examples)
    names, shares = list(ratios), np.array(list(ratios.values()))
    groups = _groups(examples, near)
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < len(names):
        raise DataError(f"{len(examples)} rows with {count} different texts cannot be split into {len(names)} parts")
    truth = _truth_of_groups(LabelSet.from_examples(examples).encode_sparse(examples, "multilabel"), groups, count)
    if (task or settle_task(examples)) == "multiclass":
        # The first label of each group; without any it counts as the first of all.
        classes = np.where(np.diff(truth.indptr) > 0, np.append(truth.indices, 0)[truth.indptr[:-1]], 0)
        part_of_group = _by_class(classes, shares, seed)
    else:
        part_of_group = _iteratively(truth, shares, seed)
    if first_has_all:
        groups_of, in_first = truth.tocsc(), truth[part_of_group == 0].sum(axis=0)
        for label in np.flatnonzero(in_first == 0):
            # A label that no training row has could not be learned, nor named in the other parts.
            part_of_group[groups_of.indices[groups_of.indptr[label]]] = 0
    part_of_row = part_of_group[groups]
    return {
        name: tuple(example for example, part in zip(examples, part_of_row, strict=True) if part == number)
        for number, name in enumerate(names)
    }


def fold_places(examples: Sequence[Example], task: Task, folds: int, *, seed: int) -> dict[str, list[int]]:
    """Cut `examples` into `folds` parts as `split_examples` does; fold name -> places of its rows in `examples`.

    Raises:
        DataError: there are fewer groups than folds.
        SettingsError: fewer than two folds.
    """
    parts = split_examples(examples, task, ratios=fold_ratios(folds), seed=seed, first_has_all=False)
    # One row may stand there twice; its copies are in one fold.
    places: dict[int, list[int]] = {}
    for place, example in enumerate(examples):
        places.setdefault(id(example), []).append(place)
    return {name: [places[id(example)].pop(0) for example in part] for name, part in parts.items()}


def fold_ratios(folds: int) -> dict[str, float]:
    """Names and equal shares of `folds` parts, for `split_examples`.

    Raises:
        SettingsError: fewer than two.
    """
    if folds < 2:
        raise SettingsError(f"--folds is {folds}; it must be 2 or more")
    return {f"fold-{number}": 1 / folds for number in range(1, folds + 1)}


def parse_ratios(ratios: str) -> dict[str, float]:
    """`8:1:1` -> shares of train, dev and test; `9:1` of train and test; `a=3,b=1` of parts called a and b.

    Raises:
        SettingsError: it is none of these, a share is not above 0, or a part is called what no file can be.
    """
    named = "=" in ratios
    pieces = [piece.partition("=") for piece in ratios.split(",")] if named else None
    numbers = [value for _, _, value in pieces] if pieces else ratios.split(":")
    names = (
        [name.strip() for name, _, _ in pieces]
        if pieces
        else {2: ["train", "test"], 3: ["train", "dev", "test"]}.get(len(numbers), [])
    )
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        values = []
    if not names or len(values) != len(set(names)) or not all(0 < value < float("inf") for value in values):
        raise SettingsError(f"--ratios is {ratios!r}; accepted are such as 8:1:1, 9:1 or train=8,dev=1,test=1")
    # Each becomes a file in the folder that the user named, and nowhere else.
    if unfit := [name for name in names if not name or name.startswith(".") or set(name) & set('/\\:*?"<>|\0')]:
        raise SettingsError(
            f"--ratios calls a part {unfit[0]!r}; each part becomes a file of its name, so that it must be a plain one",
            hint="give names such as train=8,dev=1,test=1, and the folder with --out",
        )
    return {name: value / sum(values) for name, value in zip(names, values, strict=True)}


def _groups(examples: Sequence[Example], near: bool | None) -> NDArray[np.int64]:
    """(B,) a number for each example, 0 … groups - 1 in the order of their first rows."""
    if not examples:
        return np.zeros(0, dtype=np.int64)
    together = find_duplicates([example.text for example in examples], near=near).together()
    links = []
    for keys in (together.tolist(), [example.group for example in examples]):
        first_row: dict[Hashable, int] = {}
        links += [(row, first_row.setdefault(key, row)) for row, key in enumerate(keys) if key is not None]
    numbers, first_rows, groups = np.unique(connected(len(examples), links), return_index=True, return_inverse=True)
    place = np.empty(len(numbers), dtype=np.int64)
    place[np.argsort(first_rows)] = np.arange(len(numbers))
    return place[groups]


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
        # Where some parts got more than they were owed, the others are owed more than there are rows.
        for _ in range(int(sizes.sum()) - len(rows)):
            sizes[np.argmin(np.where(sizes > 0, owed - sizes, np.inf))] -= 1
        owed -= sizes
        parts[rows] = np.repeat(np.arange(len(shares)), sizes)
    return parts


def _truth_of_groups(truth: "csr_array", groups: NDArray[np.int64], count: int) -> "csr_array":
    """(B, C) of rows and (B,) their groups -> (count, C), 1 where a row of the group has the label; sorted."""
    from scipy.sparse import csr_array

    rows = np.arange(len(groups))
    member = csr_array((np.ones(len(rows), dtype=np.int64), (groups, rows)), shape=(count, len(rows)))
    found = csr_array(member @ truth)
    found.data[:] = 1
    found.sort_indices()
    return found


def _iteratively(truth: "csr_array", shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    from scipy.sparse import csr_array, hstack

    # Rows without any label count as having one of their own, so that they are spread too.
    none = csr_array(np.diff(truth.indptr)[:, None] == 0, dtype=np.int64)
    table = csr_array(hstack([truth, none]))
    # Draws only break ties; the order of the rows decides the rest.
    order = np.random.default_rng(seed).permutation(table.shape[0])
    parts = np.empty(table.shape[0], dtype=np.int64)
    parts[order] = stratify(table[order], shares, np.random.RandomState(seed))
    return parts

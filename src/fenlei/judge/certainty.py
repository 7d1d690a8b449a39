"""How far a row is from having other labels, under rules: the least change of one margin that changes them.

A label's margin also lifts its ancestors, so labels whose margins come from one descendant never compete.

Shapes: B rows, C labels, D levels of parents above the deepest label and itself.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.metrics import Floats, Integers
from fenlei.judge.rules import Rules


def certainty(rules: Rules, margins: Floats) -> Floats:
    """(B, C) margins -> (B,) how much one of them would have to change for the labels of the row to change.

    Where exclusive groups overlap, or meet `at_most`, it may be less than that, never more.
    """
    contested, raised, lead = rules.contested(margins)
    given = rules.given(contested, raised)
    own = _in_the_running(rules, contested)
    row = _Rows(own, rules.raised(own), given, rules.at_most, _Tree.of(rules, margins.shape[1]))
    comes, goes = _least_to_come(row), _least_to_go(row)
    if rules.at_least_one:
        reached = (own >= 0).sum(axis=1)
        passed, passing = _alone(row)
        goes = np.where(reached <= 1, passed, goes)
        comes = np.where(reached == 0, passing, comes)
    return np.asarray(np.minimum(np.minimum(comes, goes), lead))


@dataclass(frozen=True, eq=False)
class _Tree:
    """What parents make of C labels.

    Attributes:
        path: (C, D) each label, its parent and so on; -1 above the root.
        families: of each label that has children, the columns of it and of all below it.
        alone: (C,) equal numbers for labels that give a row the same labels when each is the only one.
    """

    path: Integers
    families: dict[int, list[int]]
    alone: Integers

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, rules: Rules, labels: int) -> "_Tree":
        paths = [[label, *rules.ancestors(label)] for label in range(labels)]
        deepest = max(map(len, paths))
        given = [tuple(reversed(path))[: rules.at_most] for path in paths]
        number = {one: place for place, one in enumerate(dict.fromkeys(given))}
        return cls(
            np.array([path + [-1] * (deepest - len(path)) for path in paths]),
            {parent: [parent, *rules.descendants(parent)] for _, parent in rules.parents},
            np.array([number[one] for one in given]),
        )

    def below(self, label: Integers) -> NDArray[np.bool_]:
        """(B,) one label a row -> (B, C), true for it and all below it."""
        return np.asarray(np.any([level == label[:, None] for level in self.path.T], axis=0))

    def above(self, label: Integers) -> NDArray[np.bool_]:
        """(B,) one label a row -> (B, C), true for it and all above it."""
        found = np.zeros((len(label), len(self.path) + 1), dtype=bool)
        np.put_along_axis(found, self.path[label], values=True, axis=1)  # -1 is the column too many
        return found[:, :-1]


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows: (B, C) own margins, those lifted by what is below them, and which labels they get, `most` at most."""

    own: Floats
    raised: Floats
    given: NDArray[np.bool_]
    most: int | None
    tree: _Tree

    @cached_property
    def last_first(self) -> list[tuple[NDArray[np.int64], Integers]]:
        """The given labels from the lowest on: for each place the rows that have one there, and the labels there."""
        order = np.argsort(np.where(self.given, self.raised, np.inf), axis=1, kind="stable")[:, : self.most]
        counts = self.given.sum(axis=1)
        return [
            (rows, order[rows, place]) for place in range(order.shape[1]) if len(rows := np.flatnonzero(place < counts))
        ]

    def second(self) -> Floats:
        """(B, C) where a label would stand without the margin that lifts it."""
        second = np.full_like(self.own, -np.inf)
        for parent, family in self.tree.families.items():
            second[:, parent] = np.partition(self.own[:, family], -2, axis=1)[:, -2]
        return second


def _in_the_running(rules: Rules, contested: Floats) -> Floats:
    """(B, C) margins without those that only come in over another winner of their group, which its lead says."""
    own = contested.copy()
    for group in rules.exclusive:
        contenders = rules.raised(own)[:, list(group)]
        highest = contenders.max(axis=1)
        for column, contender in zip(group, contenders.T, strict=True):
            behind = np.flatnonzero((highest >= 0) & (contender < highest))
            own[np.ix_(behind, np.array([column, *rules.descendants(column)]))] = -np.inf
    return own


def _least_to_come(row: _Rows) -> Floats:
    """(B,) from a margin to where it brings a label in: 0, or over the lowest given one that it would not lift too."""
    bar = np.zeros_like(row.own)
    if row.most is not None:
        full = row.given.sum(axis=1) == row.most
        bar[full] = np.inf
        for rows, label in reversed(row.last_first):
            rows, label = rows[full[rows]], label[full[rows]]
            passed = np.maximum(row.raised[rows, label], 0)[:, None]
            bar[rows] = np.where(row.tree.below(label), bar[rows], passed)
    return np.asarray(np.where(row.given, np.inf, bar - row.own).min(axis=1))


def _least_to_go(row: _Rows) -> Floats:
    """(B,) from a margin to where it takes a label away: 0, or under the highest other one that would not fall too."""
    floor = np.zeros_like(row.own)
    if row.most is not None:
        for rows, label in row.last_first:
            source = np.where(row.tree.below(label), row.own[rows], -np.inf).argmax(axis=1)
            out = row.given[rows] | row.tree.above(source)
            floor[rows, label] = np.maximum(np.where(out, -np.inf, row.raised[rows]).max(axis=1), 0)
    return np.asarray(np.where(row.given & (row.second() < floor), row.raised - floor, np.inf).min(axis=1))


def _alone(row: _Rows) -> tuple[Floats, Floats]:
    """(B,) twice, where no margin or one is above 0 and there must be a label: how far the highest is above the next.

    The first for the highest to fall below it, the second for another to rise above the highest.
    """
    rows, first = np.arange(len(row.own)), row.own.argmax(axis=1)
    highest = row.own[rows, first]
    others = row.own.copy()
    others[rows, first] = -np.inf
    alike = row.tree.alone == row.tree.alone[first][:, None]
    passed = np.where(alike[rows, others.argmax(axis=1)], np.inf, highest - others.max(axis=1))
    return passed, highest - np.where(alike, -np.inf, others).max(axis=1)

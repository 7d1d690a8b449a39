"""Rules beyond thresholds: at least one, at most k, parents with their children, labels that exclude each other.

They work on margins: how far a label's score lies above its threshold, 0 where it just reaches it. A row without
conflict is not touched.

Shapes: B rows, C labels.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import SettingsError
from fenlei.judge.metrics import Floats
from fenlei.text.labels import nearest_told

# Between the names of a parent and its child: `财经/股票`, or PaddleNLP's `财经##股票`.
_LEVELS = re.compile("/|##")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which label sets are possible, whatever the scores.

    Attributes:
        at_least_one: a row without a label gets the one nearest to its threshold.
        at_most: so many labels a row at most, those furthest above their thresholds; parents count too.
        parents: (child, parent) columns: who has the child has the parent.
        exclusive: groups of columns of which a row has one at most, the one furthest above its threshold;
            the children of the others go with them.

    Raises:
        SettingsError: `at_most` below 1, a group of fewer than two, or of a label and its own parent; a label that
            is its own ancestor.
    """

    at_least_one: bool = False
    at_most: int | None = None
    parents: tuple[tuple[int, int], ...] = ()
    exclusive: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.at_most is not None and self.at_most < 1:
            raise SettingsError(f"at most {self.at_most} labels leaves none to give; 1 is the least")
        if any(label in self.ancestors(label) for label, _ in self.parents):
            raise SettingsError("a label cannot be its own ancestor")
        for group in self.exclusive:
            if len(group) < 2 or len(set(group)) < len(group):
                raise SettingsError("labels that exclude each other are at least two, and each stands once")
            if any(label in self.ancestors(other) for label in group for other in group):
                raise SettingsError(
                    "a label and its own parent cannot exclude each other: the child implies the parent"
                )

    def require_labels(self, count: int) -> None:
        """Check that the rules are about these columns.

        Raises:
            SettingsError: one lies outside 0 … count - 1.
        """
        named = [column for columns in (*self.parents, *self.exclusive) for column in columns]
        if outside := [column for column in named if not 0 <= column < count]:
            raise SettingsError(
                f"a rule is about the label of column {outside[0]}, and there are {count} labels, from 0"
            )

    @property
    def any(self) -> bool:
        """Whether there is a rule at all."""
        return self != NO_RULES

    def apply(self, margins: Floats) -> NDArray[np.bool_]:
        """(B, C) margins -> (B, C), true where the row gets the label."""
        own, with_parents, _ = self.contested(margins)
        return self.given(own, with_parents)

    def given(self, own: Floats, with_parents: Floats) -> NDArray[np.bool_]:
        """(B, C) margins as `contested` leaves them -> (B, C), true where the row gets the label."""
        chosen = with_parents >= 0
        if self.at_least_one:
            empty = np.flatnonzero(~chosen.any(axis=1))
            # The family of what an exclusive group took away is not brought back, as long as there is another.
            best = own[empty].argmax(axis=1)
            for row, label in zip(empty.tolist(), best.tolist(), strict=True):
                chosen[row, [label, *self.ancestors(label)]] = True
        if self.at_most is not None:
            crowded = np.flatnonzero(chosen.sum(axis=1) > self.at_most)
            # A parent is at least as far above as its child, and of equals the one nearer the root comes first.
            depth = np.array([len(self.ancestors(label)) for label in range(own.shape[1])])
            keys = np.where(chosen[crowded], with_parents[crowded], -np.inf)
            order = np.lexsort((np.broadcast_to(depth, keys.shape), -keys), axis=1)[:, : self.at_most]
            kept = np.zeros((len(crowded), own.shape[1]), dtype=bool)
            np.put_along_axis(kept, order, values=True, axis=1)
            chosen[crowded] = kept & chosen[crowded]
        return chosen

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "at_least_one": self.at_least_one,
            "at_most": self.at_most,
            "parents": [list(pair) for pair in self.parents],
            "exclusive": [list(group) for group in self.exclusive],
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Rules":
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError, SettingsError: it is not one.
        """
        rules = cls(
            at_least_one=bool(plain["at_least_one"]),
            at_most=None if plain["at_most"] is None else int(plain["at_most"]),
            parents=tuple((int(child), int(parent)) for child, parent in plain["parents"]),
            exclusive=tuple(tuple(map(int, group)) for group in plain["exclusive"]),
        )
        # "false" would be true, 1.9 one label, and a misspelt rule none.
        read, given = (json.dumps(one, sort_keys=True) for one in (rules.to_dict(), plain))
        if read != given:
            raise SettingsError(f"the rules {given} would be read as {read}")
        return rules

    def contested(self, margins: Floats) -> tuple[Floats, Floats, Floats]:
        """(B, C) margins -> (B, C) own ones, far below where an exclusive group takes the label; (B, C) raised ones.

        And (B,) the least lead of a winner over the next of its group; infinite where there is none.
        """
        own, lead = margins.copy(), np.full(len(margins), np.inf)
        with_parents = self.raised(own)
        for group in self.exclusive:
            columns = list(group)
            contenders = with_parents[:, columns]
            second, first = np.partition(contenders, -2, axis=1)[:, -2:].T
            apart = np.subtract(first, second, out=np.full_like(first, np.inf), where=first >= 0)
            lead = np.minimum(lead, apart)
            losers = contenders >= 0
            losers[np.arange(len(losers)), contenders.argmax(axis=1)] = False
            for place, column in enumerate(columns):
                family = [column, *self.descendants(column)]
                own[np.ix_(np.flatnonzero(losers[:, place]), np.array(family))] = -np.inf
            with_parents = self.raised(own)
        return own, with_parents, lead

    def raised(self, own: Floats) -> Floats:
        """Margins with each parent's lifted to its highest descendant's."""
        raised = own.copy()
        for child, parent in sorted(self.parents, key=lambda pair: -len(self.ancestors(pair[0]))):
            np.maximum(raised[:, parent], raised[:, child], out=raised[:, parent])
        return raised

    @cached_property
    def _parent_of(self) -> dict[int, int]:
        return dict(self.parents)

    def ancestors(self, label: int) -> list[int]:
        """From the label's parent to the root."""
        found: list[int] = []
        while label in self._parent_of and self._parent_of[label] not in found:
            label = self._parent_of[label]
            found.append(label)
        return found

    def descendants(self, label: int) -> list[int]:
        """All labels below it."""
        return [child for child, _ in self.parents if label in self.ancestors(child)]


NO_RULES = Rules()


def parents_by_name(labels: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """(child, parent) columns of names such as `A/B` or `A##B` whose `A` is a label too.

    `A/B/C` has `A/B` or else `A`.
    """
    column = {name: place for place, name in enumerate(labels)}
    pairs = []
    for child, name in enumerate(labels):
        above = [name[: sign.start()] for sign in _LEVELS.finditer(name)]
        parent = next((column[prefix] for prefix in reversed(above) if prefix in column), None)
        if parent is not None:
            pairs.append((child, parent))
    return tuple(pairs)


def exclusive_by_name(groups: Sequence[str], labels: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Columns of groups such as `A|B`, or `["A|1", "B"]` where a name holds `|`; the single group `none` is no group.

    Raises:
        SettingsError: a name is no label.
    """
    if list(groups) == ["none"]:
        return ()
    column = {name: place for place, name in enumerate(labels)}
    found = []
    for group in groups:
        names = _names_in(group)
        unknown = [name for name in names if name not in column]
        if unknown:
            near = nearest_told(unknown[0], labels, words="the nearest is")
            raise SettingsError(
                f"--exclusive {group!r}: {unknown[0]!r} is not a label{near}",
                hint="`fenlei decide BUNDLE --show` lists the labels",
            )
        found.append(tuple(column[name] for name in names))
    return tuple(found)


def _names_in(group: str) -> list[str]:
    try:
        listed = json.loads(group)
    except ValueError:
        listed = None
    if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
        return listed
    return [name.strip() for name in group.split("|")]

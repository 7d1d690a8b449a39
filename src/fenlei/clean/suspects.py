"""Labelled rows and evidence -> the ranked list of those that a person should look at.

Shapes: B rows, C labels.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

import numpy as np

from fenlei.clean.evidence import Evidence
from fenlei.counted import counted
from fenlei.judge.label_errors import find_label_errors
from fenlei.plain_table import aligned
from fenlei.text.duplicates import Duplicates, connected, find_duplicates
from fenlei.text.example import Example, readable_text

Kind = Literal["same_text", "wrong_label", "missing_label", "similar_text"]

_SHOWN = 20
_SHOWN_CHARACTERS = 30

# Of thousands of copies of one text each would name all the others.
_MOST_OTHERS = 20


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A row to look at.

    Attributes:
        rank: from 1.
        id: of the example.
        text: of the example, for people.
        kinds: why it is here.
        labels: as given.
        wrong: those of them that are suspected.
        suggested: labels that it may lack.
        score: in [0, 1], the lower the more suspect; None: its labels were not judged.
        others: id and labels of the first rows with the same or nearly the same text and other labels.
    """

    rank: int
    id: str
    text: str
    kinds: tuple[Kind, ...]
    labels: tuple[str, ...]
    wrong: tuple[str, ...]
    suggested: tuple[str, ...]
    score: float | None
    others: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        suspects: the list, worst first; possibly cut.
        found: how many there were before.
        rows: how many were looked at.
        kinds: rows of each kind, before the cut.
        seen: rows that made the scoring model and were compared by text only.
        unlearned: rows with a label of which the other folds had no row: that label was not judged.
        near: whether near duplicates were searched.
        source: where the scores come from.
        labels: all names.
    """

    suspects: tuple[Suspect, ...]
    found: int
    rows: int
    kinds: dict[Kind, int]
    seen: int
    unlearned: int
    near: bool
    source: str
    labels: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON, without the list."""
        return {
            "rows": self.rows,
            "found": self.found,
            "listed": len(self.suspects),
            "kinds": self.kinds,
            "scores": self.source,
            "rows_seen_by_the_model": self.seen,
            "rows_with_an_unlearned_label": self.unlearned,
            "near_duplicates_searched": self.near,
            "exchanges": [list(one) for one in self.exchanges()],
        }

    def exchanges(self) -> list[tuple[str, str, int]]:
        """The recurring label pairs (suspected, suggested in its place), most frequent first, with their rows."""
        counts = Counter((wrong, right) for one in self.suspects for wrong in one.wrong for right in one.suggested)
        return [(wrong, right, rows) for (wrong, right), rows in counts.most_common(_SHOWN) if rows > 1]

    def to_text(self) -> str:
        """The first rows of the list, and the counts, for a terminal."""
        head = ["rank", "id", "kind", "labels", "suspected", "suggested", "score", "text"]
        table = [
            [
                str(one.rank),
                one.id,
                "+".join(one.kinds),
                "|".join(one.labels),
                "|".join(one.wrong),
                "|".join(one.suggested),
                "" if one.score is None else f"{one.score:.4f}",
                " ".join(one.text.split())[:_SHOWN_CHARACTERS],
            ]
            for one in self.suspects[:_SHOWN]
        ]
        lines = [*aligned([head, *table], left=True), ""] if table else []
        kinds = ", ".join(f"{kind} {rows:,}" for kind, rows in self.kinds.items() if rows)
        lines.append(f"{self.found:,} of {self.rows:,} rows are suspects{f' ({kinds})' if kinds else ''}")
        lines.append(f"scores by {self.source}")
        if self.seen:
            lines.append(
                f"{counted(self.seen, 'row', 'rows')} made the classifier: it cannot judge them; "
                "only their texts were compared"
            )
        if self.unlearned:
            lines.append(
                f"{counted(self.unlearned, 'row has', 'rows have')} a label that no row of another fold has: "
                "it was not judged"
            )
        if not self.near:
            lines.append("near duplicates were not searched")
        return "\n".join(lines) + "\n"


def find_suspects(
    examples: Sequence[Example],
    evidence: Evidence,
    *,
    near: bool | None = None,
    most: int | None = None,
) -> Findings:
    """The rows whose labels may be wrong.

    First those whose text stands elsewhere with other labels: one of them is wrong for certain. Then those that the
    scores contradict, worst first. Then near duplicates with other labels, of which both may well be right.

    Args:
        examples: B labelled rows.
        evidence: their scores.
        near: whether to look for near duplicates; None: among up to 200,000 rows.
        most: how many rows the list has at most; None: all that were found.

    Raises:
        DataError: a label is not among those of the evidence.
        SettingsError: cleanlab is not installed.
    """
    labels, given = evidence.labels, evidence.labels.encode(examples, evidence.task) != 0
    errors = find_label_errors(given, evidence.scores, evidence.known, evidence.task)
    duplicates = find_duplicates([example.text for example in examples], near=near)
    same, similar = _disagreements(examples, duplicates)
    scored = errors.suspects().tolist()
    tiers: list[list[int]] = [
        _by_cluster(same, errors.quality),
        [row for row in scored if row not in same],
        _by_cluster({row: others for row, others in similar.items() if row not in same}, errors.quality),
    ]
    order = list(dict.fromkeys(row for tier in tiers for row in tier))
    suspects, kinds = [], dict.fromkeys(get_args(Kind), 0)
    for rank, row in enumerate(order, 1):
        wrong, missing = errors.wrong[row], errors.missing[row]
        # A class that is taken for another is one error, and the other a suggestion.
        lacks = missing.any() and not (evidence.task == "multiclass" and wrong.any())
        reasons = (row in same, bool(wrong.any()), bool(lacks), row in similar)
        why = tuple(kind for kind, holds in zip(get_args(Kind), reasons, strict=True) if holds)
        for kind in why:
            kinds[kind] += 1
        suspects.append(
            Suspect(
                rank=rank,
                id=examples[row].id,
                text=readable_text(examples[row].text),
                kinds=why,
                labels=examples[row].labels or (),
                wrong=tuple(labels.names[label] for label in np.flatnonzero(wrong)),
                suggested=tuple(labels.names[label] for label in np.flatnonzero(missing)),
                score=None if np.isnan(errors.quality[row]) else float(errors.quality[row]),
                others=tuple(
                    (examples[other].id, examples[other].labels or ())
                    for other in (*same.get(row, ()), *similar.get(row, ()))
                ),
            )
        )
    return Findings(
        suspects=tuple(suspects[:most]),
        found=len(suspects),
        rows=len(examples),
        kinds=kinds,
        seen=int(evidence.seen.sum()),
        unlearned=int(((given & ~evidence.known).any(axis=1) & ~evidence.seen).sum()),
        near=duplicates.searched,
        source=evidence.source,
        labels=labels.names,
    )


def _disagreements(
    examples: Sequence[Example], duplicates: Duplicates
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Row -> the first rows of the same text, and of nearly the same, that have other labels.

    Clusters so large that they must be a template are no near duplicates.
    """
    given = [frozenset(example.labels or ()) for example in examples]
    copies: dict[int, list[int]] = defaultdict(list)
    for row, first in enumerate(duplicates.exact.tolist()):
        copies[first].append(row)
    same: dict[int, list[int]] = {}
    for rows in copies.values():
        same |= {row: others for row, others in _unlike(rows, rows, given).items() if others}
    giant = {int(row) for rows in duplicates.giants() for row in rows}
    similar: dict[int, list[int]] = defaultdict(list)
    for one, other, _ in duplicates.pairs:
        if one in giant:
            continue
        for rows, beside in ((copies[one], copies[other]), (copies[other], copies[one])):
            for row, others in _unlike(rows, beside, given).items():
                if others:
                    similar[row] += others[: _MOST_OTHERS - len(similar[row])]
    return same, dict(similar)


def _unlike(rows: Sequence[int], beside: Sequence[int], given: Sequence[frozenset[str]]) -> dict[int, list[int]]:
    """For each of the rows the first of those beside it that have other labels; rows of equal labels share a list."""
    of_labels = {
        labels: list(islice((other for other in beside if given[other] != labels), _MOST_OTHERS))
        for labels in {given[row] for row in rows}
    }
    return {row: of_labels[given[row]] for row in rows}


def _by_cluster(others: dict[int, list[int]], quality: Any) -> list[int]:
    """The rows, those that disagree with each other side by side, the worst cluster first."""
    if not others:
        return []
    rows = sorted({*others, *(row for found in others.values() for row in found)})
    place = {row: number for number, row in enumerate(rows)}
    links = [(place[row], place[other]) for row, found in others.items() for other in found]
    cluster = dict(zip(rows, connected(len(rows), links).tolist(), strict=True))
    worst: dict[int, float] = {}
    for row in others:
        found = float(np.nan_to_num(quality[row], nan=1.0))
        worst[cluster[row]] = min(found, worst.get(cluster[row], 1.0))
    return sorted(others, key=lambda row: (worst[cluster[row]], cluster[row], row))

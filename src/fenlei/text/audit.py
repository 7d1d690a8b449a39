"""Examples -> what is in them and what may be wrong, before any training.

Shapes: B rows, C labels.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fenlei.counted import counted
from fenlei.text.cells import SEPARATORS, pieces_of
from fenlei.text.duplicates import SEARCHED, Duplicates, find_duplicates
from fenlei.text.example import Example
from fenlei.text.labels import Task, settle_task, without_spelling
from fenlei.text.leaks import find_leaks
from fenlei.text.normalize import invisible_characters
from fenlei.text.tokens import TextEncoder

RARE = 5
"""With fewer rows a label is hardly learned, and its score in a test part says nothing."""

# What else people put between labels; none of them is taken for a separator unless it is named.
_UNUSUAL_SEPARATORS = ("/", "+", "&", " ")

_SPLITTABLE = 3  # one row for each of train, dev and test
_BLANK_OF = 10  # fewer than one row of so many was left blank by mistake
_SHOWN_ROWS = 20
_SHOWN_PAIRS = 20

Severity = Literal["problem", "remark"]


@dataclass(frozen=True)
class Finding:
    """One kind of thing that was found.

    Attributes:
        kind: its name for programs, e.g. `exact_duplicates`.
        severity: a `problem` makes scores wrong or labels unlearnable; a `remark` is good to know.
        count: how many rows, labels or clusters.
        message: for people.
        rows: the ids of the first rows concerned, with their file where there are several.
    """

    kind: str
    severity: Severity
    count: int
    message: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lengths:
    """Quantiles of the texts' lengths."""

    median: int
    p90: int
    p99: int
    longest: int

    @classmethod
    def of(cls, lengths: NDArray[Any]) -> "Lengths":
        """The quantiles of (B,) lengths."""
        median, p90, p99 = np.quantile(lengths, [0.5, 0.9, 0.99], method="higher")
        return cls(int(median), int(p90), int(p99), int(lengths.max()))


@dataclass(frozen=True)
class Audit:
    """What is in labelled files.

    Attributes:
        rows: file -> rows.
        task: as training would settle it.
        labels: label -> file -> rows, most frequent first.
        pairs: the label pairs that occur together most often, with their rows.
        labels_a_row: number of labels -> rows.
        characters, tokens: lengths; tokens with their special ones, None without an encoder.
        texts_cut, tokens_cut: shares that the length limit cuts; None without an encoder.
        findings: problems first.
    """

    rows: dict[str, int]
    task: Task
    labels: dict[str, dict[str, int]]
    pairs: tuple[tuple[str, str, int], ...]
    labels_a_row: dict[int, int]
    characters: Lengths
    tokens: Lengths | None
    texts_cut: float | None
    tokens_cut: float | None
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def audit_examples(
    parts: Mapping[str, Sequence[Example]],
    *,
    task: Task | None = None,
    text_encoder: TextEncoder | None = None,
    near: bool | None = None,
    more: Sequence[Finding] = (),
) -> Audit:
    """Look at labelled examples.

    Args:
        parts: file or part -> its examples, at least one in all.
        task: None: settled from the examples.
        text_encoder: tells lengths in tokens and what truncation cuts.
        near: whether near duplicates are searched; None: among up to 200,000 rows in all.
        more: findings from elsewhere, such as the reading and the encoder's vocabulary.
    """
    examples = [example for part in parts.values() for example in part]
    texts = [example.text for example in examples]
    names = _row_names(parts)
    table = text_encoder.encode(texts) if text_encoder else None
    label_rows: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(parts, 0))
    for part, rows in parts.items():
        for example in rows:
            for label in example.labels or ():
                label_rows[label][part] += 1
    labels = dict(sorted(label_rows.items(), key=lambda item: (-sum(item[1].values()), item[0])))
    together = Counter(pair for example in examples for pair in combinations(sorted(example.labels or ()), 2))
    duplicates = find_duplicates(texts, near=near)
    findings = [
        *more,
        *_findings_of_texts(examples, names, duplicates),
        *_findings_of_labels(labels, list(parts)),
        *_findings_of_joined_labels(labels, task),
        *_findings_of_blank_labels(examples, names, task),
        *_findings_of_leaks(parts, duplicates),
    ]
    if not duplicates.searched and near is None:
        message = f"more than {SEARCHED:,} rows: near duplicates were not searched; --near does it, in minutes"
        findings.append(Finding("near_not_searched", "remark", len(texts), message))
    return Audit(
        rows={part: len(rows) for part, rows in parts.items()},
        task=task or settle_task(examples),
        labels=labels,
        pairs=tuple((one, other, count) for (one, other), count in together.most_common(_SHOWN_PAIRS)),
        labels_a_row=dict(sorted(Counter(len(example.labels or ()) for example in examples).items())),
        characters=Lengths.of(np.array([len(text) for text in texts])),
        tokens=Lengths.of(table.full_lengths) if table else None,
        texts_cut=table.share_of_texts_cut() if table else None,
        tokens_cut=table.share_of_tokens_cut() if table else None,
        findings=tuple(sorted(findings, key=lambda finding: finding.severity != "problem")),
    )


def _row_names(parts: Mapping[str, Sequence[Example]]) -> list[str]:
    several = len(parts) > 1
    return [f"{part} row {row.id}" if several else row.id for part, rows in parts.items() for row in rows]


def _findings_of_texts(examples: Sequence[Example], names: Sequence[str], duplicates: Duplicates) -> list[Finding]:
    findings = []
    clusters: dict[int, list[int]] = defaultdict(list)
    for row, first in enumerate(duplicates.exact.tolist()):
        clusters[first].append(row)
    copies = [row for rows in clusters.values() for row in rows[1:]]
    if copies:
        repeated = counted(len(copies), "row repeats", "rows repeat")
        message = f"{repeated} the text of an earlier row (but for width, case and white space)"
        findings.append(Finding("exact_duplicates", "remark", len(copies), message, _shown(names, copies)))
    quarrels = [rows for rows in clusters.values() if len({frozenset(examples[row].labels or ()) for row in rows}) > 1]
    if quarrels:
        rows = [row for cluster in quarrels for row in cluster]
        message = f"{counted(len(quarrels), 'text stands', 'texts stand')} more than once, with different labels"
        findings.append(Finding("contradicting_labels", "problem", len(quarrels), message, _shown(names, rows)))
    giants = duplicates.giants()
    for giant in giants:
        message = (
            f"{len(giant):,} rows are near duplicates of each other, like a filled-in form; a split does not keep "
            f"them together: {examples[int(giant[0])].text[:40]!r}"
        )
        findings.append(Finding("giant_cluster", "remark", len(giant), message, _shown(names, giant.tolist())))
    in_giants = {int(row) for giant in giants for row in giant}
    near = [row for row, _, _ in duplicates.pairs if row not in in_giants]
    if near:
        alike = counted(len(set(near)), "row is a near duplicate", "rows are near duplicates")
        message = f"{alike} of an earlier row; a split keeps them on one side"
        findings.append(Finding("near_duplicates", "remark", len(set(near)), message, _shown(names, sorted(set(near)))))
    return findings + _findings_of_characters(examples, names)


def _findings_of_characters(examples: Sequence[Example], names: Sequence[str]) -> list[Finding]:
    findings = []
    invisible = {row: signs for row, example in enumerate(examples) if (signs := invisible_characters(example.text))}
    if invisible:
        common = Counter(sign for signs in invisible.values() for sign in signs).most_common(3)
        shown = ", ".join(f"U+{ord(sign):04X} ({count:,})" for sign, count in common)
        holding = counted(len(invisible), "text holds", "texts hold")
        message = f"{holding} invisible characters, such as {shown}; --normalize clean drops them"
        findings.append(Finding("invisible_characters", "remark", len(invisible), message, _shown(names, invisible)))
    lost = [row for row, example in enumerate(examples) if "\ufffd" in example.text]
    if lost:
        holding = counted(len(lost), "text holds", "texts hold")
        message = f"{holding} U+FFFD, the trace of a wrong encoding at some earlier time"
        findings.append(Finding("replacement_characters", "problem", len(lost), message, _shown(names, lost)))
    return findings


def _findings_of_labels(labels: Mapping[str, Mapping[str, int]], parts: Sequence[str]) -> list[Finding]:
    findings = []
    total = {label: sum(rows.values()) for label, rows in labels.items()}
    if len(labels) < 2:
        what = f"all labels are {next(iter(labels))!r}" if labels else "no row has a label"
        message = f"{what}: there is nothing to learn, `train` needs at least 2; check the label column and separator"
        findings.append(Finding("too_few_labels", "problem", len(labels), message))
    rare = [label for label, rows in total.items() if rows < RARE]
    if rare:
        shown = ", ".join(f"{label} ({total[label]})" for label in rare[:10]) + (", …" if len(rare) > 10 else "")
        few = sum(total[label] < _SPLITTABLE for label in rare)
        having = counted(len(rare), "label has", "labels have")
        message = f"{having} fewer than {RARE} rows, {few:,} too few for train, dev and test: {shown}"
        findings.append(Finding("rare_labels", "problem", len(rare), message))
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        spellings[without_spelling(label)].append(label)
    for variants in spellings.values():
        if len(variants) > 1:
            shown = ", ".join(f"{label!r} ({total[label]:,})" for label in variants)
            message = f"labels that differ only in width, case or white space: {shown}"
            findings.append(Finding("label_spellings", "problem", len(variants), message))
    for part in parts[1:]:
        unknown = [label for label, rows in labels.items() if rows[part] and not rows[parts[0]]]
        if unknown:
            message = (
                f"{counted(len(unknown), 'label', 'labels')} of {part} "
                f"{'does' if len(unknown) == 1 else 'do'} not occur in {parts[0]}: {', '.join(unknown[:10])}"
            )
            findings.append(Finding("labels_not_in_first_file", "problem", len(unknown), message))
    return findings


def _findings_of_joined_labels(labels: Mapping[str, Mapping[str, int]], task: Task | None) -> list[Finding]:
    """Names made of other labels: some rows are written with another separator than the rest."""
    if task == "multiclass":
        return []
    joined = {
        label: separator
        for label in labels
        for separator in (*SEPARATORS, *_UNUSUAL_SEPARATORS)
        if len(pieces := pieces_of(label, (separator,))) > 1 and all(piece in labels for piece in pieces)
    }
    if not joined:
        return []
    shown = ", ".join(f"{label!r} ({sum(labels[label].values()):,})" for label in list(joined)[:10])
    signs = " or ".join(map(repr, dict.fromkeys(joined.values())))
    message = (
        f"{counted(len(joined), 'label looks', 'labels look')} like several others joined by {signs}: {shown}; "
        "write all rows with one separator (--label-separator names one that is not found), or say --task multiclass "
        "if they are labels of their own"
    )
    return [Finding("joined_labels", "problem", len(joined), message)]


def _findings_of_blank_labels(examples: Sequence[Example], names: Sequence[str], task: Task | None) -> list[Finding]:
    """Few rows without a label where all others have one: more likely forgotten than a table of several labels."""
    blank = [row for row, example in enumerate(examples) if not example.labels]
    most = max((len(example.labels or ()) for example in examples), default=0)
    if task or most != 1 or not 0 < len(blank) * _BLANK_OF < len(examples):
        return []
    message = (
        f"{counted(len(blank), 'row has', 'rows have')} no label and every other row has exactly one, so this is a "
        "multi-label table; fill them in or delete them, or say --task multilabel if none of the labels fits them"
    )
    return [Finding("blank_labels", "problem", len(blank), message, _shown(names, blank))]


def _findings_of_leaks(parts: Mapping[str, Sequence[Example]], duplicates: Duplicates) -> list[Finding]:
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for leak in find_leaks(parts, duplicates=duplicates):
        found[leak.part, leak.other_part].append(leak)
    findings = []
    for (part, other), leaks in found.items():
        exact = sum(leak.exact for leak in leaks)
        standing = f"row of {part} stands", f"rows of {part} stand"
        message = f"{counted(len(leaks), *standing)} in {other} too, {exact:,} of them exactly"
        rows = tuple(f"{leak.row} = {leak.other_row}" for leak in leaks[:_SHOWN_ROWS])
        findings.append(Finding("shared_texts", "problem", len(leaks), message, rows))
    return findings


def _shown(names: Sequence[str], rows: Any) -> tuple[str, ...]:
    return tuple(names[row] for row in list(rows)[:_SHOWN_ROWS])

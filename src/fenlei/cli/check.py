"""`fenlei check`: labelled files -> what is in them and what may be wrong, before any training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fenlei.cli import options
from fenlei.cli.flags import with_flags
from fenlei.counted import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fenlei.text.audit import Audit, Finding
    from fenlei.text.read import Table
    from fenlei.text.tokens import TextEncoder, TextSettings


_SHOWN_LABELS = 100


@with_flags(reading=(options.ENCODING, options.TEXT_COLUMN, *options.LABELS, *options.ROWS))
def check(
    data: Annotated[
        list[str], typer.Argument(help="Labelled files, patterns, or folders of classes; each is looked at as a part.")
    ],
    encoder: Annotated[
        str, typer.Option(help="Counts tokens and unknown characters with this encoder's tokenizer; none: neither.")
    ] = "starter",
    max_tokens: Annotated[int, typer.Option(help="The length limit that you mean to train with.")] = 300,
    normalize: Annotated[str, typer.Option(help="The form that you mean to train with: none, clean or nfkc.")] = "none",
    near: Annotated[
        bool | None,
        typer.Option("--near/--no-near", help="Search near duplicates; by default among up to 200,000 rows."),
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(help="Write the rows without what a program can mend; beside it a log of each change."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    task: Annotated[
        str | None, typer.Option(help="multilabel or multiclass; settled from the data if not given.")
    ] = None,
    *,
    reading: dict[str, Any],
) -> None:
    """Look at labelled files before training.

    Counts, lengths, duplicates, contradictions, rare labels, odd characters, and texts shared between files.
    Rows that cannot be used are listed, not fatal.
    """
    from rich.console import Console

    from fenlei.cli.reading import json_text, print_data, read_files, say
    from fenlei.csv_text import write_csv
    from fenlei.errors import DataError, SettingsError
    from fenlei.text.audit import audit_examples
    from fenlei.text.labels import known_task
    from fenlei.text.reader import ReadOptions
    from fenlei.text.repair import changes_csv, repair
    from fenlei.text.tokens import TextSettings
    from fenlei.text.write import write_examples

    log = fix.with_name(f"{fix.stem}.changes.csv") if fix else None
    for file in (fix, log):
        # Which is also how the data are never written over.
        if file and file.exists():
            raise DataError(f"{file} exists", hint="name another --fix")
    console = Console(stderr=True)
    settled = known_task(task)
    text_settings = TextSettings(max_tokens=max_tokens, normalize=normalize)  # type: ignore[arg-type]
    read_options = ReadOptions(**reading, on_bad_row="skip")
    tables = read_files(data, read_options, console, task=settled)
    if fix and len(tables) > 1:
        raise SettingsError(f"--fix mends one file at a time, and {len(tables)} are given")
    text_encoder, findings = _look_of_encoder(tables, encoder, text_settings)
    audit = audit_examples(
        {name: table.examples for name, table in tables.items()},
        task=settled,
        text_encoder=text_encoder,
        near=near,
        more=[*_findings_of_reading(tables), *findings],
    )
    if as_json:
        print_data(json_text(audit.to_dict()))
    else:
        print(audit_text(audit))
    if fix and log:
        [table] = tables.values()
        rows, changes = repair(table)
        write_examples(fix, rows)
        write_csv(log, changes_csv(changes))
        left = sum(change.is_left for change in changes)
        done = counted(len(changes) - left, "change", "changes")
        say(console, f"fixed      {fix}: {len(rows):,} rows; {done}, {left:,} left for a person; all listed in {log}")


def _findings_of_reading(tables: "dict[str, Table]") -> "Iterator[Finding]":
    from collections import Counter

    from fenlei.text.audit import Finding

    bad = [row for table in tables.values() for row in table.skipped]
    if bad:
        shown = tuple(f"{row.file}, line {row.line}: {row.reason}" for row in bad[:20])
        yield Finding("bad_rows", "problem", len(bad), f"{len(bad):,} rows cannot be used; the first: {bad[0]}", shown)
    words = sum((Counter(dict(table.words_for_none)) for table in tables.values()), Counter[str]())
    if words:
        named = ", ".join(f"{word} ({rows:,})" for word, rows in words.most_common())
        message = (
            f"{words.total():,} cells say {named}, which is read as no label; if a class is called so, name "
            "--task multiclass, or write the labels as JSON lists"
        )
        # Where every other row has exactly one label, the word is hardly anything but a class.
        counts = [len(row.labels or ()) for table in tables.values() for row in table.examples]
        is_class = counts.count(1) + words.total() == len(counts)
        yield Finding("words_for_none", "problem" if is_class else "remark", words.total(), message)


def _look_of_encoder(
    tables: "dict[str, Table]", encoder: str, settings: "TextSettings"
) -> "tuple[TextEncoder | None, list[Finding]]":
    """The encoder's tokenizer, and what of the texts its vocabulary does not know."""
    if encoder == "none":
        return None, []
    from fenlei.encoders.catalog import open_encoder
    from fenlei.encoders.coverage import measure_coverage
    from fenlei.encoders.tokenizer import load_tokenizer
    from fenlei.text.audit import Finding
    from fenlei.text.normalize import normalize
    from fenlei.text.tokens import TextEncoder

    tokenizer = load_tokenizer(open_encoder(encoder).folder)
    texts = [normalize(example.text, settings.normalize) for table in tables.values() for example in table.examples]
    coverage = measure_coverage(tokenizer, texts)
    findings = []
    if coverage.unknown:
        shown = ", ".join(f"{text!r} ({count:,})" for text, count in coverage.examples)
        message = (
            f"{coverage.unknown_share:.2%} of the characters are unknown to the encoder {encoder}, such as {shown}"
        )
        severity = "problem" if coverage.warning() else "remark"
        findings.append(Finding("unknown_characters", severity, coverage.unknown, message))  # type: ignore[arg-type]
    return TextEncoder(tokenizer.tokenizer, settings), findings


def audit_text(audit: "Audit") -> str:
    """The audit as tables for a terminal."""
    from fenlei.plain_table import aligned

    total = sum(audit.rows.values())
    blocks = [aligned([["file", "rows"], *([name, f"{rows:,}"] for name, rows in audit.rows.items())], left=True)]
    head = ["label", "rows", "share", *(list(audit.rows) if len(audit.rows) > 1 else [])]
    lines = []
    for label, rows in list(audit.labels.items())[:_SHOWN_LABELS]:
        count = sum(rows.values())
        each = [f"{number:,}" for number in rows.values()] if len(rows) > 1 else []
        lines.append([label, f"{count:,}", f"{count / total:.1%}", *each])
    blocks.append(aligned([head, *lines]))
    if len(audit.labels) > _SHOWN_LABELS:
        blocks[-1].append(f"and {len(audit.labels) - _SHOWN_LABELS:,} rarer labels, all with --json")
    numbers = ", ".join(f"{number}: {rows:,}" for number, rows in audit.labels_a_row.items())
    facts = [["task", audit.task], ["labels a row: rows", numbers]]
    if audit.pairs:
        pairs = ", ".join(f"{one} + {other} {rows:,}" for one, other, rows in audit.pairs[:8])
        facts.append(["most often together", pairs])
    for unit, lengths in (("characters", audit.characters), ("tokens", audit.tokens)):
        if lengths:
            shown = f"median {lengths.median:,}, 90% {lengths.p90:,}, 99% {lengths.p99:,}, longest {lengths.longest:,}"
            facts.append([unit, shown])
    if audit.texts_cut is not None:
        facts.append(["cut by the limit", f"{audit.texts_cut:.1%} of the texts, {audit.tokens_cut:.1%} of the tokens"])
    blocks.append(aligned(facts, left=True))
    findings = []
    for finding in audit.findings:
        findings.append(f"{finding.severity:<8} {finding.message}")
        if finding.rows:
            more = " …" if finding.count > len(finding.rows) else ""
            findings.append(f"         {'; '.join(finding.rows[:6])}{' …' if len(finding.rows) > 6 else more}")
    blocks.append(findings or ["nothing to mend was found"])
    return "\n\n".join("\n".join(block) for block in blocks)

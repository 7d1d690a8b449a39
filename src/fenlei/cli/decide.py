"""`fenlei decide`: show the rule from scores to labels, or change it without training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fenlei.cli import options
from fenlei.cli.flags import with_flags
from fenlei.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from fenlei.decided import Decided
    from fenlei.judge.fitting import DecisionPlan
    from fenlei.judge.rules import Rules
    from fenlei.predict.classifier import Classifier


@with_flags(reading=[one for one in options.READING if one not in options.ROWS], where=options.RUNTIME)
def decide(
    bundle: Annotated[Path, typer.Argument(help="Folder that `fenlei train` wrote.")],
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="Labelled rows to fit on; by default the held-out rows that the bundle keeps."),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            "--for", help="micro-f1, macro-f1, samples-f1, precision=P or recall=P (P is kept, on those rows)."
        ),
    ] = None,
    thresholds: Annotated[
        str | None,
        typer.Option(
            help="fixed (0.5), global, label (one a label) or shrunk (one a label, near the global one where rows are "
            "few); auto, the default: shrunk for macro-f1, otherwise global."
        ),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(help="none, temperature or platt (one line a label; multilabel only).")
    ] = None,
    needs_person: Annotated[
        float | None, typer.Option(help="Share of rows, the least certain ones, that a person should look at.")
    ] = None,
    blend: Annotated[
        bool | None,
        typer.Option(
            "--blend/--no-blend", help="Mix the linear baseline's scores in, by shares that held-out rows settle."
        ),
    ] = None,
    at_least_one: Annotated[
        bool | None,
        typer.Option("--at-least-one/--no-at-least-one", help="A text without a label gets the nearest one."),
    ] = None,
    at_most: Annotated[int | None, typer.Option(help="Most labels of a text; 0: any number.", min=0)] = None,
    parents: Annotated[
        bool | None, typer.Option("--parents/--no-parents", help="Who has the label A/B has the label A too.")
    ] = None,
    exclusive: Annotated[
        list[str] | None,
        typer.Option(
            help="Labels of which a text has one at most, as 'A|B' or a JSON list; once a group; 'none' lifts all."
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only print the rule.")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Bring back the rule before the last change.")] = False,
    *,
    reading: dict[str, Any],
    where: dict[str, Any],
) -> None:
    """Fit the decision again, for another goal or with other rules, and print it.

    Nothing is trained; what is not named stays as it was. The old decision is kept: --restore brings it back. Without
    rows the encoder computes nothing either, and --device, --precision and --threads have nothing to say.
    """
    from rich.console import Console

    from fenlei.cli.reading import say
    from fenlei.decided import Decided

    named = (goal, thresholds, calibration, needs_person, blend, at_least_one, at_most, parents, exclusive)
    changes = bool(data) or any(option is not None for option in named)
    if (show or restore) and (changes or (show and restore)):
        raise SettingsError("--show and --restore each stand alone", hint="leave out the other options")
    if not data and (idle := [name for name, value in reading.items() if value not in (False, "error")]):
        flag = idle[0].replace("_", "-")
        raise SettingsError(f"--{flag} says how rows are read, and none are given", hint="give labelled rows too")
    console = Console(stderr=True)
    # Without rows nothing is computed by the network, which takes longer to load than all the rest.
    classifier = _loaded(bundle, where) if data else None
    decided = classifier.decided if classifier else Decided.read(bundle)
    if restore:
        decided = decided.restored()
    elif changes:
        plan = _changed_plan(decided, goal, thresholds, calibration, needs_person, blend)
        rules = _changed_rules(decided, at_least_one, at_most, parents, exclusive)
        if classifier and data:
            decided = _fitted_on(data, classifier, plan, rules, reading, console)
        else:
            decided = decided.refitted(plan, rules)
    if restore or changes:
        decided.write_decision(bundle)
        say(console, f"decided    {bundle}; `fenlei decide {bundle} --restore` brings back the decision before")
    print(describe(decided), end="")


def _loaded(bundle: Path, where: dict[str, Any]) -> "Classifier":
    from fenlei.predict.classifier import Classifier

    return Classifier.load(bundle, **where)


def _fitted_on(
    data: list[Path],
    classifier: "Classifier",
    plan: "DecisionPlan",
    rules: "Rules",
    reading: dict[str, Any],
    console: "Console",
) -> "Decided":
    """The decision fitted on given rows, which the classifier scores first."""
    from fenlei.cli.reading import options_like_training, read_labelled
    from fenlei.journal import Journal

    read_options = options_like_training(classifier, **reading)
    rows = read_labelled(data, read_options, console, task=classifier.task, known=classifier.labels)
    source = ", ".join(path.name for path in data)
    with Journal(console=console) as journal:
        journal.begin("score", len(rows))
        refitted = classifier.refit_decision(plan, rules=rules, examples=rows, source=source, advance=journal.advance)
        journal.end()
    return refitted.decided


def _changed_plan(
    decided: "Decided",
    goal: str | None,
    thresholds: str | None,
    calibration: str | None,
    needs_person: float | None,
    blend: bool | None,
) -> "DecisionPlan":
    from dataclasses import replace

    from fenlei.judge.calibration import known_method
    from fenlei.judge.thresholds import Goal, known_scope

    if decided.task == "multiclass" and (goal or thresholds):
        raise SettingsError(
            "a multiclass decision takes the highest score: it has no thresholds to fit",
            hint="leave out --for and --thresholds",
        )
    plan = decided.decision.plan
    if goal is not None:
        plan = replace(plan, goal=Goal.parse(goal))
    if thresholds is not None:
        plan = replace(plan, scope=None if thresholds == "auto" else known_scope(thresholds))
    if goal is not None and plan.scope == "fixed":
        raise SettingsError(
            f"--for {goal}: the thresholds are fixed at 0.5, whatever the goal",
            hint="--thresholds auto lets them follow it",
        )
    if calibration is not None:
        plan = replace(plan, method=known_method(calibration, decided.task))
    if blend is not None:
        plan = replace(plan, blend=blend)
    return plan if needs_person is None else replace(plan, person_share=needs_person)


def _changed_rules(
    decided: "Decided",
    at_least_one: bool | None,
    at_most: int | None,
    parents: bool | None,
    exclusive: "Sequence[str] | None",
) -> "Rules":
    from fenlei.judge.rules import Rules, exclusive_by_name, parents_by_name

    rules, labels = decided.decision.decision.rules, decided.labels.names
    if decided.task == "multiclass" and any(
        option is not None for option in (at_least_one, at_most, parents, exclusive)
    ):
        raise SettingsError(
            "a multiclass decision gives exactly one label: --at-least-one, --at-most, --parents and --exclusive say "
            "nothing to it"
        )
    pairs = rules.parents if parents is None else parents_by_name(labels) if parents else ()
    if parents and not pairs:
        raise SettingsError(
            "--parents: no label is the parent of another", hint="names such as 'A/B' beside 'A' make parents"
        )
    return Rules(
        at_least_one=rules.at_least_one if at_least_one is None else at_least_one,
        at_most=rules.at_most if at_most is None else at_most or None,
        parents=pairs,
        exclusive=rules.exclusive if exclusive is None else exclusive_by_name(exclusive, labels),
    )


def describe(decided: "Decided") -> str:
    """The decision for people: what it was fitted for and on, its rules, and a line a label."""
    import numpy as np

    from fenlei.judge.reliability import Reliability
    from fenlei.judge.scores import scores_from_logits
    from fenlei.plain_table import aligned

    fitted, labels = decided.decision, decided.labels.names
    decision, plan, held_out, rules = fitted.decision, fitted.plan, fitted.held_out, fitted.decision.rules
    scores = fitted.scores(held_out.logits, held_out.baseline_logits)
    raw = scores_from_logits(held_out.logits, decision.task)
    before, after = (Reliability.of(held_out.truth, table, decision.task).figures() for table in (raw, scores))
    lines = [
        f"fitted on    {held_out.source}: {len(held_out.truth):,} rows",
        f"calibration  {plan.settled_method(decision.task)}; on those rows the calibration error went from "
        f"{before['calibration_error']:.4f} to {after['calibration_error']:.4f}, "
        f"the Brier score from {before['brier_score']:.4f} to {after['brier_score']:.4f}",
    ]
    if fitted.blend.baseline:
        lines.append(f"blend        {fitted.blend} logits")
    if decision.task == "multiclass":
        lines.append(f"labels       the highest score; slope {decision.calibration.slopes[0]:.4f}")
    else:
        fixed = plan.settled_scope == "fixed"
        lines.append(f"thresholds   {'fixed at 0.5' if fixed else f'{plan.settled_scope}, for {plan.goal}'}")
    if decision.person_below:
        lines.append(f"a person     looks where the labels hang on less than {decision.person_below:.4f}")
    if rules.at_least_one:
        lines.append("at least     one label")
    if rules.at_most:
        lines.append(f"at most      {rules.at_most} labels")
    lines += [f"parent       {labels[child]} implies {labels[parent]}" for child, parent in rules.parents]
    lines += [f"exclusive    {' | '.join(labels[column] for column in group)}" for group in rules.exclusive]
    if decision.task == "multilabel":
        count = len(labels)
        slopes = np.broadcast_to(decision.calibration.slopes, count)
        shifts = np.broadcast_to(decision.calibration.intercepts, count)
        table = [["label", "threshold", "rows", "slope", "intercept"]]
        for name, threshold, support, slope, shift in zip(
            labels, decision.threshold_of_label(count), held_out.truth.sum(axis=0), slopes, shifts, strict=True
        ):
            table.append([name, f"{threshold:.4f}", f"{support:,}", f"{slope:.4f}", f"{shift:+.4f}"])
        lines += ["", *aligned(table)]
    return "\n".join(lines) + "\n"

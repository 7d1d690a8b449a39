"""The names and shapes of a checkpoint's variables -> its family, sizes and parameters. No value is read."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fenlei.encoders.tf_names import (
    DROPPED_BEGINNINGS,
    DROPPED_ENDINGS,
    DROPPED_NAMES,
    FAMILIES,
    Family,
)
from fenlei.errors import EncoderError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Recognised:
    """What a checkpoint is.

    Attributes:
        family: whose names its variables bear.
        sizes: letter of the name tables -> size; E equals D where there is no projection.
        numbers: sizes of the numbered dimensions: (layers,) of BERT and ELECTRA, (groups, inner groups)
            of Google's ALBERT, () of brightmart's.
        parameters: parameter -> its variables; two are multiplied.
        dropped: reason -> names left out.
    """

    family: Family
    sizes: dict[str, int]
    numbers: tuple[int, ...]
    parameters: dict[str, tuple[str, ...]]
    dropped: dict[str, tuple[str, ...]]

    @property
    def folded(self) -> bool:
        """Whether the word embeddings are a product of two variables."""
        return any(len(names) > 1 for names in self.parameters.values())


def recognise(variables: Mapping[str, Shape], where: str) -> Recognised:
    """Find the family and give every variable its place.

    Args:
        variables: name -> shape.
        where: the checkpoint, for messages.

    Raises:
        EncoderError: no family has such names, a name is unknown, a variable is missing, or shapes contradict
            each other.
    """
    dropped: dict[str, list[str]] = {}
    for name in variables:
        if reason := _reason_to_drop(name):
            dropped.setdefault(reason, []).append(name)
    left_out = {name for names in dropped.values() for name in names}
    kept = {name: shape for name, shape in variables.items() if name not in left_out}
    family = _family(kept, variables, where)

    rows = dict(family.rows)
    for group in family.optional:
        if any(f"{family.root}{row}" in kept for row in group):
            rows |= group
    patterns = {row: _pattern(family.root, row) for row in rows}
    places = {name: _place(name, patterns) for name in kept}
    if unknown := sorted(name for name, place in places.items() if place is None):
        raise EncoderError(
            f"{where}: {_listed(unknown)} do not belong to {family.name} as fenlei knows it",
            hint="it is another kind of model; fenlei reads BERT, ELECTRA and both kinds of ALBERT-zh",
        )
    numbers = _numbers({place[1] for place in places.values() if place and place[1]}, where)
    everywhere = list(itertools.product(*map(range, numbers)))
    wanted = {
        f"{family.root}{row}".format(*index): (target.format(*index), letters)
        for row, (target, letters) in rows.items()
        for index in (everywhere if "{}" in row else [()])
    }
    if missing := sorted(wanted.keys() - kept.keys()):
        hint = "the checkpoint is incomplete, or was saved from only a part of the model"
        if f"{family.root}embeddings/position_embeddings" in missing:
            hint = "a model without position embeddings, such as NEZHA or RoFormer, is not read"
        raise EncoderError(f"{where}: {family.name} needs {_listed(missing)}, which are not there", hint=hint)
    sizes = _sizes({name: (kept[name], letters) for name, (_, letters) in wanted.items()}, where)
    projected = any(letters == "ED" for _, letters in rows.values())
    if not projected and sizes["E"] != sizes["D"]:
        raise EncoderError(
            f"{where}: the embeddings are {sizes['E']} wide, the layers {sizes['D']}, and no projection lies between"
        )
    parameters: dict[str, tuple[str, ...]] = {}
    for name, (target, _) in wanted.items():
        parameters[target] = (*parameters.get(target, ()), name)
    return Recognised(family, sizes, numbers, parameters, {reason: tuple(names) for reason, names in dropped.items()})


def _reason_to_drop(name: str) -> str | None:
    for ending, reason in DROPPED_ENDINGS.items():
        if name.endswith(ending):
            return reason
    for beginning, reason in DROPPED_BEGINNINGS.items():
        if name.startswith(beginning):
            return reason
    return DROPPED_NAMES.get(name)


def _family(kept: Mapping[str, Shape], variables: Mapping[str, Shape], where: str) -> Family:
    for family in FAMILIES:
        if any(name.startswith(family.sign) for name in kept):
            return family
    hint = "fenlei reads BERT, ELECTRA and both kinds of ALBERT-zh, as TensorFlow 1 code saved them"
    if any(name.startswith("generator/") for name in variables):
        raise EncoderError(
            f"{where} holds only ELECTRA's generator, which is no encoder for classification",
            hint="take the discriminator's checkpoint",
        )
    if "_CHECKPOINTABLE_OBJECT_GRAPH" in variables:
        raise EncoderError(f"{where} was saved by Keras or TensorFlow 2 code as a graph of objects", hint=hint)
    raise EncoderError(f"{where} is no encoder that fenlei knows: it holds {_listed(sorted(variables))}", hint=hint)


def _place(name: str, patterns: Mapping[str, re.Pattern[str]]) -> tuple[str, tuple[int, ...]] | None:
    """The row that `name` fills and the numbers in it; None where there is no such row."""
    for row, pattern in patterns.items():
        if found := pattern.fullmatch(name):
            return row, tuple(map(int, found.groups()))
    return None


def _pattern(root: str, row: str) -> re.Pattern[str]:
    # Numbers as TensorFlow writes them: `layer_01` is no name of layer 1.
    return re.compile(re.escape(f"{root}{row}").replace(r"\{\}", r"(0|[1-9]\d{0,2})"))


def _numbers(indices: set[tuple[int, ...]], where: str) -> tuple[int, ...]:
    """How many layers (or groups and inner groups) there are; they are counted from 0 without a gap."""
    numbers = tuple(max(column) + 1 for column in zip(*indices, strict=True))
    if numbers and math.prod(numbers) != len(indices):
        found = ", ".join(".".join(map(str, index)) for index in sorted(indices))
        raise EncoderError(
            f"{where}: layers are missing; there are {found}",
            hint="the checkpoint is incomplete, or was saved from only a part of the model",
        )
    return numbers


def _sizes(shapes: Mapping[str, tuple[Shape, str]], where: str) -> dict[str, int]:
    """Bind each letter to one size.

    Args:
        shapes: variable -> its shape and the letters of its row.
        where: the checkpoint, for messages.
    """
    sizes: dict[str, int] = {}
    bound_by: dict[str, str] = {}
    for name, (shape, letters) in shapes.items():
        if len(shape) != len(letters):
            raise EncoderError(f"{where}: {name} has shape {list(shape)}; {len(letters)} dimensions are expected")
        for letter, size in zip(letters, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise EncoderError(
                    f"{where}: {name} has shape {list(shape)}, which contradicts {bound_by[letter]}: "
                    f"{sizes[letter]} is expected instead of {size}"
                )
            bound_by.setdefault(letter, name)
    if 0 in sizes.values():
        raise EncoderError(f"{where}: {bound_by[next(k for k, v in sizes.items() if not v)]} is empty")
    return sizes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")

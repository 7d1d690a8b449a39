"""A flag for every field of `TrainSettings`, read off the fields and the line that stands under each."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from fenlei.train.config import TrainSettings


def with_settings_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The command with those flags in place of its argument `given`, which gets the ones that were set, by field.

    A flag that is not set is left to the recipe, so its default is only shown.
    """
    flags = [_flag(field.name, field.default) for field in fields(TrainSettings)]
    own = inspect.signature(command).parameters.values()
    place = next(number for number, parameter in enumerate(own) if parameter.name == "given")
    parameters = [*list(own)[:place], *flags, *list(own)[place + 1 :]]

    @wraps(command)
    def called(**arguments: Any) -> None:
        values = {flag.name: arguments.pop(flag.name) for flag in flags}
        command(**arguments, given={name: value for name, value in values.items() if value is not None})

    called.__signature__ = inspect.Signature([p.replace(kind=p.KEYWORD_ONLY) for p in parameters])  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def _flag(name: str, default: Any) -> inspect.Parameter:
    shown = False if default is None else str(default)
    option = typer.Option(help=_DESCRIPTIONS[name], show_default=shown)
    hint: Any = _plain_type(_HINTS[name]) | None
    annotation = Annotated[hint, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _plain_type(hint: Any) -> Any:
    """`str` for a choice, which `TrainSettings` checks with a message of its own; without None."""
    if get_origin(hint) is Literal:
        return str
    alternatives = [one for one in get_args(hint) if one is not NoneType]
    return _plain_type(alternatives[0]) if alternatives else hint


def _descriptions() -> dict[str, str]:
    [definition] = ast.parse(inspect.getsource(TrainSettings)).body
    assert isinstance(definition, ast.ClassDef)
    found, name = {}, None
    for statement in definition.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
        elif name and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            found[name] = inspect.cleandoc(str(statement.value.value)).replace("\n", " ").replace("`", "")
    return found


_HINTS, _DESCRIPTIONS = get_type_hints(TrainSettings), _descriptions()

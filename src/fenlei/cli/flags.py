"""Groups of flags that several commands take, each group handed to a command as one argument."""

import ast
import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import wraps
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from fenlei.train.config import TrainSettings

Flags = Sequence[inspect.Parameter]


def with_flags(**groups: Flags) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a group of flags in place of one of its arguments, which gets the values that were given, by name.

    What was not given is left out: its default stands where the values are used, and once.
    """

    def flagged(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters.values()
        every = [flag for parameter in own for flag in groups.get(parameter.name, (parameter,))]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in every]

        @wraps(command)
        def called(**arguments: Any) -> None:
            for argument, flags in groups.items():
                values = {flag.name: arguments.pop(flag.name) for flag in flags}
                arguments[argument] = {name: value for name, value in values.items() if value is not None}
            command(**arguments)

        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return called

    return flagged


def flag(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    """One flag of a group."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def settings_flags(*names: str) -> Flags:
    """Flags of the named fields of `TrainSettings`, read off them and the line under each; no names: of all fields.

    Their defaults are the recipe's, so they are only shown.
    """
    return [
        _settings_flag(field.name, field.default) for field in fields(TrainSettings) if field.name in names or not names
    ]


def _settings_flag(name: str, default: Any) -> inspect.Parameter:
    shown = False if default is None else str(default)
    option = typer.Option(help=_DESCRIPTIONS[name], show_default=shown)
    hint: Any = _plain_type(_HINTS[name]) | None
    return flag(name, Annotated[hint, option])


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

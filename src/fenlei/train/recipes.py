"""Recipes: written-out sets of settings. LOG.md says what was measured of them so far, and what was not."""

from typing import Any

from fenlei.errors import SettingsError
from fenlei.text.labels import nearest_told
from fenlei.train.config import TrainSettings

RECIPES: dict[str, dict[str, Any]] = {
    "fast": {"epochs": 2, "max_tokens": 128},
    "balanced": {},
    "strong": {"fgm": 0.5, "average_best": 3, "patience": 5, "truncation": "windows"},
}
"""What each sets otherwise than `TrainSettings` does by itself."""

_OF_WINDOWS = ("window_overlap", "window_join", "max_windows")
_OF_UPDATES = ("fgm", "awp", "rdrop", "ema", "head_samples", "average_best", "patience", "layer_decay", "schedule")


def settings_of(recipe: str = "balanced", **given: Any) -> TrainSettings:
    """The settings of a recipe, with those given in place of its own.

    Args:
        recipe: a name in `RECIPES`.
        given: fields of `TrainSettings`.

    Raises:
        SettingsError: there is no such recipe or field, or a value cannot be used or says nothing.
    """
    fields = TrainSettings.__dataclass_fields__
    if unknown := [name for name in given if name not in fields]:
        near = nearest_told(unknown[0], fields, words="the nearest is")
        raise SettingsError(f"there is no setting {unknown[0]!r}{near}")
    if recipe not in RECIPES:
        raise SettingsError(f"--recipe is {recipe!r}; accepted are {', '.join(RECIPES)}")
    settings = TrainSettings(**RECIPES[recipe] | given)
    if settings.truncation != "windows" and (idle := [name for name in _OF_WINDOWS if name in given]):
        flag = idle[0].replace("_", "-")
        raise SettingsError(
            f"--{flag} says how windows are made, and long texts are cut here", hint="add --truncation windows"
        )
    if settings.epochs == 0 and (idle := [name for name in _OF_UPDATES if name in given]):
        flag = idle[0].replace("_", "-")
        raise SettingsError(
            f"--{flag} says how updates are made, and --epochs 0, the linear probe alone, makes none",
            hint="leave out one of the two",
        )
    return settings

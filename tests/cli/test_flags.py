"""Groups of flags, and those of `fenlei train`, which are the fields of its settings."""

import inspect
import subprocess
import sys
from dataclasses import fields

import pytest

from fenlei.cli.flags import settings_flags, with_flags
from fenlei.cli.train import train
from fenlei.errors import SettingsError
from fenlei.train.config import TrainSettings
from fenlei.train.recipes import RECIPES, settings_of

OPTIONS = dict(inspect.signature(train).parameters)


def option(name):
    return OPTIONS[name].annotation.__metadata__[0]


@pytest.mark.parametrize("field", fields(TrainSettings), ids=lambda field: field.name)
def test_every_setting_has_a_flag_that_shows_its_default_and_leaves_it_to_the_recipe(field):
    assert OPTIONS[field.name].default is None
    assert option(field.name).show_default == (False if field.default is None else str(field.default))
    assert len(option(field.name).help) > 15
    assert "`" not in option(field.name).help


def test_flags_take_what_the_fields_hold():
    assert OPTIONS["epochs"].annotation.__origin__ == int | None
    assert OPTIONS["fgm"].annotation.__origin__ == float | None
    # A choice is checked by the settings, whose message names what is accepted.
    assert OPTIONS["pooling"].annotation.__origin__ == str | None


def test_only_what_was_given_reaches_the_command():
    reached = []

    def command(*, out, given):
        reached.append((out, given))

    with_flags(given=settings_flags())(command)(
        out="o", **dict.fromkeys(f.name for f in fields(TrainSettings)) | {"fgm": 0.0}
    )
    assert reached == [("o", {"fgm": 0.0})]


def test_help_needs_no_network_library(fenlei):
    code = "import sys, fenlei.cli; assert not {'torch', 'transformers', 'sklearn', 'polars'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    shown = fenlei("train", "--help").out
    assert "--layer-decay" in shown
    assert "default: (0.1)" in " ".join(shown.split())


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_what_is_written_and_yield_to_what_is_given(name):
    settings = settings_of(name)
    assert settings_of(name, epochs=2).epochs == 2
    changed = {field for field, value in settings.to_dict().items() if value != getattr(TrainSettings(), field)}
    assert changed == set(RECIPES[name])


def test_an_unknown_recipe_is_refused():
    with pytest.raises(SettingsError, match="--recipe is 'quick'; accepted are fast, balanced, strong"):
        settings_of("quick")

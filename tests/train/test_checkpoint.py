"""A run that is interrupted at any update and resumed ends with the same weights, to the bit."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fenlei.errors import FenleiError, SettingsError
from fenlei.journal import Journal
from fenlei.train.checkpoint import Checkpoints, can_go_on, delete_checkpoints, what_differs
from fenlei.train.recipes import RECIPES

# Importlib mode has no package of tests: the loop's test module lends its tiny run.
spec = importlib.util.spec_from_file_location("loop_tests", Path(__file__).with_name("test_loop.py"))
loop_tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loop_tests)
run = loop_tests.run

FACTS = {"threads": 1, "settings": {"seed": 42}}


class Killed(BaseException):
    """What `kill -9` is to a process."""


class DeadlyJournal(Journal):
    """Ends the run after so many updates."""

    def __init__(self, updates):
        super().__init__()
        self.left = updates

    def advance(self, texts, *, resumed=False):
        super().advance(texts, resumed=resumed)
        if texts == 8 and not resumed:
            self.left -= 1
            if self.left < 0:
                raise Killed


@pytest.fixture(scope="module")
def uninterrupted():
    return run(epochs=2)


def interrupted(folder, updates, every=5, **more):
    with pytest.raises(Killed):
        run(**{"epochs": 2} | more, journal=DeadlyJournal(updates), checkpoints=Checkpoints(folder, FACTS, every=every))


def resumed(folder, facts=FACTS, **more):
    # Another seed state than at the start, which the checkpoint must overcome.
    torch.manual_seed(1234)
    return run(**{"epochs": 2} | more, checkpoints=Checkpoints(folder, facts, every=5), resume=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 23), st.integers(1, 5))
def test_a_resumed_run_ends_with_the_same_weights(uninterrupted, tmp_path_factory, updates, every):
    folder = tmp_path_factory.mktemp("run")
    interrupted(folder, updates, every)
    model, fitted = resumed(folder)
    expected_model, expected = uninterrupted
    assert (fitted.best_epoch, len(fitted.history)) == (expected.best_epoch, len(expected.history))
    assert (fitted.dev_logits == expected.dev_logits).all()
    for (name, a), b in zip(model.state_dict().items(), expected_model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_only_the_newest_are_kept_and_clear_removes_them(tmp_path):
    interrupted(tmp_path, 22)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "checkpoint-00000015.safetensors",
        "checkpoint-00000020.safetensors",
    ]
    Checkpoints(tmp_path, FACTS).clear()
    assert not list(tmp_path.iterdir())


def test_other_circumstances_are_refused_and_named(tmp_path):
    interrupted(tmp_path, 12)
    with pytest.raises(SettingsError, match="cannot be resumed exactly: threads was 1 and is now 2"):
        resumed(tmp_path, FACTS | {"threads": 2})
    with pytest.raises(SettingsError, match=r"exactly: seed was 42 and is now 43$"):
        resumed(tmp_path, FACTS | {"settings": {"seed": 43}})


def test_only_what_differs_is_told_and_long_values_are_cut_short():
    before = {"a": 1, "settings": {"epochs": 2, "seed": 1}, "labels": ["财经"]}
    now = {"a": 1, "settings": {"epochs": 3, "seed": 1, "new": 0}, "labels": ["体育"] * 10_000}
    told = what_differs(before, now)
    assert told[0].startswith("labels was ['财经'] and is now ['体育', '体育'")
    assert len(told[0]) < 150
    assert told[1:] == ["epochs was 2 and is now 3", "new was None and is now 0"]


def test_a_run_that_begins_anew_leaves_no_checkpoint_of_another(tmp_path):
    interrupted(tmp_path, 22)
    checkpoints = Checkpoints(tmp_path, FACTS)
    checkpoints.begin()
    assert checkpoints.begun
    assert not checkpoints.exist
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    checkpoints.require_begun()
    (tmp_path / "run.json").write_text("[1")
    with pytest.raises(FenleiError, match=r"run\.json is damaged"):
        checkpoints.require_begun()
    checkpoints.clear()
    assert not checkpoints.begun
    with pytest.raises(FenleiError, match="there is no checkpoint to resume from in"):
        checkpoints.require_begun()


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(FenleiError, match="there is no checkpoint to resume from in"):
        resumed(tmp_path)


def test_a_damaged_checkpoint_is_named_and_the_one_before_serves(tmp_path, uninterrupted):
    interrupted(tmp_path, 22)
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(FenleiError, match="checkpoint-00000020.safetensors is damaged") as caught:
        resumed(tmp_path)
    assert "the one before will be used" in caught.value.hint
    newest.unlink()
    model, _ = resumed(tmp_path)
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), uninterrupted[0].state_dict().values(), strict=True)
    )


def test_by_default_the_clock_decides_so_that_saving_stays_cheap(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("fenlei.train.checkpoint.time.monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path, FACTS)
    assert not checkpoints._is_due(1)
    now[0] = 31.0
    assert checkpoints._is_due(2)
    checkpoints._last, checkpoints._cost = 31.0, 2.0
    now[0] = 31.0 + 99.0
    assert not checkpoints._is_due(3)
    now[0] = 31.0 + 100.0
    assert checkpoints._is_due(4)


TOGETHER = {"fgm": 1.0, "awp": 0.01, "rdrop": 1.0, "head_samples": 2, "ema": 0.9, "average_best": 2}


@pytest.mark.parametrize("update", [9, 13, 30])
def test_every_regulariser_resumes_exactly(tmp_path, update):
    assert_resumes_exactly(tmp_path, update, epochs=3, **TOGETHER)


def test_layers_that_are_run_again_drop_what_they_dropped_and_resume_exactly(tmp_path):
    again = {"epochs": 2, "gradient_checkpointing": True, **TOGETHER}
    assert_resumes_exactly(tmp_path, 13, **again)
    (first, _), (second, _) = run(**again), run(**again | {"gradient_checkpointing": False})
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("settings", [*({name: TOGETHER[name]} for name in TOGETHER), *RECIPES.values()], ids=str)
def test_each_alone_and_each_recipe_resumes_exactly(tmp_path, settings):
    assert_resumes_exactly(tmp_path, 17, **{"epochs": 3, "linear_probe": settings in RECIPES.values()} | settings)


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"average_best": 3}], ids=str)
def test_a_run_that_began_with_a_probe_goes_on_from_it(tmp_path, settings):
    fitted = assert_resumes_exactly(tmp_path, 13, linear_probe=True, **settings)
    assert [line["epoch"] for line in fitted.history] == [0, 1, 2]


@pytest.mark.parametrize("cut", ["max", "mean"])
def test_windows_resume_exactly(tmp_path, cut):
    assert_resumes_exactly(tmp_path, 17, epochs=3, cut=cut, tokens_per_batch=30, **TOGETHER)


def assert_resumes_exactly(tmp_path, update, **together):
    expected, one = run(**together)
    interrupted(tmp_path, update, **together)
    model, other = resumed(tmp_path, **together)
    for (name, a), b in zip(model.state_dict().items(), expected.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert (one.best_epoch, one.averaged) == (other.best_epoch, other.averaged)
    np.testing.assert_array_equal(one.dev_logits, other.dev_logits)
    timeless = [
        [{key: value for key, value in line.items() if key not in ("texts_per_second", "seconds")} for line in history]
        for history in (one.history, other.history)
    ]
    assert timeless[0] == timeless[1]
    return one


def test_a_torn_checkpoint_is_nothing_to_go_on_from(tmp_path):
    (tmp_path / ".checkpoint-00000001.safetensors.x.safetensors").write_bytes(b"")
    assert not can_go_on(tmp_path)
    assert not can_go_on(tmp_path / "nowhere")
    (tmp_path / "fold-1").mkdir()
    (tmp_path / "fold-1" / "checkpoint-00000001.safetensors").write_bytes(b"")
    (tmp_path / "split.csv").write_bytes(b"")
    assert can_go_on(tmp_path)
    delete_checkpoints(tmp_path)
    assert not can_go_on(tmp_path)
    assert (tmp_path / "split.csv").exists()

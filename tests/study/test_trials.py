"""Variants trained on the same rows: kept, not done again, gone on with, and compared."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from fenlei import Journal, SettingsError, TrainSettings
from fenlei.errors import DataError
from fenlei.judge.decision import Decision
from fenlei.judge.fitting import DecisionPlan
from fenlei.judge.scores import scores_from_logits
from fenlei.runtime import Runtime
from fenlei.study.protocol import draw_rows
from fenlei.study.trials import Trial, compare_trials, find_trials, run_trials

RUNTIME = Runtime(device="cpu", precision="float32", threads=1)
VARIANTS = {"zlpr": {}, "bce": {"loss": "bce"}}


@pytest.fixture(scope="module")
def drawn(make_rows):
    return draw_rows(make_rows(160, 1), None, train=100, dev=20, judged=40, seed=0)


@pytest.fixture(scope="module")
def settings(tiny_encoder):
    return TrainSettings(encoder=str(tiny_encoder), max_tokens=40, epochs=2, learning_rate=3e-3, patience=1)


@pytest.fixture(scope="module")
def study(tmp_path_factory, drawn, settings):
    folder = tmp_path_factory.mktemp("study")
    run_trials(folder, drawn, VARIANTS, [1, 2], settings, RUNTIME, Journal())
    return folder


def test_every_variant_runs_with_every_seed_on_the_same_rows_for_as_many_updates(study, drawn):
    places = find_trials(study)
    assert {name: sorted(runs) for name, runs in places.items()} == {"bce": [1, 2], "zlpr": [1, 2]}
    for runs in places.values():
        for place in runs.values():
            trial = Trial.read(place)
            np.testing.assert_array_equal(trial.truth, drawn.labels.encode(drawn.judged, drawn.task))
            np.testing.assert_array_equal(trial.held_out.truth, drawn.labels.encode(drawn.dev, drawn.task))
            assert trial.support.tolist() == drawn.labels.encode(drawn.train, drawn.task).sum(0).tolist()
            assert [shown["epoch"] for shown in trial.facts["history"]] == [0, 1, 2]
            assert trial.groups is None
            assert {path.name for path in place.iterdir()} == {"arrays.npz", "facts.json"}
    logits = [Trial.read(places[name][seed]).logits for name, seed in (("zlpr", 1), ("zlpr", 2), ("bce", 1))]
    assert not np.array_equal(logits[0], logits[1])
    assert not np.array_equal(logits[0], logits[2])


def test_the_answers_are_those_of_a_decision_fitted_on_dev(study):
    trial = Trial.read(find_trials(study)["bce"][1])
    answers = trial.answers()
    decision = DecisionPlan(blend=False).fit(trial.held_out.logits, trial.held_out.truth, "multilabel")
    np.testing.assert_array_equal(answers.tuned, decision.apply(decision.scores(trial.logits)))
    plain = Decision.default("multilabel").apply(scores_from_logits(trial.logits, "multilabel"))
    np.testing.assert_array_equal(answers.untuned, plain)
    assert trial.answers(blend=True).untuned is None


def test_a_finished_run_of_other_settings_is_not_taken(study, drawn, settings):
    changed = {"bce": {"loss": "bce", "fgm": 0.5}}
    with pytest.raises(SettingsError, match=r"bce, seed 1 holds a run with {'loss': 'bce'}, and 'bce' is now {.*'fgm'"):
        run_trials(study, drawn, changed, [1], settings, RUNTIME, Journal())


def test_what_is_done_is_not_done_again_and_the_time_left_is_told(study, drawn, settings, tmp_path):
    told = io.StringIO()
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*.*")}
    more = {**VARIANTS, "focal": {"loss": "focal"}}
    (study / "focal, seed 1").mkdir()
    try:
        journal = Journal(console=Console(file=told, width=200))
        run_trials(study, drawn, more, [1], settings, RUNTIME, journal)
        assert before == {path: path.stat().st_mtime_ns for path in before}
        assert "2 of 3 are there from before; 1 left, about 0:" in told.getvalue()
        assert "run 3/3, focal, seed 1  done       in 0:" in told.getvalue()
        assert journal.stage == ""
        lines = compare_trials(find_trials(study, ["zlpr", "focal"], [1]), "zlpr").lines
        assert [line.name for line in lines] == ["zlpr", "focal"]
    finally:
        for path in (study / "focal, seed 1").iterdir():
            path.unlink()
        (study / "focal, seed 1").rmdir()


@pytest.mark.parametrize("texts", [210, 270, 570])
def test_a_killed_study_goes_on_to_the_same_numbers(study, drawn, settings, tmp_path, kill_after, texts):
    """Killed in the first run's epochs, and in the second run; then from its checkpoint."""
    journal, killed = kill_after
    with pytest.raises(killed):
        run_trials(tmp_path, drawn, VARIANTS, [1], settings, RUNTIME, journal(texts), checkpoint_every=2)
    assert list(tmp_path.rglob("checkpoint-*.safetensors"))
    run_trials(tmp_path, drawn, VARIANTS, [1], settings, RUNTIME, Journal(), checkpoint_every=2)
    for name in VARIANTS:
        whole, gone_on = (Trial.read(find_trials(folder)[name][1]) for folder in (study, tmp_path))
        np.testing.assert_array_equal(whole.logits, gone_on.logits)
        np.testing.assert_array_equal(whole.held_out.logits, gone_on.held_out.logits)
    assert not list(tmp_path.rglob("checkpoint-*.safetensors"))


def test_seeds_and_blend_are_compared(study):
    places = find_trials(study, ["zlpr", "bce"])
    for blend in (False, True):
        table = compare_trials(places, "zlpr", blend=blend)
        assert [line.seeds for line in table.lines] == [(1, 2), (1, 2)]
        assert table.lines[1].spread.keys() == table.lines[1].differences.keys()
        assert table.rows == len(Trial.read(places["zlpr"][1]).truth)


def test_groups_reach_the_bootstrap(tmp_path, study, drawn, settings):
    from dataclasses import replace

    grouped = [replace(row, group=f"g{number // 5}") for number, row in enumerate(drawn.judged)]
    rows = replace(drawn, judged=tuple(grouped))
    run_trials(tmp_path, rows, {"zlpr": {}}, [1], replace(settings, epochs=1), RUNTIME, Journal())
    assert Trial.read(tmp_path / "zlpr, seed 1").groups.tolist() == [row.group for row in grouped]


def test_runs_that_do_not_fit_together_are_refused(study, tmp_path):
    with pytest.raises(DataError, match="there is no finished run of 'asl' to compare with"):
        compare_trials(find_trials(study), "asl")
    place = tmp_path / "bce, seed 1"
    place.mkdir()
    with np.load(study / "bce, seed 1" / "arrays.npz") as arrays:
        changed = dict(arrays) | {"truth": 1 - arrays["truth"]}
    np.savez(place / "arrays.npz", **changed)
    (place / "facts.json").write_bytes((study / "bce, seed 1" / "facts.json").read_bytes())
    with pytest.raises(DataError, match="bce, seed 1 was judged on other rows than zlpr"):
        compare_trials(find_trials(study, ["zlpr"]) | find_trials(tmp_path), "zlpr")


def test_a_damaged_run_is_named(study, tmp_path):
    (tmp_path / "facts.json").write_text('{"task": ')
    with pytest.raises(DataError, match="the run in .* is damaged") as caught:
        Trial.read(tmp_path)
    assert "delete the folder" in caught.value.hint
    (tmp_path / "facts.json").write_text(json.dumps({"task": "multilabel"}))
    (tmp_path / "arrays.npz").write_bytes((study / "bce, seed 1" / "arrays.npz").read_bytes()[:-200])
    with pytest.raises(DataError, match="the run in .* is damaged"):
        Trial.read(tmp_path)


def test_a_variant_with_a_wrong_loss_is_found_before_the_first_run(drawn, settings, tmp_path):
    with pytest.raises(SettingsError, match="--loss is 'ce'; for multilabel accepted are zlpr, bce"):
        run_trials(tmp_path, drawn, {"zlpr": {}, "odd": {"loss": "ce"}}, [1], settings, RUNTIME, Journal())
    assert not list(tmp_path.iterdir())

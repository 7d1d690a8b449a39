"""A decision is changed without training, kept with the one before, and never loses the bundle."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from fenlei import BundleError, Classifier, DataError, DecisionPlan, Example, Goal, Rules, SettingsError, open_runtime
from fenlei.bundle import Bundle

LABELS = ["体育", "财经", "健康"]
WORDS = {"财经": "股票涨跌银行", "体育": "球队比赛决赛", "健康": "新药临床医院"}


def rows(count, seed):
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        labels = random.choice(LABELS, size=random.integers(0, 3), replace=False)
        letters = [letter for label in labels for letter in random.choice(list(WORDS[label]), 3)]
        text = "".join(random.permutation([*letters, *"今天的消息"])) + f"{seed}x{number}"
        made.append(Example(str(number), text, tuple(map(str, labels))))
    return made


@pytest.fixture(scope="module")
def trained(tiny_encoder):
    return Classifier.train(
        rows(120, 1),
        dev=rows(60, 2),
        runtime=open_runtime(device="cpu", precision="float32", threads=1),
        encoder=str(tiny_encoder),
        max_tokens=40,
        epochs=3,
        learning_rate=3e-3,
    )


def load(folder):
    return Classifier.load(folder, device="cpu", precision="float32", threads=1)


TEXTS = [row.text for row in rows(30, 3)]


def test_the_held_out_rows_in_the_bundle_fit_as_the_dev_part_did(trained, tmp_path):
    trained.save(tmp_path / "b")
    loaded = load(tmp_path / "b")
    assert loaded.refit_decision().decision == trained.decision
    assert loaded.refit_decision(examples=rows(60, 2)).decision.thresholds == pytest.approx(
        trained.decision.thresholds, abs=1e-4
    )
    held_out = loaded.fitted_decision.held_out
    np.testing.assert_allclose(held_out.logits, loaded.logits([row.text for row in rows(60, 2)]), atol=1e-4)


def test_the_decision_is_fitted_on_what_the_bundle_will_answer(tiny_encoder, tmp_path):
    """To the bit, also in bfloat16 with GELU by tanh, which prediction takes otherwise than training."""
    encoder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    config = json.loads((encoder / "config.json").read_text("utf-8")) | {"hidden_act": "gelu_new"}
    (encoder / "config.json").write_text(json.dumps(config), "utf-8")
    bfloat16 = {"device": "cpu", "precision": "bfloat16", "threads": 1}
    made = Classifier.train(
        rows(120, 1),
        dev=rows(60, 2),
        runtime=open_runtime(**bfloat16),
        encoder=str(encoder),
        max_tokens=40,
        epochs=1,
        learning_rate=3e-3,
    )
    made.save(tmp_path / "b")
    loaded = Classifier.load(tmp_path / "b", **bfloat16)
    answers = loaded.logits([row.text for row in rows(60, 2)])
    np.testing.assert_array_equal(answers, loaded.fitted_decision.held_out.logits)
    assert np.abs(answers).max() > 0.01


def test_only_the_decision_changes_on_disk(trained, tmp_path):
    folder = tmp_path / "b"
    trained.save(folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    changed = load(folder).refit_decision(DecisionPlan(goal=Goal.parse("recall=0.9")), rules=Rules(at_most=2))
    changed.save_decision(folder)
    after = {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert {name for name in after if after[name] != before.get(name)} == {"fenlei.json"}
    assert after.keys() == before.keys()
    again = load(folder)
    assert again.decision == changed.decision
    np.testing.assert_allclose(again.scores(TEXTS), changed.scores(TEXTS), atol=1e-6)
    assert [p.labels for p in again.predict(TEXTS)] == [p.labels for p in changed.predict(TEXTS)]
    assert again.previous_decision.decision == trained.decision
    assert again.restore_decision().decision == trained.decision
    assert again.restore_decision().restore_decision().decision == changed.decision
    assert again.fingerprint()["content"] != load(folder).restore_decision().fingerprint()["content"]


def test_files_of_decisions_nobody_can_reach_any_more_go(trained, tmp_path):
    folder = tmp_path / "b"
    trained.save(folder)
    for seed in (5, 6, 7):
        load(folder).refit_decision(examples=rows(40, seed), source=f"{seed}.csv").save_decision(folder)
    names = [path.name for path in folder.glob("*-*.safetensors")]
    assert sorted(name.split("-")[0] for name in names) == ["held", "held", "seen"]
    last = load(folder)
    assert last.fitted_decision.held_out.source == "7.csv"
    assert last.previous_decision.held_out.source == "6.csv"
    told = last.evaluate(rows(40, 5)).report
    assert told.seen == {"train": 0, "dev": 0, "decision": 40}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", range(4))
def test_a_kill_at_any_moment_leaves_a_whole_bundle(trained, tmp_path, monkeypatch, moment):
    folder = tmp_path / "b"
    trained.save(folder)
    changed = load(folder).refit_decision(examples=rows(40, 5))
    steps = 0

    def step(path):
        """A file appears in the bundle or goes; temporary ones, taken away even when the work fails, do not count."""
        nonlocal steps
        if Path(path).parent == folder and not Path(path).name.startswith("."):
            steps += 1
            if steps > moment:
                raise Killed

    replace, unlink = os.replace, Path.unlink
    monkeypatch.setattr(os, "replace", lambda source, path: (step(path), replace(source, path)))
    monkeypatch.setattr(Path, "unlink", lambda path, **named: (step(path), unlink(path, **named)))
    with pytest.raises(Killed):
        changed.save_decision(folder)
    monkeypatch.undo()
    # Two new files of arrays, then the manifest that names them, then the old files go.
    assert load(folder).decision == (trained.decision if moment < 3 else changed.decision)
    changed.save_decision(folder)
    assert load(folder).decision == changed.decision


def test_rows_of_the_training_part_are_no_judges(trained):
    with pytest.raises(DataError, match="there is no row to fit on: 120 were given, and 120 were in training"):
        trained.refit_decision(examples=rows(120, 1))
    mixed = trained.refit_decision(examples=[*rows(120, 1), *rows(60, 2)])
    assert len(mixed.fitted_decision.held_out.truth) == 60
    assert mixed.fitted_decision.held_out.source == "other rows, less 120 rows of the training part"
    with pytest.raises(DataError, match="0 were given"):
        trained.refit_decision(examples=[])


def test_a_decision_goes_only_into_the_bundle_it_was_fitted_for(trained, tiny_encoder, tmp_path):
    trained.save(tmp_path / "own")
    Classifier.train(
        rows(60, 3),
        dev=rows(20, 2),
        runtime=open_runtime(device="cpu", precision="float32", threads=1),
        encoder=str(tiny_encoder),
        max_tokens=40,
        epochs=1,
    ).save(tmp_path / "other")
    before = (tmp_path / "other" / "fenlei.json").read_bytes()
    with pytest.raises(BundleError, match="holds another classifier than this decision was fitted for"):
        load(tmp_path / "own").refit_decision().save_decision(tmp_path / "other")
    assert (tmp_path / "other" / "fenlei.json").read_bytes() == before


def test_a_plan_that_cannot_be_is_refused_before_it_is_saved():
    with pytest.raises(SettingsError, match="--thresholds is 'per-label'"):
        DecisionPlan(scope="per-label")
    with pytest.raises(SettingsError, match="--calibration is 'isotonic'"):
        DecisionPlan(method="isotonic")
    with pytest.raises(SettingsError, match=r"--for is 'micro-f1=0\.5'"):
        Goal(measure="micro-f1", floor=0.5)


def test_fingerprints_can_be_left_out(tiny_encoder, tmp_path):
    classifier = Classifier.train(
        rows(60, 1),
        dev=rows(20, 2),
        runtime=open_runtime(device="cpu", precision="float32", threads=1),
        keep_fingerprints=False,
        encoder=str(tiny_encoder),
        max_tokens=40,
        epochs=1,
    )
    classifier.save(tmp_path / "b")
    assert not list((tmp_path / "b").glob("seen*"))
    loaded = load(tmp_path / "b")
    report = loaded.evaluate(rows(60, 1)).report
    assert report.seen is None
    assert any("is not known: its bundle keeps no fingerprints" in note for note in report.notes())
    refitted = loaded.refit_decision(examples=rows(30, 4))
    assert "perhaps with rows of the training part" in refitted.fitted_decision.held_out.source
    refitted.save_decision(tmp_path / "b")
    assert not list((tmp_path / "b").glob("seen*"))
    assert json.loads((tmp_path / "b" / "fenlei.json").read_text("utf-8"))["seen"] is None


@pytest.mark.parametrize("thresholds", [7, [0.5, 0.5]])
def test_a_bundle_whose_decision_was_damaged_is_refused(trained, tmp_path, thresholds):
    folder = tmp_path / "b"
    trained.save(folder)
    manifest = json.loads((folder / "fenlei.json").read_text("utf-8"))
    manifest["decision"]["rule"]["thresholds"] = thresholds
    (folder / "fenlei.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BundleError, match="does not describe this bundle"):
        Bundle.read(folder)


def test_the_code_in_the_docs_runs(trained, tmp_path, monkeypatch):
    page = Path(__file__).resolve().parents[2] / "docs" / "decision.md"
    [code] = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    trained.save(tmp_path / "runs" / "news")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    changed = load(tmp_path / "runs" / "news")
    assert changed.decision.rules == Rules(at_least_one=True)
    assert changed.fitted_decision.plan.goal == Goal.parse("macro-f1")


@pytest.mark.parametrize("rules", [Rules(parents=((0, 99),)), Rules(parents=((0, -1),)), Rules(exclusive=((0, 3),))])
def test_rules_about_labels_that_there_are_not_are_refused(trained, rules):
    with pytest.raises(SettingsError, match="a rule is about the label of column .*, and there are 3 labels, from 0"):
        trained.refit_decision(rules=rules)

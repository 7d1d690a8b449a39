"""Several seeds of one recipe: the best on dev is kept, the spread is told, finished seeds are not trained again."""

import json

import numpy as np
import pytest

from fenlei import Classifier, Journal, SettingsError, TrainSettings
from fenlei.runtime import Runtime
from fenlei.study.seeds import SeedRun, SeedRuns, delete_seeds, train_seeds

RUNTIME = Runtime(device="cpu", precision="float32", threads=1)


@pytest.fixture(scope="module")
def call(make_rows, tiny_encoder):
    train, dev, test = make_rows(90, 1), make_rows(30, 2), make_rows(40, 3)
    recipe = {"encoder": str(tiny_encoder), "max_tokens": 40, "epochs": 2, "learning_rate": 3e-3, "seed": 5}

    def call(folder, journal=None, count=3, test_rows=test, resume=False, **more):
        settings = TrainSettings(**recipe | more)
        return train_seeds(
            train,
            dev,
            folder=folder,
            count=count,
            settings=settings,
            runtime=RUNTIME,
            journal=journal or Journal(),
            test_rows=test_rows,
            checkpoint_every=2,
            resume=resume,
        )

    call.rows = train, dev, test
    call.recipe = recipe
    return call


@pytest.fixture(scope="module")
def trained(call, tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    return folder, *call(folder)


def test_the_best_on_dev_is_kept_and_is_what_its_seed_gives_alone(trained, call):
    folder, runs, classifier = trained
    assert [run.seed for run in runs.runs] == [5, 6, 7]
    assert runs.best.dev_score == max(run.dev_score for run in runs.runs)
    train, dev, test = call.rows
    alone = Classifier.train(train, dev=dev, settings=TrainSettings(**call.recipe | {"seed": 6}), runtime=RUNTIME)
    texts = [row.text for row in test]
    kept = Classifier.load(folder / "seed-6", precision="float32", threads=1)
    np.testing.assert_array_equal(alone.logits(texts), kept.logits(texts))
    best = Classifier.load(folder / f"seed-{runs.best.seed}", precision="float32", threads=1)
    np.testing.assert_array_equal(best.logits(texts), classifier.logits(texts))


def test_the_test_part_is_measured_for_each_seed(trained, call):
    folder, runs, _ = trained
    for run in runs.runs:
        classifier = Classifier.load(folder / f"seed-{run.seed}", precision="float32", threads=1)
        report = classifier.evaluate(call.rows[2]).report
        assert run.test == {name: figure.value for name, figure in report.figures.items()}


def test_mean_spread_and_choice():
    runs = SeedRuns(
        dev_score_name="micro-F1",
        runs=(
            SeedRun(seed=1, dev_score=0.8, dev_loss=2.0, test={"micro_f1": 0.9}),
            SeedRun(seed=2, dev_score=0.9, dev_loss=3.0, test={"micro_f1": 0.5}),
            SeedRun(seed=3, dev_score=0.9, dev_loss=1.0, test={"micro_f1": 0.7}),
        ),
    )
    assert runs.best.seed == 3
    spread = runs.spread()
    assert spread["micro_f1"] == pytest.approx((0.7, 0.2))
    assert spread["dev"] == pytest.approx((2.6 / 3, np.std([0.8, 0.9, 0.9], ddof=1)))
    lines = runs.to_text().splitlines()
    assert lines[0].split() == ["seed", "dev", "micro-F1", "micro-F1"]
    assert "kept: best on dev" in lines[3]
    assert lines[4].split() == ["mean", "0.8667", "0.7000"]
    assert lines[5].split() == ["±", "0.0577", "0.2000"]
    plain = json.loads(json.dumps(runs.to_dict()))
    assert plain["best"] == 3
    assert plain["spread"]["micro_f1"] == pytest.approx({"mean": 0.7, "deviation": 0.2})


@pytest.mark.parametrize("texts", [220, 640])
def test_a_killed_run_goes_on_and_ends_alike(trained, call, tmp_path, kill_after, texts):
    """Killed in the first seed and in the second."""
    journal, killed = kill_after
    with pytest.raises(killed):
        call(tmp_path, journal(texts), count=2, test_rows=())
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("seed-?/*.json")}
    assert bool(finished) == (texts == 640)
    assert list(tmp_path.rglob("checkpoint-*.safetensors"))
    runs, _ = call(tmp_path, resume=True, count=2, test_rows=())
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    expected = [(run.seed, run.dev_score, run.dev_loss) for run in trained[1].runs[:2]]
    assert [(run.seed, run.dev_score, run.dev_loss) for run in runs.runs] == expected
    assert runs.runs[0].test == {}
    # More seeds later; and anew without `resume`.
    again, _ = call(tmp_path, resume=True, count=2, test_rows=())
    assert again == runs
    delete_seeds(tmp_path)
    assert not tmp_path.exists()


def test_other_settings_are_not_mixed_in(trained, call):
    with pytest.raises(SettingsError, match="holds runs of other rows or settings: epochs was 2 and is now 3"):
        call(trained[0], resume=True, epochs=3)


def test_deleting_spares_what_is_not_ours(tmp_path):
    (tmp_path / "seed-1").mkdir()
    delete_seeds(tmp_path)
    assert (tmp_path / "seed-1").exists()


def test_one_seed_has_no_spread(call, tmp_path):
    with pytest.raises(SettingsError, match="--seeds is 1; a spread needs 2 or more"):
        call(tmp_path, count=1)


def test_what_cannot_be_trained_is_refused_before_the_first(call, tmp_path):
    with pytest.raises(SettingsError, match="with --epochs 0, the linear probe alone, every seed gives the same"):
        call(tmp_path, epochs=0)
    with pytest.raises(SettingsError, match="--seed is 4294967296"):
        call(tmp_path, count=2, seed=2**32 - 1)
    assert not list(tmp_path.iterdir())

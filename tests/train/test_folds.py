"""Out-of-fold scores: no row is judged by a model that learned from it, and a killed run repeats no fold."""

import numpy as np
import pytest

from fenlei import Classifier, Example, FenleiError, Journal, SettingsError, TrainSettings, open_runtime
from fenlei.train.checkpoint import can_go_on, delete_checkpoints
from fenlei.train.trainer import Trainer

LABELS = ["体育", "财经", "健康"]
WORDS = {"财经": "股票涨跌银行", "体育": "球队比赛决赛", "健康": "新药临床医院"}


def rows(count, seed):
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        labels = random.choice(LABELS, size=random.integers(1, 3), replace=False)
        letters = [letter for label in labels for letter in random.choice(list(WORDS[label]), 3)]
        text = "".join(random.permutation([*letters, *"今天的消息"])) + f"{seed}x{number}"
        made.append(Example(str(number), text, tuple(map(str, labels))))
    return made


def train(tiny_encoder, folder=None, **more):
    return Classifier.train(
        rows(90, 1),
        dev=rows(30, 2),
        settings=TrainSettings(encoder=str(tiny_encoder), max_tokens=40, epochs=2, folds=3, learning_rate=3e-3),
        runtime=open_runtime(device="cpu", precision="float32", threads=1),
        checkpoint_folder=folder,
        checkpoint_every=2,
        **more,
    )


@pytest.fixture(scope="module")
def whole(tiny_encoder):
    return train(tiny_encoder)


def test_the_decision_is_fitted_on_all_rows_none_judged_by_its_own_model(whole):
    held_out = whole.fitted_decision.held_out
    assert held_out.source == "dev and 3 folds of train"
    assert held_out.logits.shape == held_out.baseline_logits.shape == (120, 3)
    texts = [row.text for row in rows(90, 1)]
    own = whole.logits(texts)
    # The final model has seen these rows; the folds' models have not, and answer otherwise.
    assert np.abs(own - held_out.logits[30:]).max(axis=1).min() > 1e-3
    truth = np.array([[label in row.labels for label in whole.labels] for row in rows(90, 1)])
    assert (held_out.truth[30:] == truth).all()


def test_without_a_probe_bce_starts_at_the_share_of_each_label(tiny_encoder):
    settings = TrainSettings(
        encoder=str(tiny_encoder), loss="bce", linear_probe=False, max_tokens=40, epochs=1, learning_rate=1e-12
    )
    runtime = open_runtime(device="cpu", precision="float32", threads=1)
    found = Classifier.train(rows(90, 1), dev=rows(30, 2), settings=settings, runtime=runtime)
    counts = np.array([sum(label in row.labels for row in rows(90, 1)) for label in found.labels])
    bias = found._scorer.bundle.classifier.network.classifier.bias.detach().numpy()
    assert bias == pytest.approx(np.log((counts + 1) / (90 - counts + 1)), abs=0.02)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["fold 2/3", "epoch 1/2"])
def test_a_killed_run_goes_on_and_ends_alike(whole, tiny_encoder, tmp_path, monkeypatch, moment):
    begin, advance = Journal.begin, Journal.advance
    updates = []

    def dying(self, texts, **named):
        advance(self, texts, **named)
        updates.append(self.stage)
        in_moment = self.stage.startswith(moment) or (not self.stage and moment.startswith("epoch"))
        if in_moment and updates.count(self.stage) > 4:
            raise Killed

    monkeypatch.setattr(Journal, "advance", dying)
    with pytest.raises(Killed):
        train(tiny_encoder, tmp_path)
    kept = sorted(path.name for path in tmp_path.glob("fold-*.safetensors"))
    assert kept == [
        "fold-1.safetensors",
        *([] if moment.startswith("fold") else ["fold-2.safetensors", "fold-3.safetensors"]),
    ]
    monkeypatch.setattr(Journal, "advance", advance)

    begun = []

    def beginning(self, label, total, **named):
        begun.append(self.stage + label)
        begin(self, label, total, **named)

    monkeypatch.setattr(Journal, "begin", beginning)
    resumed = train(tiny_encoder, tmp_path, resume=True)
    assert not any(label.startswith("fold 1/3") for label in begun)
    np.testing.assert_array_equal(resumed.fitted_decision.held_out.logits, whole.fitted_decision.held_out.logits)
    assert resumed.decision == whole.decision
    # Until its bundle is saved a finished run can be gone on from.
    assert can_go_on(tmp_path)
    delete_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())


def forget_the_last_part(folder):
    for kept in (*folder.glob("checkpoint-*"), folder / "run.json"):
        kept.unlink()


def test_scores_of_another_run_are_not_taken(tiny_encoder, tmp_path, monkeypatch):
    train(tiny_encoder, tmp_path)
    forget_the_last_part(tmp_path)
    stale = (tmp_path / "fold-1.safetensors").read_bytes()
    trained = []
    fit = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda self, *a, **n: (trained.append(1), fit(self, *a, **n))[1])
    Classifier.train(
        rows(90, 7),
        dev=rows(30, 2),
        settings=TrainSettings(encoder=str(tiny_encoder), max_tokens=40, epochs=1, folds=3),
        runtime=open_runtime(device="cpu", precision="float32", threads=1),
        checkpoint_folder=tmp_path,
        resume=True,
    )
    assert len(trained) == 4
    assert (tmp_path / "fold-1.safetensors").read_bytes() != stale
    forget_the_last_part(tmp_path)
    (tmp_path / "fold-1.safetensors").write_bytes(b"half a fi")
    with pytest.raises(FenleiError, match=r"fold-1\.safetensors is damaged") as caught:
        train(tiny_encoder, tmp_path, resume=True)
    assert "delete it" in caught.value.hint


def test_one_fold_is_none():
    with pytest.raises(SettingsError, match="--folds is 1; it must be 2 or more"):
        TrainSettings(folds=1)


def test_a_row_that_stands_there_twice_is_scored_twice(tiny_encoder):
    twice = rows(60, 1)
    twice += twice[:10]
    held_out = Classifier.train(
        twice,
        dev=rows(30, 2),
        settings=TrainSettings(encoder=str(tiny_encoder), max_tokens=40, epochs=1, folds=2),
        runtime=open_runtime(device="cpu", precision="float32", threads=1),
    ).fitted_decision.held_out
    np.testing.assert_allclose(held_out.logits[30:40], held_out.logits[90:], atol=1e-6)
    assert np.abs(held_out.logits).max(axis=1).min() > 0

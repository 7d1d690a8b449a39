"""The head fitted alone: what scikit-learn fits, on what the encoder gives, and a start that training keeps."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from fenlei.journal import Journal
from fenlei.model.build import new_classifier, output_layer
from fenlei.model.classifier import predict_logits
from fenlei.model.losses import LOSS_NAMES, LabelCounts, loss_named
from fenlei.runtime import Runtime
from fenlei.text.batches import pack
from fenlei.text.tokens import TokenTable
from fenlei.train import probe as probe_module
from fenlei.train.dev_judge import DevScore
from fenlei.train.loop import Part
from fenlei.train.probe import fit_head

# Importlib mode has no package of tests: the loop's test module lends its tiny run.
spec = importlib.util.spec_from_file_location("loop_tests", Path(__file__).with_name("test_loop.py"))
loop_tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loop_tests)
run = loop_tests.run

RUNTIME = Runtime(device="cpu", precision="float32", threads=1)
LABELS = ("a", "b", "c")


def drawn(task, rows=120, labels=3, seed=0):
    """Texts of random words, and one word for each of their labels."""
    random = np.random.default_rng(seed)
    right = random.integers(0, labels, size=rows)
    truth = np.eye(labels, dtype=np.uint8)[right]
    if task == "multilabel":
        truth |= random.random(truth.shape) < 0.3
    texts = [
        [2, *random.permutation([*random.integers(30, 60, size=6), *(10 + np.flatnonzero(row))]), 3] for row in truth
    ]
    lengths = np.array([len(text) for text in texts], np.int32)
    return TokenTable(np.concatenate(texts).astype(np.int32), np.concatenate([[0], np.cumsum(lengths)]), lengths), truth


class CountingJournal(Journal):
    """Counts the texts that were read."""

    texts = 0

    def advance(self, texts, *, resumed=False):
        super().advance(texts, resumed=resumed)
        self.texts += texts


def fitted(tiny_encoder, task, table, truth, *, loss=None, pooling=None):
    names = [f"label {number}" for number in range(truth.shape[1])]
    classifier, _ = new_classifier(tiny_encoder, names, task, seed=1, pooling=pooling)
    loss = loss_named(task, loss or LOSS_NAMES[task][0], LabelCounts.of(truth))
    journal = CountingJournal()
    probe = fit_head(classifier, table, csr_array(truth), loss=loss, seed=0, runtime=RUNTIME, journal=journal)
    return classifier, probe, loss, journal.texts


def states_of(classifier, table):
    """What the output layer reads of each text alone."""
    _, layer = output_layer(classifier.network, classifier.num_labels)
    seen = []
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().flatten().numpy()))
    with torch.no_grad():
        for row in range(len(table)):
            classifier.eval()(pack(table, np.array([row])))
    hook.remove()
    return np.array(seen)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_the_head_is_the_logistic_regression_of_scikit_learn(tiny_encoder, pooling):
    table, truth = drawn("multiclass")
    classifier, probe, _, _ = fitted(tiny_encoder, "multiclass", table, truth, pooling=pooling)
    states = states_of(classifier, table)
    centred = states - states.mean(0)
    scaled = centred / np.sqrt((centred**2).sum(1).mean())
    # Penalised bias: a constant input, and no intercept.
    inputs = np.hstack([scaled, np.ones((len(scaled), 1))])
    peer = LogisticRegression(C=probe_module._STRENGTH, fit_intercept=False, tol=1e-8, max_iter=2000)
    expected = inputs @ peer.fit(inputs, truth.argmax(1)).coef_.T
    logits = predict_logits(classifier, table, RUNTIME)
    # A softmax knows logits up to a constant a row.
    np.testing.assert_allclose(
        logits - logits.mean(1, keepdims=True), expected - expected.mean(1, keepdims=True), atol=0.05
    )
    right = torch.from_numpy(truth)
    assert probe.loss == pytest.approx(
        float(torch.nn.functional.cross_entropy(torch.from_numpy(logits), right.argmax(1))), abs=1e-4
    )


@pytest.mark.parametrize(("task", "loss"), [(task, loss) for task, names in LOSS_NAMES.items() for loss in names])
def test_any_loss_is_lower_on_the_fitted_head_than_on_a_random_one(tiny_encoder, task, loss):
    table, truth = drawn(task)
    classifier, probe, measure, texts = fitted(tiny_encoder, task, table, truth, loss=loss)
    random, _ = new_classifier(tiny_encoder, LABELS, task, seed=1)
    before, after = (
        float(measure(torch.from_numpy(predict_logits(one, table, RUNTIME)), torch.from_numpy(truth)).mean())
        for one in (random, classifier)
    )
    assert after < before
    assert probe.loss == pytest.approx(after, abs=1e-4)
    assert texts == 120


def test_only_the_output_layer_changes(tiny_encoder):
    table, truth = drawn("multilabel")
    fresh, _ = new_classifier(tiny_encoder, LABELS, "multilabel", seed=1)
    classifier, _, _, _ = fitted(tiny_encoder, "multilabel", table, truth)
    name, _ = output_layer(fresh.network, 3)
    changed = {
        key
        for key, weight in classifier.network.state_dict().items()
        if not weight.equal(fresh.network.state_dict()[key])
    }
    assert changed == {f"{name}.weight", f"{name}.bias"}


def test_a_label_without_rows_stays_finite_and_low(tiny_encoder):
    table, truth = drawn("multilabel")
    truth[:, 2] = 0
    classifier, _, _, _ = fitted(tiny_encoder, "multilabel", table, truth)
    logits = predict_logits(classifier, table, RUNTIME)
    assert np.isfinite(logits).all()
    assert logits[:, 2].max() < 0


def test_of_very_many_rows_some_are_drawn(tiny_encoder, monkeypatch):
    table, truth = drawn("multilabel")
    monkeypatch.setattr(probe_module, "_MOST_ROWS", 50)
    assert fitted(tiny_encoder, "multilabel", table, truth)[3] == 50
    monkeypatch.setattr(probe_module, "_MOST_CELLS", 90)
    assert fitted(tiny_encoder, "multilabel", table, truth)[3] == 30


@pytest.mark.parametrize("join", ["max", "mean"])
def test_windows_are_joined_as_in_training(tiny_encoder, join):
    table, truth = drawn("multilabel")
    cut = loop_tests.in_windows(Part(table, csr_array(truth)), join).table
    classifier, probe, loss, _ = fitted(tiny_encoder, "multilabel", cut, truth)
    logits = torch.from_numpy(predict_logits(classifier, cut, RUNTIME))
    assert probe.loss == pytest.approx(float(loss(logits, torch.from_numpy(truth)).mean()), abs=1e-4)


def test_the_probe_is_kept_where_training_makes_it_no_better():
    values = iter([0.8, 0.5, 0.4])
    _, found = run(linear_probe=True, judge=lambda logits, truth: DevScore(next(values), "right", False))
    assert found.best_epoch == 0
    assert found.dev_score == 0.8
    assert [shown["dev_score"] for shown in found.history] == [0.8, 0.5, 0.4]


def test_without_epochs_the_probe_is_all():
    whole, found = run(linear_probe=True, epochs=0)
    base = loop_tests.classifier().network.base_model.state_dict()
    assert all(weight.equal(base[name]) for name, weight in whole.network.base_model.state_dict().items())
    assert found.best_epoch == 0
    np.testing.assert_array_equal(predict_logits(whole, loop_tests.part(40, seed=2).table, RUNTIME), found.dev_logits)

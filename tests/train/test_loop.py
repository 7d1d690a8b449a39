"""The loop on a tiny random BERT: it learns, repeats itself to the bit, and accumulates exactly."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
)

from fenlei.errors import FenleiError, SettingsError
from fenlei.journal import Journal
from fenlei.model.build import FreshWeights
from fenlei.model.classifier import EncoderClassifier, predict_logits
from fenlei.model.losses import zlpr
from fenlei.runtime import Runtime
from fenlei.text.tokens import TokenTable
from fenlei.text.windows import Windows
from fenlei.train.checkpoint import Checkpoints
from fenlei.train.config import TrainSettings
from fenlei.train.dev_judge import DevScore
from fenlei.train.loop import Part, fit
from fenlei.train.optimizer import build_optimizer, freeze_lowest, set_rate

FRESH = FreshWeights(frozenset({"classifier.weight", "classifier.bias"}), False)
RUNTIME = Runtime(device="cpu", precision="float32", threads=1)


TINY = {
    "vocab_size": 30,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_labels": 3,
}


def classifier(dropout=0.1):
    torch.manual_seed(0)
    config = BertConfig(
        **TINY,
        max_position_embeddings=32,
        initializer_range=0.2,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return EncoderClassifier(BertForSequenceClassification(config))


def part(rows, seed):
    """Label c is right exactly when token 10 + c occurs."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, size=(rows, 3)).astype(np.uint8)
    texts = []
    for row in truth:
        words = [*random.integers(14, 30, size=random.integers(1, 8)), *(10 + np.flatnonzero(row))]
        texts.append([1, *random.permutation(words), 2])
    lengths = [len(text) for text in texts]
    ids = np.concatenate(texts).astype(np.int32)
    return Part(
        TokenTable(ids, np.concatenate([[0], np.cumsum(lengths)]), np.array(lengths, np.int32)), csr_array(truth)
    )


def in_windows(whole, join, longest=4):
    """The same texts in windows of at most so many tokens: here they share none, and have no special tokens."""
    offsets, firsts = [0], [0]
    for length in whole.table.lengths:
        offsets += [offsets[-1] + min(begin, length) for begin in range(longest, length + longest, longest)]
        firsts.append(len(offsets) - 1)
    windows = Windows(np.array(offsets), np.array(firsts), np.zeros(len(whole.table), int), join)
    return Part(replace(whole.table, windows=windows), whole.truth)


def exact_match(logits, truth):
    return DevScore(float(((logits > 0) == truth).all(1).mean()), "exact", not (logits > 0).any())


def run(model=None, *, journal=None, judge=exact_match, checkpoints=None, resume=False, cut=None, rows=96, **settings):
    model = model or classifier()
    parts = [part(rows, seed=1), part(40, seed=2)]
    if cut:
        parts = [in_windows(one, cut) for one in parts]
    settings = TrainSettings(
        **{"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "head_learning_rate": 3e-3, "linear_probe": False}
        | settings
    )
    freeze_lowest(model, FRESH, settings.freeze_layers)
    if settings.gradient_checkpointing:
        model.recompute_layers()
    fitted = fit(
        model,
        FRESH,
        *parts,
        task="multilabel",
        loss=zlpr,
        judge=judge,
        settings=settings,
        runtime=RUNTIME,
        journal=journal or Journal(),
        checkpoints=checkpoints or Checkpoints(None, {}),
        resume=resume,
    )
    return model, fitted


def test_it_learns_what_can_be_learned(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        model, fitted = run(classifier(dropout=0.0), epochs=20, patience=20, journal=journal)
    assert exact_match(fitted.dev_logits, part(40, seed=2).truth.toarray()).value > 0.9
    # The weights that are left are those that were judged best.
    np.testing.assert_array_equal(predict_logits(model, part(40, seed=2).table, RUNTIME), fitted.dev_logits)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text("utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 21))
    assert lines[-1]["train_loss"] < lines[0]["train_loss"] / 2
    assert max(line["dev_score"] for line in lines) == lines[fitted.best_epoch - 1]["dev_score"]


def test_the_loss_of_an_epoch_is_the_mean_over_all_its_texts():
    still = {"learning_rate": 1e-20, "head_learning_rate": 1e-20}
    _, fitted = run(classifier(dropout=0.0), epochs=2, **still)
    rows = part(96, seed=1)
    logits = torch.from_numpy(predict_logits(classifier(dropout=0.0), rows.table, RUNTIME))
    expected = zlpr(logits, torch.from_numpy(rows.truth.toarray())).mean().item()
    assert [shown["train_loss"] for shown in fitted.history] == pytest.approx([expected] * 2, rel=1e-5)


def test_gradients_are_clipped_to_the_norm():
    """AdamW undoes any factor, but not where it makes gradients small beside its epsilon."""
    start, none = classifier(dropout=0.0).state_dict(), {"epochs": 1, "weight_decay": 0.0}
    free, _ = run(classifier(dropout=0.0), clip_norm=1.0, **none)
    clipped, _ = run(classifier(dropout=0.0), clip_norm=1e-13, **none)
    apart = [
        max(float((weight - start[name]).abs().max()) for name, weight in model.state_dict().items())
        for model in (free, clipped)
    ]
    assert apart[1] < apart[0] / 1000


def test_matrices_decay_and_biases_and_norms_do_not():
    model = classifier()
    optimizer = build_optimizer(model, FRESH, TrainSettings(weight_decay=0.3))
    decayed = {id(one) for group in optimizer.param_groups if group["weight_decay"] == 0.3 for one in group["params"]}
    free = {id(one) for group in optimizer.param_groups if group["weight_decay"] == 0 for one in group["params"]}
    for name, parameter in model.network.named_parameters():
        assert id(parameter) in (free if name.endswith("bias") or "LayerNorm" in name else decayed), name


def test_the_projection_of_embeddings_lies_as_low_as_they():
    model = EncoderClassifier(ElectraForSequenceClassification(ElectraConfig(**TINY, embedding_size=8)))
    freeze_lowest(model, FRESH, 1)
    learns = {name: one.requires_grad for name, one in model.network.named_parameters()}
    assert not learns["electra.embeddings_project.weight"]
    assert not learns["electra.embeddings.word_embeddings.weight"]
    assert not learns["electra.encoder.layer.0.output.dense.weight"]
    assert learns["electra.encoder.layer.1.output.dense.weight"]
    assert learns["classifier.dense.weight"]


def test_the_same_seed_gives_the_same_weights_to_the_bit():
    (first, _), (second, _), (other, _) = run(), run(), run(seed=7)
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert any(
        not torch.equal(a, b) for a, b in zip(first.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("cut", ["max", "mean"])
def test_it_learns_from_windows(cut):
    """A label's token stands in one of a text's windows, so that no window alone has all of its truth."""
    _, fitted = run(classifier(dropout=0.0), epochs=20, patience=20, cut=cut, rows=384)
    assert exact_match(fitted.dev_logits, part(40, seed=2).truth.toarray()).value > 0.9


@pytest.mark.parametrize(("fgm", "cut"), [(0.0, None), (0.5, None), (0.5, "max"), (0.5, "mean")])
def test_an_update_accumulated_over_several_runs_is_the_same_update(fgm, cut):
    whole, _ = run(classifier(dropout=0.0), epochs=1, fgm=fgm, cut=cut)
    parts, _ = run(classifier(dropout=0.0), epochs=1, fgm=fgm, cut=cut, tokens_per_batch=20)
    for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        if name.endswith("key.bias"):
            continue  # its gradient is zero but for rounding, which Adam blows up to full steps
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def test_of_equal_dev_scores_the_lower_loss_wins():
    _, fitted = run(epochs=4, patience=9, judge=lambda logits, truth: DevScore(0.5, "planned", False))
    assert fitted.best_epoch == 4  # the loss still falls on this task


def test_training_stops_when_dev_no_longer_improves_and_keeps_the_best():
    values = iter([0.5, 0.7, 0.6, 0.69, 0.6, 0.9])
    still = {"learning_rate": 1e-20, "head_learning_rate": 1e-20}  # the loss stays the same to the bit
    _, fitted = run(epochs=6, patience=3, judge=lambda logits, truth: DevScore(next(values), "planned", False), **still)
    assert (fitted.best_epoch, len(fitted.history)) == (2, 5)


def test_a_probe_that_training_falls_behind_does_not_stop_it():
    values = iter([0.6, 0.4, 0.45, 0.5, 0.55, 0.65])
    still = {"learning_rate": 1e-20, "head_learning_rate": 1e-20}
    judge = lambda logits, truth: DevScore(next(values), "planned", False)  # noqa: E731
    _, fitted = run(epochs=5, patience=1, linear_probe=True, judge=judge, **still)
    assert (fitted.best_epoch, [shown["epoch"] for shown in fitted.history]) == (5, [0, 1, 2, 3, 4, 5])


def test_training_goes_on_while_the_dev_loss_falls():
    values = iter([0.5, 0.7, 0.6, 0.69, 0.6, 0.9])
    _, fitted = run(epochs=6, patience=1, judge=lambda logits, truth: DevScore(next(values), "planned", False))
    assert (fitted.best_epoch, len(fitted.history)) == (6, 6)


def test_too_little_memory_is_told_with_what_needs_less(monkeypatch):
    from fenlei.train.update import Gradients

    monkeypatch.setattr(Gradients, "add", lambda self, batches: torch.empty(1 << 60))
    with pytest.raises(FenleiError, match="there is too little memory on cpu") as caught:
        run()
    assert "--tokens-per-batch 2048" in caught.value.hint


def test_a_classifier_that_predicts_nothing_is_warned_of(capsys):
    from rich.console import Console

    judge = lambda logits, truth: DevScore(0.0, "micro-F1", True)  # noqa: E731
    run(epochs=1, journal=Journal(console=Console(file=None, width=200)), judge=judge)
    told = capsys.readouterr().out
    assert "warning: the classifier predicts no label for any dev text; if this stays so, lower --learning-rate" in told
    run(epochs=0, linear_probe=True, journal=Journal(console=Console(file=None, width=200)), judge=judge)
    assert "any dev text; the linear probe alone is too little here: leave out --epochs 0" in capsys.readouterr().out


def test_a_loss_that_is_no_number_ends_the_run():
    model = classifier()
    with torch.no_grad():
        model.network.classifier.bias.fill_(torch.nan)
    with pytest.raises(FenleiError, match="the training loss became nan in epoch 1") as caught:
        run(model)
    assert "--learning-rate" in caught.value.hint


# Everything that changes an update, each beside dropout.
REGULARISERS = [
    {"fgm": 1.0},
    {"awp": 0.01},
    {"rdrop": 1.0},
    {"head_samples": 3},
    {"ema": 0.9},
    {"layer_decay": 0.5},
    {"freeze_layers": 1},
    {"schedule": "cosine"},
    {"fgm": 0.5, "awp": 0.01, "rdrop": 1.0, "head_samples": 2, "ema": 0.9, "average_best": 2},
]


@pytest.mark.parametrize("settings", REGULARISERS, ids=str)
def test_a_regulariser_learns_otherwise_and_repeats_itself(settings):
    plain, _ = run(epochs=1)
    other, _ = run(epochs=1, **settings)
    again, _ = run(epochs=1, **settings)
    for a, b in zip(other.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(other.network.classifier.weight, plain.network.classifier.weight)


def test_rdrop_adds_the_divergence_of_two_answers():
    """Without dropout both answers are the same, and nothing is added."""
    plain, _ = run(classifier(dropout=0.0), epochs=1)
    twice, _ = run(classifier(dropout=0.0), epochs=1, rdrop=1.0)
    torch.testing.assert_close(plain.network.classifier.weight, twice.network.classifier.weight, atol=1e-4, rtol=1e-3)


def test_the_average_is_what_dev_judges_and_what_is_kept():
    """One epoch of 12 updates: the average by hand from the weights after each."""
    seen = []

    class Watching(Journal):
        def advance(self, texts, *, resumed=False):
            if texts and not resumed and model.training:
                seen.append({name: weight.clone() for name, weight in model.state_dict().items()})

    model = classifier()
    average = {name: weight.clone() for name, weight in model.state_dict().items()}
    run(model, epochs=1, ema=0.8, journal=Watching())
    assert len(seen) == 12
    for update, weights in enumerate(seen, 1):
        share = 1 - min(0.8, (1 + update) / (10 + update))
        average = {name: (1 - share) * average[name] + share * weights[name] for name in average}
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, average[name], msg=lambda m, n=name: f"{n}: {m}")
    assert not torch.equal(model.network.classifier.weight, seen[-1]["network.classifier.weight"])


def test_the_best_epochs_are_averaged_where_dev_gets_no_worse():
    ranks = iter([0.5, 0.7, 0.6, 0.8, 0.4, 0.8])
    _, fitted = run(
        epochs=3,
        average_best=3,
        judge=lambda logits, truth: DevScore(next(ranks), "planned", False),
    )
    # Epochs by rank 2, 3, 1; with 3 the mean is judged 0.8, with 1 as well 0.4, then the mean of 2 and 3 once more.
    assert fitted.averaged == [2, 3]


def test_frozen_layers_stay_as_they_were():
    model, _ = run(epochs=1, freeze_layers=1)
    before = classifier().state_dict()
    stayed = {name for name, weight in model.state_dict().items() if torch.equal(weight, before[name])}
    assert all(name in stayed for name in before if ".embeddings." in name or ".layer.0." in name)
    assert not any(name in stayed for name in before if ".layer.1." in name and not name.endswith("key.bias"))


@pytest.mark.parametrize("more", [{}, {"gradient_checkpointing": True, "rdrop": 1.0, "awp": 0.01}], ids=str)
def test_with_all_layers_frozen_the_head_learns_alone(more):
    model, _ = run(epochs=1, freeze_layers=2, **more)
    before = classifier().state_dict()
    learned = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert learned == {"network.classifier.weight", "network.classifier.bias"}


def test_more_frozen_layers_than_there_are_is_an_error():
    with pytest.raises(SettingsError, match="--freeze-layers is 3; this encoder has 2 layers"):
        freeze_lowest(classifier(), FRESH, 3)


def test_fgm_needs_embeddings_that_learn():
    with pytest.raises(SettingsError, match="--fgm needs word embeddings that learn"):
        run(fgm=1.0, freeze_layers=1)


def test_lower_layers_learn_at_a_lower_rate():
    model = classifier()
    settings = TrainSettings(learning_rate=1e-3, head_learning_rate=5e-3, layer_decay=0.5)
    optimizer = build_optimizer(model, FRESH, settings)
    names = {id(parameter): name for name, parameter in model.network.named_parameters()}
    rates = {names[id(one)]: group["peak"] for group in optimizer.param_groups for one in group["params"]}
    assert rates["classifier.weight"] == 5e-3
    assert rates["bert.pooler.dense.weight"] == rates["bert.encoder.layer.1.output.dense.weight"] == 1e-3
    assert rates["bert.encoder.layer.0.output.dense.weight"] == 5e-4
    assert rates["bert.embeddings.word_embeddings.weight"] == 2.5e-4


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [1.0, 2.0, 2.0, 1.75, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [1.0, 2.0, *(1 + np.cos(np.pi * np.arange(8) / 8))]),
        ("constant", [1.0, *[2.0] * 9]),
    ],
)
def test_the_rate_follows_its_schedule(schedule, expected):
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": 0.0, "peak": 2.0}])
    rates = []
    for update in range(10):
        set_rate(optimizer, update, 10, 0.2, schedule)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx(expected)


def test_progress_never_runs_past_its_total():
    """Also when the means of the best epochs are judged after the last one."""

    class Counting(Journal):
        told = ()

        def begin(self, label, total, *, later=0, rest=0.0):
            self.counted, self.bound = 0, total
            if label.startswith("epoch"):
                self.told += ((later // total, rest > 0),)

        def advance(self, texts, *, resumed=False):
            self.counted += texts
            assert self.counted <= self.bound

    ranks, counting = iter([0.5, 0.7, 0.6, 0.8, 0.4, 0.8]), Counting()
    run(
        epochs=3,
        average_best=3,
        journal=counting,
        judge=lambda logits, truth: DevScore(next(ranks), "planned", False),
    )
    # The epochs to come, and whether the time that dev takes is known.
    assert counting.told == ((2, False), (1, True), (0, True))


def test_rates_cannot_fall_from_layer_to_layer_where_all_layers_are_one():
    albert = EncoderClassifier(AlbertForSequenceClassification(AlbertConfig(**TINY, embedding_size=8)))
    with pytest.raises(SettingsError, match="--layer-decay is 0.5; the layers of this encoder share their weights"):
        build_optimizer(albert, FRESH, TrainSettings(layer_decay=0.5))
    assert build_optimizer(albert, FRESH, TrainSettings()).param_groups

"""Windows of long texts, packed, against each window run alone and joined by hand; and no change where none is long."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from fenlei.model.classifier import predict_logits, predict_windows
from fenlei.text.batches import PackedBatch, pack, training_batches
from fenlei.text.tokens import TokenTable
from fenlei.text.windows import Windows

# Importlib mode has no package of tests: its neighbour lends its tiny networks.
spec = importlib.util.spec_from_file_location("packed", Path(__file__).with_name("test_packed_execution.py"))
packed = importlib.util.module_from_spec(spec)
spec.loader.exec_module(packed)

TEXTS = [[20, 21, 20], [5], [30, 30], [9, 2, 9, 9], [17]]


def table_of(texts, join):
    lengths = [length for text in texts for length in text]
    ids = np.random.default_rng(0).integers(1, packed.SIZES["vocab_size"], size=sum(lengths)).astype(np.int32)
    offsets, firsts = np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([[0], np.cumsum([*map(len, texts)])])
    full = np.array([*map(sum, texts)], np.int32)
    return TokenTable(ids, offsets[firsts], full, None, Windows(offsets, firsts, np.zeros(len(texts), int), join))


def alone(classifier, table, row):
    """(windows of the text, C) logits by the class's own padded forward pass, one window at a time."""
    offsets = table.windows.offsets
    return torch.cat(
        [
            classifier._padded(
                PackedBatch(
                    table.ids[offsets[w] : offsets[w + 1]].astype(np.int64),
                    offsets[w + 1 : w + 2] - offsets[w],
                    np.zeros(1, int),
                )
            )
            for w in range(*table.windows.firsts[row : row + 2])
        ]
    )


@pytest.mark.parametrize("join", ["max", "mean"])
@pytest.mark.parametrize(
    ("model_type", "pooling"),
    [("bert", "first"), ("bert", "mean"), ("albert", "mean"), ("electra", "first"), ("roformer", "first")],
)
def test_logits_and_gradients_are_those_of_each_window_alone(model_type, pooling, join):
    classifier = packed.tiny(model_type, pooling)
    assert (classifier.padded_because is None) == (model_type != "roformer")
    table = table_of(TEXTS, join)
    weights = torch.linspace(-1, 1, len(TEXTS) * packed.SIZES["num_labels"]).view(len(TEXTS), -1)

    batch = pack(table, np.array([3, 0, 4, 1, 2]))
    logits = classifier(batch)
    (logits * weights[batch.rows]).sum().backward()
    gradients = {name: p.grad.clone() for name, p in classifier.named_parameters() if p.grad is not None}
    classifier.zero_grad()
    classifier.network.set_attn_implementation("sdpa")
    each = [alone(classifier, table, row) for row in range(len(TEXTS))]
    expected = torch.stack([part.amax(0) if join == "max" else part.mean(0) for part in each])
    (expected * weights).sum().backward()

    torch.testing.assert_close(logits, expected[batch.rows], atol=1e-5, rtol=1e-5)
    for name, parameter in classifier.named_parameters():
        if parameter.grad is None:
            assert name not in gradients or not gradients[name].any(), name
            continue
        scale = parameter.grad.abs().max().clamp_min(1.0)
        torch.testing.assert_close(
            gradients[name] / scale,
            parameter.grad / scale,
            atol=1e-5,
            rtol=1e-5,
            msg=lambda m, n=name: f"{n}: {m}",
        )


@pytest.mark.parametrize("join", ["max", "mean"])
@pytest.mark.parametrize("budget", [1, 60, 10_000])
def test_prediction_names_the_window_with_the_highest_logit(join, budget):
    classifier, table = packed.tiny("bert"), table_of(TEXTS, join)
    logits, highest = predict_windows(classifier, table, packed.FLOAT32, max_tokens=budget)
    np.testing.assert_array_equal(logits, predict_logits(classifier, table, packed.FLOAT32, max_tokens=budget))
    classifier.network.set_attn_implementation("sdpa")
    for row in range(len(TEXTS)):
        each = alone(classifier, table, row).detach()
        expected = each.amax(0) if join == "max" else each.mean(0)
        np.testing.assert_allclose(logits[row], expected, atol=1e-5)
        assert highest[row].tolist() == each.argmax(0).tolist()


def test_where_no_text_is_long_batches_and_logits_are_the_same_to_the_bit():
    """Also beside long texts: a batch that has none of them is as if there were none at all."""
    short = packed.table_of([5, 17, 5, 1, 30, 17, 8, 9, 10, 11])
    counts = np.ones(len(short), int)
    marked = TokenTable(
        short.ids,
        short.offsets,
        short.full_lengths,
        None,
        Windows(short.offsets, np.concatenate([[0], np.cumsum(counts)]), counts - 1, "max"),
    )
    classifier = packed.tiny("bert")
    for one, other in zip(*(batches_of(table) for table in (short, marked)), strict=True):
        assert other.windows is None
        for name in ("ids", "lengths", "rows"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert torch.equal(classifier(one), classifier(other))
    np.testing.assert_array_equal(*(predict_logits(classifier, table, packed.FLOAT32) for table in (short, marked)))
    assert predict_windows(classifier, short, packed.FLOAT32)[1] is None


def batches_of(table):
    updates = training_batches(table, batch_size=4, max_tokens=40, seed=1, epoch=1)
    return [batch for update in updates for batch in update]

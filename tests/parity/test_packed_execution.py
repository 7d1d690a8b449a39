"""Packed execution against the class's own padded forward pass, on tiny random networks, in float32."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from fenlei.encoders import attention
from fenlei.encoders.attention import packed_attention
from fenlei.encoders.packing import Packing
from fenlei.model.classifier import EncoderClassifier, predict_logits
from fenlei.model.mean_pooled import MeanPooledNetwork
from fenlei.runtime import Runtime
from fenlei.text.batches import PackedBatch
from fenlei.text.tokens import TokenTable

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "embedding_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "num_labels": 5,
    "pad_token_id": 0,
}
FLOAT32 = Runtime(device="cpu", precision="float32", threads=1)


def tiny(model_type, pooling="first", **more):
    torch.manual_seed(0)
    network = AutoModelForSequenceClassification.from_config(CONFIG_MAPPING[model_type](**SIZES | more))
    if pooling == "mean":
        network = MeanPooledNetwork(network.base_model, SIZES["num_labels"])
    for parameter in network.parameters():
        # The stock 0.02 would leave attention nearly uniform, and a leak between texts hard to see.
        torch.nn.init.normal_(parameter, std=0.15)
    return EncoderClassifier(network).eval()


def table_of(lengths, seed=0):
    ids = np.random.default_rng(seed).integers(1, SIZES["vocab_size"], size=sum(lengths)).astype(np.int32)
    return TokenTable(ids, np.concatenate([[0], np.cumsum(lengths)]), np.array(lengths, np.int32))


def batch_of(lengths, seed=0):
    ids = np.random.default_rng(seed).integers(1, SIZES["vocab_size"], size=sum(lengths))
    return PackedBatch(ids, np.array(lengths), np.arange(len(lengths)))


PACKED = ["bert", "albert", "electra", "ernie", "roberta", "xlm-roberta"]
# Equal lengths, nearly equal ones (which share a padded run), and very different ones.
RAGGED = [[7, 7, 7], [1, 2, 9, 10, 10, 11, 30], [20, 21, 21, 22], [2, 17, 30, 33]]


@pytest.mark.parametrize("model_type", PACKED)
@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("lengths", RAGGED, ids=str)
def test_packed_logits_and_gradients_equal_padded_ones(model_type, pooling, lengths):
    classifier = tiny(model_type, pooling)
    assert classifier.padded_because is None
    batch = batch_of(lengths)
    weights = torch.linspace(-1, 1, len(lengths) * SIZES["num_labels"]).view(len(lengths), -1)

    packed = classifier(batch)
    (packed * weights).sum().backward()
    gradients = {name: p.grad.clone() for name, p in classifier.named_parameters() if p.grad is not None}
    classifier.zero_grad()
    classifier.network.set_attn_implementation("sdpa")
    padded = classifier._padded(batch)
    (padded * weights).sum().backward()

    torch.testing.assert_close(packed, padded, atol=1e-5, rtol=1e-5)
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


@pytest.mark.parametrize("model_type", ["roformer", "deberta-v2", "modernbert", "distilbert"])
def test_classes_that_cannot_run_packed_are_padded_and_say_so(model_type):
    more = {"modernbert": {"global_attn_every_n_layers": 1}}.get(model_type, {})
    classifier = tiny(model_type, **more)
    assert model_type in classifier.padded_because
    together = classifier(batch_of([4, 9]))
    ids = batch_of([4, 9]).ids
    alone = torch.cat(
        [classifier(PackedBatch(part, np.array([len(part)]), np.zeros(1, int))) for part in (ids[:4], ids[4:])]
    )
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_a_class_that_drops_the_boundaries_is_found_out(monkeypatch):
    from fenlei.model import classifier as module

    # RoFormer takes the keyword and ignores it: exactly what the proof is for.
    monkeypatch.setitem(module._HEADS, "roformer", lambda network, first: network.classifier(first))
    assert "differ by" in tiny("roformer").padded_because


@pytest.mark.parametrize(
    ("model_type", "more", "reason"),
    [
        # Turns what it projected by the tokens' positions.
        ("esm", {"position_embedding_type": "rotary", "token_dropout": False, "mask_token_id": 3}, "differ by"),
        # Its lower layers see 128 tokens at a time.
        ("modernbert", {}, "see only a window"),
    ],
)
def test_an_encoder_that_attends_otherwise_runs_padded(model_type, more, reason):
    classifier = tiny(model_type, "mean", max_position_embeddings=300, **more)
    assert reason in classifier.padded_because
    batch = batch_of([5, 100, 250])
    with torch.no_grad():
        found = classifier(batch)
        classifier.network.set_attn_implementation("eager")
        torch.testing.assert_close(found, classifier._padded(batch), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("lengths", RAGGED, ids=str)
def test_pytorch_s_own_kernel_answers_alike(lengths, monkeypatch):
    """Where only answers are wanted; here in float32, whatever the machine."""
    classifier, batch = tiny("bert"), batch_of(lengths)
    called = []
    flash = attention._flash_attention
    monkeypatch.setattr(attention, "_flash_attention", lambda *given: (called.append(given), flash(*given))[1])
    with torch.no_grad():
        monkeypatch.setattr(attention, "_flash_is_quicker", lambda dtype: False)
        expected = classifier(batch)
        assert not called
        monkeypatch.setattr(attention, "_flash_is_quicker", lambda dtype: True)
        torch.testing.assert_close(classifier(batch), expected, atol=1e-5, rtol=1e-5)
        assert called
    called.clear()
    classifier(batch)
    classifier.train()
    with torch.no_grad():
        classifier(batch)
    assert not called  # with a gradient or dropout to come


@pytest.mark.parametrize("model_type", PACKED)
def test_order_and_batch_size_change_no_logit(model_type):
    classifier = tiny(model_type)
    table = table_of([5, 17, 5, 1, 30, 17, 8, 9, 10, 11])
    reference = predict_logits(classifier, table, FLOAT32, max_tokens=10_000)
    order = np.random.default_rng(1).permutation(len(table))
    shuffled = TokenTable(
        np.concatenate([table[row] for row in order]),
        np.concatenate([[0], np.cumsum(table.lengths[order])]),
        table.full_lengths[order],
    )
    for budget in (1, 20, 40):
        np.testing.assert_allclose(
            predict_logits(classifier, shuffled, FLOAT32, max_tokens=budget), reference[order], atol=1e-5
        )


@pytest.mark.parametrize("model_type", PACKED)
def test_pairs_packed_equal_each_alone(model_type):
    """RoBERTa and XLM-R of these sizes know one or two types, as their configuration says."""
    classifier = tiny(model_type)
    batch = batch_of([4, 9, 9, 20])
    begins = np.array([2, 0, 5, 11])
    types = np.concatenate(
        [(np.arange(n) >= at) & (at > 0) for n, at in zip(batch.lengths, begins, strict=True)]
    ).astype(np.int64)
    pairs = PackedBatch(batch.ids, batch.lengths, batch.rows, types)
    packed = classifier(pairs)
    classifier.network.set_attn_implementation("sdpa")
    torch.testing.assert_close(packed, classifier._padded(pairs), atol=1e-5, rtol=1e-5)
    knows_types = classifier.network.config.type_vocab_size > 1
    assert torch.allclose(packed, classifier._padded(batch), atol=1e-6) != knows_types


@pytest.mark.parametrize("lengths", RAGGED, ids=str)
@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_the_backward_pass_of_attention_is_its_derivative(lengths, dropout):
    """Against finite differences in float64, the same elements dropped each time."""
    packing = Packing.of(np.array(lengths), torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    states = [
        torch.randn(
            1, packing.position_ids.shape[1], 2, 3, generator=generator, dtype=torch.float64, requires_grad=True
        )
        for _ in range(3)
    ]

    def attention(*states):
        torch.manual_seed(0)
        heads_first = (one.transpose(1, 2) for one in states)
        return packed_attention(torch.nn.Identity(), *heads_first, None, packing=packing, scaling=0.7, dropout=dropout)[
            0
        ]

    assert torch.autograd.gradcheck(attention, states, fast_mode=True)


def test_attention_drops_weights_and_keeps_their_mean():
    """Over values that are all 1, an output is the sum of the weights that were kept."""
    packing = Packing.of(np.array([20, 30, 30, 31]), torch.device("cpu"))
    torch.manual_seed(0)
    states = torch.zeros(1, 4, 112, 8)
    sums = [
        packed_attention(
            torch.nn.Identity(), states, states, torch.ones_like(states), None, packing=packing, scaling=1, dropout=0.1
        )[0][0, :111]
        for _ in range(100)
    ]
    assert float(torch.stack(sums).mean()) == pytest.approx(1, abs=0.005)
    assert float(torch.stack(sums).std()) > 0.05

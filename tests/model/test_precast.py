"""Matrices cast once for prediction: the logits of autocast to the bit, and nothing of the classifier changes."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from fenlei.model import precast
from fenlei.model.classifier import EncoderClassifier, predict_logits
from fenlei.model.mean_pooled import MeanPooledNetwork
from fenlei.model.precast import for_prediction
from fenlei.runtime import Runtime
from fenlei.text.tokens import TokenTable

BFLOAT16 = Runtime(device="cpu", precision="bfloat16", threads=1)
FLOAT32 = Runtime(device="cpu", precision="float32", threads=1)
LENGTHS = [3, 9, 10, 25]


def tiny(model_type, pooling="first", **more):
    torch.manual_seed(0)
    config = CONFIG_MAPPING[model_type](
        vocab_size=60,
        hidden_size=32,
        embedding_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=40,
        num_labels=5,
        pad_token_id=0,
        **({"hidden_act": "gelu"} | more),
    )
    network = AutoModelForSequenceClassification.from_config(config)
    return EncoderClassifier(MeanPooledNetwork(network.base_model, 5) if pooling == "mean" else network)


def table():
    ids = np.random.default_rng(0).integers(1, 60, size=sum(LENGTHS)).astype(np.int32)
    return TokenTable(ids, np.concatenate([[0], np.cumsum(LENGTHS)]), np.array(LENGTHS, np.int32))


@pytest.mark.parametrize("lays_out", [False, True])
@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("model_type", ["bert", "albert", "electra", "roberta"])
def test_logits_are_those_of_autocast_to_the_bit(model_type, pooling, lays_out, monkeypatch):
    if not lays_out:
        monkeypatch.setattr(precast, "_lays_out", lambda runtime: False)
    elif not precast._lays_out(BFLOAT16):
        pytest.skip("this machine has no bfloat16 that oneDNN knows")
    classifier = tiny(model_type, pooling)
    ready = for_prediction(classifier, BFLOAT16)
    assert len(list(ready.network.base_model.parameters())) < len(list(classifier.network.base_model.parameters()))
    expected = predict_logits(classifier, table(), BFLOAT16)
    np.testing.assert_array_equal(predict_logits(ready, table(), BFLOAT16), expected)


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra"])
def test_gelu_by_tanh_is_taken_within_the_product_and_errs_as_rounding_does(model_type, monkeypatch):
    wide = {"initializer_range": 0.3}  # so that what GELU makes of it shows in the logits
    classifier = tiny(model_type, hidden_act="gelu_new", **wide)
    autocast = predict_logits(classifier, table(), BFLOAT16)
    with monkeypatch.context() as without:
        without.setattr(precast, "_lays_out", lambda runtime: False)
        np.testing.assert_array_equal(predict_logits(for_prediction(classifier, BFLOAT16), table(), BFLOAT16), autocast)
    if not precast._lays_out(BFLOAT16):
        pytest.skip("this machine has no bfloat16 that oneDNN knows")
    ready = for_prediction(classifier, BFLOAT16)
    taken = [module for module in ready.modules() if getattr(module, "gelu_by_tanh", False)]
    assert len(taken) == (1 if model_type == "albert" else 2)  # ALBERT's layers are one
    exact = predict_logits(classifier, table(), FLOAT32)
    found = predict_logits(ready, table(), BFLOAT16)
    assert np.abs(found - exact).mean() < 2 * np.abs(autocast - exact).mean()
    assert np.abs(found - exact).max() < 0.1
    # What is left out, or taken twice, is seen.
    assert np.abs(predict_logits(tiny(model_type, hidden_act="linear", **wide), table(), FLOAT32) - exact).max() > 1


def test_only_matrices_of_the_encoder_are_made_anew_and_the_classifier_keeps_its_own():
    classifier = tiny("bert")
    ready = for_prediction(classifier, BFLOAT16)
    own = dict(classifier.named_parameters())
    assert {weight.dtype for weight in own.values()} == {torch.float32}
    kept = dict(ready.named_parameters())
    assert all(weight is own[name] for name, weight in kept.items())
    assert {name.rsplit(".", 1)[0] for name in own.keys() - kept.keys()} == {
        name for name, layer in classifier.named_modules() if isinstance(layer, torch.nn.Linear) and ".encoder." in name
    }


def test_it_predicts_in_evaluation_mode():
    classifier = tiny("bert").train()
    assert not any(module.training for module in for_prediction(classifier, BFLOAT16).modules())


def test_in_float32_and_padded_there_is_nothing_to_cast():
    classifier = tiny("bert")
    assert for_prediction(classifier, FLOAT32) is classifier
    classifier.padded_because = "for this test"
    assert for_prediction(classifier, BFLOAT16) is classifier

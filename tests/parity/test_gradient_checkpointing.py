"""Layers that are run again for the backward pass against layers that keep all they computed: equal to the bit."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from fenlei import Classifier, Example, SettingsError, TrainSettings, open_runtime
from fenlei.model.classifier import EncoderClassifier
from fenlei.runtime import Runtime
from fenlei.text.batches import PackedBatch


def tiny(model_type):
    torch.manual_seed(0)
    config = CONFIG_MAPPING[model_type](
        vocab_size=60,
        hidden_size=32,
        embedding_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=40,
        pad_token_id=0,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
    )
    return EncoderClassifier(AutoModelForSequenceClassification.from_config(config)).train()


def update(classifier, precision):
    """The gradients of one update accumulated over two batches, and the random numbers that come after it."""
    torch.manual_seed(1)
    random = np.random.default_rng(0)
    for lengths in ([7, 7, 7], [1, 2, 9, 10, 10, 11, 30]):
        batch = PackedBatch(random.integers(1, 60, sum(lengths)), np.array(lengths), np.arange(len(lengths)))
        with Runtime(device="cpu", precision=precision, threads=1).autocast():
            logits = classifier(batch)
        logits.square().sum().backward()
    return {name: one.grad for name, one in classifier.named_parameters() if one.grad is not None}, torch.rand(3)


@pytest.mark.parametrize("model_type", ["bert", "electra", "ernie", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gradients_are_the_same_dropout_included(model_type, precision):
    kept, recomputed = tiny(model_type), tiny(model_type)
    assert kept.padded_because is None
    recomputed.recompute_layers()
    runs = []
    for module in recomputed.modules():
        if type(module).__name__.endswith("Intermediate"):
            module.register_forward_hook(lambda *_: runs.append(1))
    expected, next_numbers = update(kept, precision)
    found, next_found = update(recomputed, precision)
    assert len(runs) == 3 * 2 * 2  # layers, batches, and each of them twice
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert torch.equal(found[name], gradient), name
    assert torch.equal(next_found, next_numbers)


def test_frozen_layers_are_not_passed_through():
    classifier = tiny("bert")
    for parameter in classifier.network.bert.embeddings.parameters():
        parameter.requires_grad_(False)
    classifier.recompute_layers()
    states = []
    classifier.network.bert.embeddings.register_forward_hook(lambda module, inputs, output: states.append(output))
    update(classifier, "float32")
    assert not any(one.requires_grad for one in states)


def test_an_encoder_without_it_is_refused():
    with pytest.raises(SettingsError, match="--gradient-checkpointing: transformers has none for AlbertModel"):
        tiny("albert").recompute_layers()


def test_a_training_run_with_it_ends_with_the_same_weights(tiny_encoder):
    rows = [Example(str(n), f"{n}号{'好' if n % 2 else '坏'}消息", ("好",) if n % 2 else ("坏",)) for n in range(60)]

    def logits(**more):
        trained = Classifier.train(
            rows[:40],
            dev=rows[40:],
            settings=TrainSettings(encoder=str(tiny_encoder), max_tokens=40, epochs=2, learning_rate=3e-3, **more),
            runtime=open_runtime(device="cpu", precision="float32", threads=1),
        )
        return trained.logits([row.text for row in rows])

    assert np.array_equal(logits(), logits(gradient_checkpointing=True))

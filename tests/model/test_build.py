import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fenlei.errors import EncoderError
from fenlei.model.build import load_classifier, new_classifier, set_output_bias
from fenlei.model.classifier import predict_logits
from fenlei.runtime import Runtime
from fenlei.text.tokens import TokenTable

LABELS = ("体育", "医药", "财经")
FLOAT32 = Runtime(device="cpu", precision="float32", threads=1)


def edited(source, target, drop=(), add=None):
    """A copy of the encoder folder with weights dropped or added."""
    shutil.copytree(source, target)
    weights = load_file(target / "model.safetensors")
    weights = {name: w.clone() for name, w in weights.items() if not any(part in name for part in drop)}
    save_file(weights | (add or {}), target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_label_names_and_task_go_into_the_configuration(tiny_encoder):
    classifier, fresh = new_classifier(tiny_encoder, LABELS, "multilabel", seed=0)
    config = classifier.network.config
    assert config.id2label == {0: "体育", 1: "医药", 2: "财经"}
    assert config.problem_type == "multi_label_classification"
    assert fresh.names == {"classifier.weight", "classifier.bias"}
    assert not fresh.identity_pooler
    assert classifier.max_tokens == 64


def test_pretrained_weights_are_taken_to_the_bit_and_fresh_ones_follow_the_seed(tiny_encoder):
    first, _ = new_classifier(tiny_encoder, LABELS, "multiclass", seed=1)
    again, _ = new_classifier(tiny_encoder, LABELS, "multiclass", seed=1)
    other, _ = new_classifier(tiny_encoder, LABELS, "multiclass", seed=2)
    for name, weight in load_file(tiny_encoder / "model.safetensors").items():
        assert torch.equal(first.network.state_dict()[f"bert.{name}"], weight), name
    assert torch.equal(first.network.classifier.weight, again.network.classifier.weight)
    assert not torch.equal(first.network.classifier.weight, other.network.classifier.weight)


def test_an_encoder_without_a_pooler_gets_the_identity(tiny_encoder, tmp_path):
    folder = edited(tiny_encoder, tmp_path / "no_pooler", drop=["pooler"])
    classifier, fresh = new_classifier(folder, LABELS, "multilabel", seed=0, pooling="first")
    pooler = classifier.network.bert.pooler.dense
    assert fresh.identity_pooler
    assert torch.equal(pooler.weight, torch.eye(32))
    assert not pooler.bias.any()
    assert {"bert.pooler.dense.weight", "bert.pooler.dense.bias"} <= fresh.names


def test_where_there_is_no_pooler_the_mean_is_the_default(tiny_encoder, tmp_path):
    folder = edited(tiny_encoder, tmp_path / "no_pooler", drop=["pooler"])
    classifier, fresh = new_classifier(folder, LABELS, "multilabel", seed=0)
    assert classifier.pooling == "mean"
    assert fresh.names == {"classifier.weight", "classifier.bias"}
    assert not any("pooler" in name for name, _ in classifier.named_parameters())
    assert new_classifier(tiny_encoder, LABELS, "multilabel", seed=0)[0].pooling == "first"


def test_a_missing_weight_is_an_error_and_not_a_random_layer(tiny_encoder, tmp_path):
    folder = edited(tiny_encoder, tmp_path / "torn", drop=["layer.1.attention.self.query.weight"])
    with pytest.raises(
        EncoderError, match=r"1 weights of BertForSequenceClassification are missing or of another shape"
    ):
        new_classifier(folder, LABELS, "multilabel", seed=0)


def test_a_weight_of_another_shape_is_an_error(tiny_encoder, tmp_path):
    folder = edited(tiny_encoder, tmp_path / "odd", add={"embeddings.position_embeddings.weight": torch.zeros(32, 32)})
    with pytest.raises(EncoderError, match=r"another shape, e\.g\. bert\.embeddings\.position_embeddings\.weight"):
        new_classifier(folder, LABELS, "multilabel", seed=0)


def test_a_folder_that_transformers_cannot_read_is_named(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "strange")
    (tmp_path / "strange" / "config.json").write_text(json.dumps({"model_type": "no-such-model"}))
    with pytest.raises(EncoderError, match="transformers cannot load the encoder in"):
        new_classifier(tmp_path / "strange", LABELS, "multilabel", seed=0)


def test_frozen_parameters_of_the_configuration_stay_frozen(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "frozen")
    config = json.loads((tmp_path / "frozen" / "config.json").read_text())
    config["fenlei_frozen_parameters"] = ["embeddings.word_embeddings"]
    (tmp_path / "frozen" / "config.json").write_text(json.dumps(config))
    classifier, _ = new_classifier(tmp_path / "frozen", LABELS, "multilabel", seed=0)
    frozen = [name for name, parameter in classifier.network.named_parameters() if not parameter.requires_grad]
    assert frozen == ["bert.embeddings.word_embeddings.weight"]


def test_a_saved_classifier_gives_the_same_logits(tiny_encoder, tmp_path):
    classifier, _ = new_classifier(tiny_encoder, LABELS, "multilabel", seed=0)
    set_output_bias(classifier, np.array([0.5, -0.5, 2.0]))
    classifier.network.save_pretrained(tmp_path / "saved")
    table = TokenTable(np.arange(2, 22, dtype=np.int32), np.array([0, 8, 20]), np.array([8, 12], np.int32))
    expected = predict_logits(classifier, table, FLOAT32)
    np.testing.assert_array_equal(predict_logits(load_classifier(tmp_path / "saved"), table, FLOAT32), expected)


def test_a_saved_classifier_without_its_head_is_refused(tiny_encoder, tmp_path):
    classifier, _ = new_classifier(tiny_encoder, LABELS, "multilabel", seed=0)
    classifier.network.save_pretrained(tmp_path / "saved")
    folder = edited(tmp_path / "saved", tmp_path / "headless", drop=["classifier."])
    with pytest.raises(EncoderError, match=r"the weight file lacks \['classifier.bias', 'classifier.weight'\]"):
        load_classifier(folder)


def test_progress_is_told_in_texts(tiny_encoder):
    classifier, _ = new_classifier(tiny_encoder, LABELS, "multilabel", seed=0)
    table = TokenTable(np.arange(2, 22, dtype=np.int32), np.array([0, 8, 20]), np.array([8, 12], np.int32))
    told = []
    predict_logits(classifier.train(), table, FLOAT32, max_tokens=12, advance=told.append)
    assert told == [1, 1]
    assert classifier.training  # left as it was

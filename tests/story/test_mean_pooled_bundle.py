"""A classifier on mean states, from rows to a bundle and back: what transformers may load of it and what not."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from fenlei import Classifier, open_runtime
from fenlei.text.example import Example
from fenlei.train.recipes import settings_of

RUNTIME = {"device": "cpu", "precision": "float32", "threads": 1}
TEXTS = ["球队今天进决赛", "银行利率涨跌的消息", "", "医院报道[MASK]新药和股票" + "了" * 100]


@pytest.fixture(scope="module")
def trained(tiny_encoder):
    words = {"财经": "股票涨跌", "体育": "球队决赛", "健康": "新药医院"}
    rows = [Example(f"{n}", f"今天{word}{n}的消息", (label,)) for n in range(12) for label, word in words.items()]
    return Classifier.train(
        rows[9:],
        dev=rows[:9],
        runtime=open_runtime(**RUNTIME),
        encoder=str(tiny_encoder),
        pooling="mean",
        max_tokens=40,
        epochs=1,
    )


@pytest.fixture
def folder(trained, tmp_path):
    trained.save(tmp_path / "模型")
    return tmp_path / "模型"


def test_a_reloaded_classifier_answers_alike_to_the_bit(trained, folder):
    again = Classifier.load(folder, **RUNTIME)
    np.testing.assert_array_equal(again.scores(TEXTS), trained.scores(TEXTS))
    assert again.predict(TEXTS) == trained.predict(TEXTS)


def test_transformers_refuses_the_root_instead_of_answering_with_a_random_head(folder):
    assert not (folder / "config.json").exists()
    with pytest.raises((OSError, ValueError)):
        AutoModelForSequenceClassification.from_pretrained(folder)


def test_transformers_has_the_encoder_and_the_head_is_a_linear_layer(trained, folder):
    tokenizer = AutoTokenizer.from_pretrained(folder / "encoder")
    encoder, head = AutoModel.from_pretrained(folder / "encoder").eval(), load_file(folder / "head.safetensors")
    batch = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        states = encoder(**batch).last_hidden_state
    mask = batch["attention_mask"][:, :, None]
    logits = (states * mask).sum(1) / mask.sum(1) @ head["weight"].T + head["bias"]
    np.testing.assert_allclose(logits.numpy(), trained.logits(TEXTS), atol=1e-5)


def test_an_encoder_can_be_fine_tuned_anew_from_the_bundle(folder):
    classifier = Classifier.train(
        [Example("1", "股票", ("a",)), Example("2", "球队", ("b",))] * 4,
        dev=[Example("3", "股票涨", ("a",)), Example("4", "球", ("b",))],
        runtime=open_runtime(**RUNTIME),
        settings=settings_of(encoder=str(folder / "encoder"), max_tokens=40, epochs=1),
    )
    assert classifier.labels == ("a", "b")

"""From a TensorFlow folder to a bundle to a prediction. The weights are random: for the way, not for the score."""

from pathlib import Path

import pytest

from fenlei import Classifier, Example

CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"
SUBJECTS = {"体育": ("跑步", "公园", "今天跑步"), "财经": ("汽车召回", "大众汽车", "免费更换电池")}


def rows(count, after=0):
    return [
        Example(f"{name}{number}", f"{words[number % len(words)]}{number % 10}", (name,))
        for name, words in SUBJECTS.items()
        for number in range(after, after + count)
    ]


@pytest.mark.parametrize("name", ["bert", "electra", "albert_google", "albert_brightmart"])
def test_train_save_load_predict(tmp_path, monkeypatch, name):
    monkeypatch.setenv("FENLEI_CACHE", str(tmp_path / "cache"))
    classifier = Classifier.train(
        rows(12),
        dev=rows(3, after=12),
        encoder=str(CHECKPOINTS / name),
        task="multiclass",
        max_tokens=16,
        epochs=2,
    )
    texts = ["今天去公园跑步", "大众汽车召回部分车型", ""]
    predictions = classifier.predict(texts)
    classifier.save(tmp_path / "bundle")
    again = Classifier.load(tmp_path / "bundle").predict(texts)
    assert [prediction.labels for prediction in again] == [prediction.labels for prediction in predictions]
    for first, second in zip(predictions, again, strict=True):
        assert dict(first.scores) == pytest.approx(dict(second.scores), abs=1e-5)
        assert set(dict(first.scores)) == set(SUBJECTS)


def test_the_frozen_identity_stays_through_training(tmp_path, monkeypatch):
    import torch
    from safetensors.torch import load_file

    monkeypatch.setenv("FENLEI_CACHE", str(tmp_path / "cache"))
    classifier = Classifier.train(
        rows(12),
        dev=rows(3, after=12),
        encoder=str(CHECKPOINTS / "albert_brightmart"),
        task="multiclass",
        max_tokens=16,
        epochs=2,
        learning_rate=1e-2,
        linear_probe=False,  # of three dev rows it gets as many right as training does, and would be kept
    )
    classifier.save(tmp_path / "bundle")
    weights = load_file(tmp_path / "bundle" / "model.safetensors")
    mapping = {name: value for name, value in weights.items() if "embedding_hidden_mapping_in" in name}
    assert len(mapping) == 2
    for name, value in mapping.items():
        assert torch.equal(value, torch.eye(16) if name.endswith("weight") else torch.zeros(16))
    (converted,) = (tmp_path / "cache").glob("tensorflow-*/model.safetensors")
    before = load_file(converted)["embeddings.word_embeddings.weight"]
    assert not torch.equal(weights["albert.embeddings.word_embeddings.weight"], before)

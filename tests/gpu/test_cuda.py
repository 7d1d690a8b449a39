"""What only a GPU can show: the same answers, training and resumption there. Run alone: `pytest tests/gpu`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from fenlei import Classifier, TrainSettings, open_runtime, read_examples
from fenlei.encoders.dropout import renew_masks
from fenlei.model.classifier import EncoderClassifier, predict_logits
from fenlei.text.batches import PackedBatch
from fenlei.text.tokens import TokenTable
from fenlei.train.journal import Journal

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")

LENGTHS = [1, 2, 9, 10, 10, 11, 30, 64, 257]


def tiny(model_type, **more):
    torch.manual_seed(0)
    config = CONFIG_MAPPING[model_type](
        vocab_size=60,
        hidden_size=64,
        embedding_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=96,
        max_position_embeddings=300,
        num_labels=5,
        pad_token_id=0,
        initializer_range=0.15,
        **more,
    )
    return EncoderClassifier(AutoModelForSequenceClassification.from_config(config)).eval()


def table():
    ids = np.random.default_rng(0).integers(1, 60, size=sum(LENGTHS)).astype(np.int32)
    return TokenTable(ids, np.concatenate([[0], np.cumsum(LENGTHS)]), np.array(LENGTHS, np.int32))


def batch():
    return PackedBatch(table().ids.astype(np.int64), np.array(LENGTHS), np.arange(len(LENGTHS)))


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra", "ernie", "roberta", "roformer"])
def test_logits_are_those_of_the_cpu(model_type):
    classifier = tiny(model_type)
    expected = predict_logits(classifier, table(), open_runtime(device="cpu", precision="float32"))
    classifier.to(DEVICE)
    found = predict_logits(classifier, table(), open_runtime(device=DEVICE, precision="float32"))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    rounded = predict_logits(classifier, table(), open_runtime(device=DEVICE, precision="bfloat16"))
    assert np.abs(rounded - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra"])
def test_gradients_are_those_of_the_cpu(model_type):
    classifier = tiny(model_type)
    found = []
    for device in ("cpu", DEVICE):
        classifier.to(device).zero_grad()
        logits = classifier(batch())
        (logits * torch.linspace(-1, 1, logits.numel(), device=device).view(logits.shape)).sum().backward()
        found.append({name: p.grad.cpu() for name, p in classifier.named_parameters() if p.grad is not None})
    for name, expected in found[0].items():
        scale = expected.abs().max().clamp_min(1.0)
        torch.testing.assert_close(found[1][name] / scale, expected / scale, atol=1e-4, rtol=1e-4)


def test_dropout_acts_and_its_mean_is_what_evaluation_gives():
    classifier = tiny("bert").to(DEVICE)
    runtime = open_runtime(device=DEVICE, precision="bfloat16")
    with torch.no_grad(), runtime.autocast():
        exact = classifier(batch())
        classifier.train()
        drawn = []
        for _ in range(50):
            renew_masks()
            drawn.append(classifier(batch()))
    assert (drawn[0] != drawn[1]).any()
    # Not equal: the network is not linear. But far nearer than single draws are.
    assert (torch.stack(drawn).mean(0) - exact).abs().mean() < 0.5 * torch.stack(drawn).std(0).mean() + 0.05


class Killed(BaseException):
    """What `kill -9` is to a process."""


class DeadlyJournal(Journal):
    """Ends the run in its second epoch."""

    def advance(self, texts, *, resumed=False):
        super().advance(texts, resumed=resumed)
        self.seen = getattr(self, "seen", 0) + texts
        if self.seen > 600:
            raise Killed


def train(encoder, **more):
    return Classifier.train(
        read_examples(SAMPLES / "news.csv").examples[:400],
        settings=TrainSettings(
            encoder=str(encoder), epochs=3, learning_rate=1e-3, max_tokens=64, ema=0.9, average_best=2, fgm=0.5
        ),
        runtime=open_runtime(device=DEVICE),
        **more,
    )


def test_it_trains_and_goes_on_after_an_interruption_and_the_bundle_answers_alike_on_the_cpu(tiny_encoder, tmp_path):
    whole = train(tiny_encoder)
    with pytest.raises(Killed):
        train(tiny_encoder, checkpoint_folder=tmp_path / "run", checkpoint_every=3, journal=DeadlyJournal())
    resumed = train(tiny_encoder, checkpoint_folder=tmp_path / "run", checkpoint_every=3, resume=True)
    texts = [one.text for one in read_examples(SAMPLES / "news.csv").examples[400:450]]
    assert whole.scores(texts).std(0).max() > 0.01
    # A GPU adds up in another order each time.
    np.testing.assert_allclose(resumed.scores(texts), whole.scores(texts), atol=0.02)
    whole.save(tmp_path / "bundle")
    answers = [
        Classifier.load(tmp_path / "bundle", device=device, precision="float32").scores(texts)
        for device in (DEVICE, "cpu")
    ]
    np.testing.assert_allclose(*answers, atol=1e-4)

"""What only a GPU can show: the same answers, training and resumption there. Run alone: `pytest tests/gpu`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from fenlei import Classifier, TrainSettings, open_runtime, read_examples
from fenlei.encoders.attention import _PackedAttention, varlen_attention
from fenlei.encoders.dropout import renew_masks
from fenlei.encoders.packing import Packing
from fenlei.journal import Journal
from fenlei.model.classifier import EncoderClassifier, predict_logits
from fenlei.text.batches import PackedBatch
from fenlei.text.tokens import TokenTable

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")

LENGTHS = [1, 2, 9, 10, 10, 11, 30, 64, 257]


def tiny(model_type, **more):
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_attention_heads": 2} | more
    config = CONFIG_MAPPING[model_type](
        vocab_size=60,
        embedding_size=32,
        num_hidden_layers=3,
        intermediate_size=96,
        max_position_embeddings=300,
        num_labels=5,
        pad_token_id=0,
        initializer_range=0.15,
        **sizes,
    )
    return EncoderClassifier(AutoModelForSequenceClassification.from_config(config)).eval()


def table():
    ids = np.random.default_rng(0).integers(1, 60, size=sum(LENGTHS)).astype(np.int32)
    return TokenTable(ids, np.concatenate([[0], np.cumsum(LENGTHS)]), np.array(LENGTHS, np.int32))


def batch():
    return PackedBatch(table().ids.astype(np.int64), np.array(LENGTHS), np.arange(len(LENGTHS)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize("lengths", [[16], [3, 9, 20], [5, 40, 41, 42, 300]])
@pytest.mark.parametrize("width", [8, 26])
def test_attention_is_that_of_the_cpu_and_so_are_its_gradients(dtype, tolerance, lengths, width):
    torch.manual_seed(0)
    packing = Packing.of(np.array(lengths), torch.device("cpu"))
    states = torch.randn(packing.position_ids.shape[1], 3, 4, width)
    found = []
    for device in ("cpu", DEVICE):
        there = states.to(device, torch.float32 if device == "cpu" else dtype).detach().requires_grad_()
        if device == "cpu":
            of_row = _PackedAttention.apply(there, packing, 0.3, 0)
        else:
            of_row = varlen_attention(there, Packing.of(np.array(lengths), there.device), 0.3, 0.0)
        of_texts = of_row[: sum(lengths)].float()
        (of_texts * torch.linspace(-1, 1, of_texts.numel(), device=device).view(of_texts.shape)).sum().backward()
        found.append((of_texts.detach().cpu(), there.grad.float().cpu()))
    for exact, there in zip(*found, strict=True):
        torch.testing.assert_close(there, exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_of_attention_keeps_the_mean(dtype):
    torch.manual_seed(0)
    packing = Packing.of(np.array([40, 40]), torch.device(DEVICE))
    states = torch.randn(80, 3, 2, 8, device=DEVICE, dtype=dtype)
    exact = varlen_attention(states, packing, 0.5, 0.0).float()
    drawn = torch.stack([varlen_attention(states, packing, 0.5, 0.2).float() for _ in range(400)])
    assert (drawn[0] != drawn[1]).any()
    errors = (drawn.mean(0) - exact) / (drawn.std(0) / 400**0.5)
    assert errors.abs().mean() < 1  # 0.8 if they are normal
    assert errors.abs().max() < 5


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
        # Copies: moving the network moves its gradients in place.
        found.append({name: p.grad.cpu().clone() for name, p in classifier.named_parameters() if p.grad is not None})
    for name, expected in found[0].items():
        scale = expected.abs().max().clamp_min(1.0)
        torch.testing.assert_close(found[1][name] / scale, expected / scale, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("acting", ["hidden_dropout_prob", "attention_probs_dropout_prob"])
def test_each_dropout_acts_and_its_mean_is_near_what_evaluation_gives(acting):
    classifier = tiny("bert", **{"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, acting: 0.1})
    classifier.to(DEVICE)
    runtime = open_runtime(device=DEVICE, precision="float32")
    with torch.no_grad(), runtime.autocast():
        exact = classifier(batch())
        classifier.train()
        drawn = []
        for _ in range(400):
            renew_masks()
            drawn.append(classifier(batch()))
    drawn = torch.stack(drawn)
    assert (drawn[0] != drawn[1]).any()
    # The network is not linear, so the means are not equal; without the factor of what is kept they are far apart.
    assert (drawn.mean(0) - exact).abs().mean() < 0.5 * drawn.std(0).mean()


@pytest.mark.parametrize("heads", [2, 4])
def test_layers_run_again_for_the_backward_pass_give_the_same_gradients(heads):
    """Also with heads of 12 numbers, which no kernel takes as they are."""
    found = []
    for again in (False, True):
        classifier = tiny("bert", hidden_size=48, num_attention_heads=heads).to(DEVICE).train()
        if again:
            classifier.recompute_layers()
        torch.manual_seed(5)
        renew_masks()
        classifier(batch()).square().sum().backward()
        found.append({name: one.grad for name, one in classifier.named_parameters() if one.grad is not None})
    for name, expected in found[0].items():
        torch.testing.assert_close(found[1][name], expected, atol=1e-3, rtol=1e-3)


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

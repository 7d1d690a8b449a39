"""What the benchmarks of speed share: random networks of known shapes, classifiers made of them, the machine."""

import platform
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AlbertConfig, AutoModelForSequenceClassification, BertConfig, ElectraConfig

from fenlei import Classifier, DecisionPlan
from fenlei.bundle import Bundle
from fenlei.encoders.tokenizer import EncoderTokenizer
from fenlei.judge.blend import NO_BLEND
from fenlei.judge.decision import Decision
from fenlei.judge.fitting import FittedDecision, HeldOut
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.linear import LinearModel
from fenlei.text.labels import LabelSet
from fenlei.text.tokens import TextSettings

SHAPES = ("electra-small", "starter", "bert-base", "albert-small")

# 30,383 pieces: the starter's tokenizer cuts the texts for all shapes.
_VOCABULARY = 30_383


def shape(name, *, labels=65, **more):
    """A fresh configuration: one of `SHAPES` or `tiny`, with what else it should say."""
    # Wider than the usual 0.02: a random network should tell texts apart, or rounding would look like an error.
    common = {"vocab_size": _VOCABULARY, "num_labels": labels, "initializer_range": 0.06} | more
    small = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
    tiny = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    electra = {"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024}
    configs = {
        "electra-small": lambda: ElectraConfig(embedding_size=128, **electra, **common),
        "starter": lambda: BertConfig(**small, **common),
        "bert-base": lambda: BertConfig(**common),
        "albert-small": lambda: AlbertConfig(embedding_size=128, num_hidden_layers=6, **small, **common),
        "tiny": lambda: BertConfig(**tiny, **common),
    }
    return configs[name]()


def network(config):
    """A random `AutoModelForSequenceClassification`, the same at every call, in evaluation mode."""
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config).eval()


def classifier_of(random_network, tokenizer: EncoderTokenizer, runtime, *, max_tokens):
    """A `fenlei.Classifier` with the default decision, so that a score is the logistic of a logit."""
    count = random_network.config.num_labels
    no_rows = np.zeros((0, count), np.float32)
    plain = Decision.default("multilabel")
    bundle = Bundle(
        task="multilabel",
        labels=LabelSet(tuple(f"LABEL_{number}" for number in range(count))),
        decision=FittedDecision(plain, NO_BLEND, plain, DecisionPlan(), HeldOut(no_rows, no_rows, no_rows, "no rows")),
        classifier=EncoderClassifier(random_network).eval(),
        tokenizer=tokenizer,
        text=TextSettings(max_tokens=max_tokens),
        baseline=LinearModel(
            "multilabel", ("文",), np.ones(1, np.float32), np.zeros((count, 1), np.float16), np.zeros(count, np.float32)
        ),
        seen=None,
        record={"encoder": {"source": "random"}, "training": {}, "data": {}, "versions": {}},
    )
    return Classifier(bundle, runtime)


def operations(config, lengths):
    """Operations in the matrix products of one forward pass over unpadded texts of these lengths (B,)."""
    width, inner = config.hidden_size, config.intermediate_size
    a_token = 2 * (4 * width * width + 2 * width * inner)
    attention = 4 * width * np.asarray(lengths, np.float64) ** 2
    return float(config.num_hidden_layers * (a_token * np.sum(lengths) + attention.sum()))


def product_ceiling(runtime, *, times=20, clock=time.perf_counter):
    """Operations a second of a large matrix product in the runtime's precision, the quickest of some.

    No network can exceed it.
    """
    device, precision = runtime.device, getattr(torch, runtime.precision)
    rows, width = (4096, 1024) if device == "cpu" else (16_384, 8192)
    left, right = (torch.randn(shape, device=device).to(precision) for shape in ((rows, width), (width, width)))
    seconds = []
    for _ in range(times):
        began = clock()
        torch.mm(left, right)
        wait_for(device)
        seconds.append(clock() - began)
    return 2 * rows * width * width / min(seconds)


def wait_for(device):
    """Return when what was given to the device is done; the CPU is never behind."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def processor(device="cpu"):
    """The GPU's name, or the processor's name, family and model, and which native bfloat16 it has."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    native = [name for name in ("amx_bf16", "avx512_bf16") if name in facts.get("flags", "").split()]
    family = ", ".join(f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts)
    return f"{facts.get('model name', platform.processor())} ({family}; {', '.join(native) or 'no native bf16'})"


def short_name(file):
    """A data file as a command names it, without where it lies."""
    return f"{file.parent.name}/{file.name}"

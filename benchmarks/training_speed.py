"""Training speed of fenlei against the ways most scripts train, side by side in one run.

    python benchmarks/training_speed.py DATA [--shape electra-small] [--threads 1] [--rounds 3] [--out FILE.json]

DATA is any labelled file. Every way trains the same random network on the same texts in the same batches of 32 with
dropout on and AdamW; rounds are interleaved, so that a busy neighbour hits all ways alike. The peers:

    padded-300      each batch padded to 300 tokens, float32: the text-classification script of transformers with
                    pad_to_max_length, its default
    dynamic-fp32    padded to the longest text of the batch, float32
    dynamic-bf16    the same under bfloat16 autocast
    fenlei          packed, bfloat16 where native
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, ElectraConfig

import fenlei
from fenlei import open_runtime, read_examples
from fenlei.bundle import library_versions
from fenlei.encoders.starter import starter_directory
from fenlei.encoders.tokenizer import load_tokenizer
from fenlei.model.build import FreshWeights
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.losses import zlpr
from fenlei.runtime import cache_folder
from fenlei.text.batches import training_batches
from fenlei.text.tokens import TextEncoder, TextSettings
from fenlei.train.config import TrainSettings
from fenlei.train.optimizer import build_optimizer, set_rate

BATCH, LABELS, LONGEST = 32, 65, 300

# Vocabulary 30,383: the starter's tokenizer cuts the texts for all shapes.
SHAPES = {
    "electra-small": ElectraConfig(
        vocab_size=30_383, embedding_size=128, hidden_size=256, num_attention_heads=4, intermediate_size=1024
    ),
    "starter": BertConfig(vocab_size=30_383, hidden_size=384, num_attention_heads=12, intermediate_size=1536),
    "bert-base": BertConfig(vocab_size=30_383),
}


def network(shape):
    torch.manual_seed(0)
    config = SHAPES[shape]
    config.num_labels = LABELS
    return AutoModelForSequenceClassification.from_config(config)


class Peer:
    """A plain loop over transformers' own forward pass."""

    def __init__(self, shape, *, pad_to, bf16):
        self.network, self.pad_to, self.bf16 = network(shape).train(), pad_to, bf16
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-5)

    def update(self, batch, targets):
        longest = self.pad_to or int(batch.lengths.max())
        mask = torch.arange(longest)[None] < torch.from_numpy(batch.lengths)[:, None]
        ids = torch.zeros(mask.shape, dtype=torch.int64)
        ids[mask] = torch.from_numpy(batch.ids)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            logits = self.network(input_ids=ids, attention_mask=mask.long()).logits
        zlpr(logits.float(), targets).mean().backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


class Fenlei:
    """fenlei's own update, as its loop makes it."""

    def __init__(self, shape, runtime):
        self.classifier, self.runtime = EncoderClassifier(network(shape)).train(), runtime
        self.settings = TrainSettings(batch_size=BATCH)
        self.optimizer = build_optimizer(self.classifier, FreshWeights(frozenset(), False), self.settings)

    def update(self, batch, targets):
        with self.runtime.autocast():
            logits = self.classifier(batch)
        zlpr(logits, targets).mean().backward()
        set_rate(self.optimizer, 10, 100, 0.1)
        torch.nn.utils.clip_grad_norm_(self.classifier.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="electra-small")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=4, help="updates of a way in a round")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()

    runtime = open_runtime(device="cpu", threads=given.threads)
    tokenizer = load_tokenizer(starter_directory(cache_folder())).tokenizer
    texts = [example.text for example in read_examples(given.data).examples]
    table = TextEncoder(tokenizer, TextSettings(max_tokens=LONGEST)).encode(texts)
    batches = [update[0] for update in training_batches(table, batch_size=BATCH, max_tokens=10**9, seed=0, epoch=1)]
    targets = torch.zeros(BATCH, LABELS)
    targets[:, 0] = 1
    ways = {
        "padded-300": Peer(given.shape, pad_to=LONGEST, bf16=False),
        "dynamic-fp32": Peer(given.shape, pad_to=None, bf16=False),
        "dynamic-bf16": Peer(given.shape, pad_to=None, bf16=True),
        "fenlei": Fenlei(given.shape, runtime),
    }
    speeds = {name: [] for name in ways}
    for round_number in range(given.rounds + 1):
        start = round_number * given.updates
        chosen = [batches[i % (len(batches) - 1)] for i in range(start, start + given.updates)]
        for name, way in ways.items():
            began = time.perf_counter()
            for batch in chosen:
                way.update(batch, targets)
            if round_number:  # the first round warms up
                speeds[name].append(sum(len(batch) for batch in chosen) / (time.perf_counter() - began))

    result = {
        "command": f"training_speed.py {given.data.name} --shape {given.shape} --threads {given.threads}",
        "date": time.strftime("%Y-%m-%d"),
        "fenlei": fenlei.__version__,
        "versions": library_versions(),
        "processor": processor(),
        "precision": runtime.precision,
        "tokens_a_text": round(float(np.mean(table.lengths)), 1),
        "texts_per_second": {name: [round(speed, 2) for speed in values] for name, values in speeds.items()},
    }
    ours = statistics.median(speeds["fenlei"])
    print(f"{given.shape}, {result['tokens_a_text']} tokens a text, {given.threads} thread(s), {processor()}")
    for name, values in speeds.items():
        ratios = [a / b for a, b in zip(speeds["fenlei"], values, strict=True)]
        print(
            f"{name:14} {statistics.median(values):8.2f} texts/s   fenlei is {ours / statistics.median(values):5.2f}x "
            f"({min(ratios):.2f} to {max(ratios):.2f} by round)"
        )
    if given.out:
        given.out.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def processor():
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    native = [name for name in ("amx_bf16", "avx512_bf16") if name in facts.get("flags", "").split()]
    return f"{facts.get('model name', platform.processor())} ({', '.join(native) or 'no native bf16'})"


if __name__ == "__main__":
    main()

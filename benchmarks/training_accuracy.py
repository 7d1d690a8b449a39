"""Equal work: fenlei and other ways on the same rows, updates and seeds, accuracy beside the speed.

All start from the starter with the same fresh head and the same order of rows, and all train with dropout. No epoch is
chosen: the last weights are judged, by micro-F1 at the threshold that is best on the rows that judge. The ways:

    fenlei              packed, bfloat16 where native, masks of dropout cut out of one stretch a batch
    drawn-one-by-one    the same, each element dropped by a uniform float of its own, as PyTorch's dropout does
    padded-fp32         padded, float32, transformers' attention, PyTorch's dropout
"""

import time

import numpy as np
import torch
from scipy.sparse import csr_array

from fenlei import open_runtime, read_examples
from fenlei.encoders import attention
from fenlei.encoders.catalog import open_encoder
from fenlei.encoders.dropout import DropMask, FastDropout
from fenlei.encoders.tokenizer import load_tokenizer
from fenlei.judge.bootstrap import percentile_interval, resampled_counts
from fenlei.judge.metrics import Counts
from fenlei.judge.thresholds import fit_global_threshold
from fenlei.model.build import new_classifier
from fenlei.model.classifier import predict_logits
from fenlei.model.losses import zlpr
from fenlei.text.batches import training_batches
from fenlei.text.labels import LabelSet
from fenlei.text.tokens import TextEncoder
from fenlei.train.config import TrainSettings
from fenlei.train.optimizer import build_optimizer, set_rate
from fenlei.train.update import Gradients


def compare_accuracy(given):
    examples = read_examples(given.data).examples
    drawn = np.random.default_rng(0).permutation(len(examples))[: given.rows + given.judge]
    examples = [examples[row] for row in drawn]
    labels = LabelSet.from_examples(examples)
    source = open_encoder("starter")
    encoder = TextEncoder(load_tokenizer(source.folder).tokenizer, TrainSettings().text_settings("multilabel"))
    tables = [encoder.encode([one.text for one in part]) for part in cut(examples, given.rows)]
    truths = cut(labels.encode(examples, "multilabel"), given.rows)
    scores = {way: [] for way in ["fenlei", *given.against]}
    for seed in given.seeds:
        for way in scores:
            began = time.perf_counter()
            classifier, runtime = trained(way, given, seed, source.folder, labels.names, tables[0], truths[0])
            speed = given.rows * given.epochs / (time.perf_counter() - began)
            logits = predict_logits(classifier, tables[1], runtime).astype(np.float64)
            f1, resampled = micro_f1(logits, truths[1])
            scores[way].append(resampled)
            print(f"seed {seed}  {way:16} {speed:7.2f} texts/s  micro-F1 {f1:.4f} {interval(resampled)}", flush=True)
    for way in given.against:
        apart = np.mean(scores["fenlei"], axis=0) - np.mean(scores[way], axis=0)
        print(f"mean of {len(given.seeds)} seeds, fenlei over {way}: {apart.mean():+.4f} {interval(apart)}, paired")


def trained(way, given, seed, folder, names, table, truth):
    settings = TrainSettings(epochs=given.epochs, seed=seed)
    runtime = open_runtime(device="cpu", threads=given.threads, precision="float32" if way == "padded-fp32" else None)
    classifier, fresh = new_classifier(folder, names, "multilabel", seed=seed)
    if way == "padded-fp32":
        make_padded(classifier)
    if way != "fenlei":
        make_stock_dropout(classifier)
    attention.DropMask = DrawnOneByOne if way == "drawn-one-by-one" else DropMask
    torch.manual_seed(seed)
    optimizer = build_optimizer(classifier.train(), fresh, settings)
    gradients = Gradients(classifier, zlpr, "multilabel", csr_array(truth), settings, runtime)
    done, total = 0, given.epochs * settings.updates_per_epoch(len(table))
    for epoch in range(1, given.epochs + 1):
        for batches in training_batches(
            table, batch_size=settings.batch_size, max_tokens=settings.tokens_per_batch, seed=seed, epoch=epoch
        ):
            gradients.add(batches)
            set_rate(optimizer, done, total, settings.warmup)
            torch.nn.utils.clip_grad_norm_(classifier.parameters(), settings.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            done += 1
    return classifier, runtime


def make_padded(classifier):
    """Run it padded, with transformers' own attention."""
    classifier.padded_because = "the benchmark asks for it"
    classifier.network.set_attn_implementation("sdpa")


class DrawnOneByOne:
    """As `DropMask`, which it stands in for in attention."""

    def __init__(self, kept):
        self._kept = kept

    @classmethod
    def drawn(cls, elements, dropped):
        return cls(torch.rand(elements) >= dropped / 65_536)

    def over(self, states):
        return states * self._kept.view(states.shape)


def make_stock_dropout(classifier):
    """PyTorch's own dropout outside attention."""
    for parent in list(classifier.network.modules()):
        for name, child in parent.named_children():
            if type(child) is FastDropout:
                setattr(parent, name, torch.nn.Dropout(child.p))


def micro_f1(logits, truth):
    """The figure, and that of 1,000 resamples, the same rows for every system."""
    predicted = logits >= fit_global_threshold(logits, truth)
    resampled = resampled_counts(truth, predicted, lambda counts: {"f1": counts.micro().f1}, seed=0)["f1"]
    return float(Counts.of(truth, predicted).micro().f1), resampled


def interval(resampled):
    found = percentile_interval(resampled)
    return f"[{found.low:.4f}, {found.high:.4f}]"


def cut(items, at):
    return items[:at], items[at:]

"""The ways of training that `training_speed.py` compares, each in a process of its own: it starts them.

A way waits for a line on standard input before each round and answers with a line of JSON after it, so that rounds of
different ways can be interleaved; the last line tells the process's peak memory. The first rounds warm up.
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array
from shapes import SHAPES, network, shape, wait_for

from fenlei import open_runtime, read_examples
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
from fenlei.train.update import Gradients

BATCH, LABELS, LONGEST = 32, 65, 300
RATE = 1e-5


class Turns:
    """The rounds: when one may begin, and what it took."""

    def __init__(self, device):
        self._device = device
        self._answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
        self._began = 0.0, 0.0

    def wait(self):
        sys.stdin.readline()
        wait_for(self._device)
        self._began = time.perf_counter(), time.process_time()

    def done(self):
        wait_for(self._device)
        wall, cpu = self._began
        self.answer(seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu)

    def answer(self, **values):
        print(json.dumps(values), file=self._answers, flush=True)


class Work:
    """The same updates for every way: batches of texts, and labels."""

    def __init__(self, data, updates):
        tokenizer = load_tokenizer(starter_directory(cache_folder())).tokenizer
        self.texts = [example.text for example in read_examples(data).examples]
        self.table = TextEncoder(tokenizer, TextSettings(max_tokens=LONGEST)).encode(self.texts)
        every = training_batches(
            self.table, batch_size=BATCH, max_tokens=TrainSettings().tokens_per_batch, seed=0, epoch=1
        )
        whole = [update for update in every if sum(len(batch) for batch in update) == BATCH]
        self.updates = [whole[number % len(whole)] for number in range(updates)]
        self.targets = np.zeros((len(self.table), LABELS), np.uint8)
        self.targets[:, 0] = 1

    def rows(self, update):
        """(B,) row numbers of one update."""
        return np.concatenate([batch.rows for batch in update])

    def ids(self, update):
        """The token ids of each of its texts."""
        return [self.table.ids[slice(*self.table.offsets[row : row + 2])] for row in self.rows(update)]

    def padded(self, update, pad_to):
        """(B, T) token ids and mask."""
        ids = self.ids(update)
        lengths = torch.tensor([len(one) for one in ids])
        mask = torch.arange(pad_to or int(lengths.max()))[None] < lengths[:, None]
        block = torch.zeros(mask.shape, dtype=torch.int64)
        block[mask] = torch.from_numpy(np.concatenate(ids).astype(np.int64))
        return block, mask.long()


def new_network(name):
    """The same random network at every call, dropout on in all shapes."""
    dropout = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    task = "multi_label_classification"
    return network(shape(name, labels=LABELS, initializer_range=0.02, problem_type=task, **dropout)).train()


def export(work, name, folder):
    """The random network and the updates as files, for `training_peers.py`."""
    new_network(name).save_pretrained(folder / "network")
    vocabulary = load_tokenizer(starter_directory(cache_folder())).tokenizer.get_vocab()
    bert_names = {"<s>": "[CLS]", "</s>": "[SEP]", "<pad>": "[PAD]", "<unk>": "[UNK]", "<mask>": "[MASK]"}
    tokens = [bert_names.get(token, token) for token in sorted(vocabulary, key=vocabulary.get)]
    (folder / "network" / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    updates = [
        {"texts": [work.texts[row] for row in work.rows(update)], "ids": [ids.tolist() for ids in work.ids(update)]}
        for update in work.updates
    ]
    known = {"batch": BATCH, "labels": LABELS, "longest": LONGEST, "updates": updates}
    (folder / "work.json").write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")


def plain_loop(turns, work, given, *, pad_to, bf16):
    """A loop as many write it, over transformers' own forward pass."""
    device = torch.device(given.device)
    model = new_network(given.shape).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    for number, update in enumerate(work.updates):
        if number % given.updates == 0:
            turns.wait()
        ids, mask = work.padded(update, pad_to)
        truth = torch.from_numpy(work.targets[work.rows(update)]).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            logits = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        zlpr(logits.float(), truth).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if number % given.updates == given.updates - 1:
            turns.done()


def trainer(turns, work, given, *, pad_to, bf16):
    """Transformers' `Trainer` (needs accelerate): padded beforehand as run_classification does, or by a collator."""
    from transformers import (
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        default_data_collator,
    )

    class Rounds(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if state.global_step % given.updates == 0:
                turns.wait()

        def on_step_end(self, args, state, control, **_):
            if state.global_step % given.updates == 0:
                turns.done()

    rows = []
    for update in work.updates:
        ids, mask = work.padded(update, pad_to)
        for one, real, row in zip(ids, mask, work.rows(update), strict=True):
            kept = slice(None) if pad_to else slice(int(real.sum()))
            labels = work.targets[row].astype(np.float32)
            rows.append({"input_ids": one[kept].tolist(), "attention_mask": real[kept].tolist(), "labels": labels})
    tokenizer = AutoTokenizer.from_pretrained(starter_directory(cache_folder()))
    Trainer(
        new_network(given.shape),
        TrainingArguments(
            output_dir=str(given.scratch),
            per_device_train_batch_size=BATCH,
            num_train_epochs=1,
            learning_rate=RATE,
            bf16=bf16,
            use_cpu=given.device == "cpu",
            train_sampling_strategy="sequential",  # the others' updates
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=rows,
        data_collator=default_data_collator if pad_to else DataCollatorWithPadding(tokenizer),
        callbacks=[Rounds()],
    ).train()


def fenlei(turns, work, given, *, recompute=False):
    """Fenlei's own update, as its loop makes it."""
    settings = TrainSettings(batch_size=BATCH, learning_rate=RATE)
    runtime = open_runtime(device=given.device, threads=given.threads)
    classifier = EncoderClassifier(new_network(given.shape)).to(runtime.device).train()
    if recompute:
        classifier.recompute_layers()
    optimizer = build_optimizer(classifier, FreshWeights(frozenset(), False), settings)
    gradients = Gradients(classifier, zlpr, "multilabel", csr_array(work.targets), settings, runtime)
    for number, update in enumerate(work.updates):
        if number % given.updates == 0:
            turns.wait()
        gradients.add(update)
        set_rate(optimizer, 10, 100, 0.1)
        torch.nn.utils.clip_grad_norm_(classifier.parameters(), settings.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        if number % given.updates == given.updates - 1:
            turns.done()


WAYS = {
    "padded-fp32": lambda *work: plain_loop(*work, pad_to=LONGEST, bf16=False),
    "dynamic-fp32": lambda *work: plain_loop(*work, pad_to=None, bf16=False),
    "dynamic-bf16": lambda *work: plain_loop(*work, pad_to=None, bf16=True),
    "Trainer-padded-fp32": lambda *work: trainer(*work, pad_to=LONGEST, bf16=False),
    "Trainer-padded-bf16": lambda *work: trainer(*work, pad_to=LONGEST, bf16=True),
    "Trainer-dynamic-fp32": lambda *work: trainer(*work, pad_to=None, bf16=False),
    "Trainer-dynamic-bf16": lambda *work: trainer(*work, pad_to=None, bf16=True),
    "fenlei": fenlei,
    "fenlei-checkpointing": lambda *work: fenlei(*work, recompute=True),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("data", type=Path)
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--updates", type=int, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    given = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch.set_num_threads(given.threads)
    turns = Turns(given.device)
    work = Work(given.data, given.updates * given.rounds)
    turns.answer(tokens=[[int(one) for batch in update for one in batch.lengths] for update in work.updates])
    WAYS[given.way](turns, work, given)
    on_cpu = given.device == "cpu"
    peak = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if on_cpu
        else torch.cuda.max_memory_allocated(given.device)
    )
    turns.answer(peak_mib=peak >> 20)


if __name__ == "__main__":
    main()

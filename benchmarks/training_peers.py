"""Other libraries as ways of `training_speed.py`, run by the Python that has them; nothing of fenlei is imported here.

    FENLEI_SIMPLETRANSFORMERS=PYTHON    MultiLabelClassificationModel, its defaults: padded to a fixed length, float32.
                                        A round is a call of train_model, which also cuts the texts into tokens;
                                        0.70 with datasets below 4 and pandas below 3
    FENLEI_BERT4KERAS=PYTHON            with TensorFlow 2.12: padded to the longest of the batch, float32

--scratch holds `work.json` and the random network, as `training_speed.py` exports them; the answers are those of
`training_ways.py`.
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path


class Turns:
    """The rounds, and what each took."""

    def __init__(self):
        self._answers, sys.stdout = sys.stdout, sys.stderr

    def take(self, work):
        sys.stdin.readline()
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.answer(seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu)

    def answer(self, **values):
        print(json.dumps(values), file=self._answers, flush=True)


def simpletransformers(turns, rounds, given):
    import pandas
    import torch
    from simpletransformers.classification import MultiLabelClassificationModel

    torch.set_num_threads(given.threads)
    model = MultiLabelClassificationModel(
        given.shape.split("-")[0].replace("starter", "bert"),
        str(given.scratch / "network"),
        num_labels=given.labels,
        use_cuda=False,
        args={
            "train_batch_size": given.batch,
            "max_seq_length": given.longest,
            "num_train_epochs": 1,
            "output_dir": str(given.scratch / "out"),
            "overwrite_output_dir": True,
            "no_save": True,
            "no_cache": True,
            "silent": True,
            "use_multiprocessing": False,
            "use_multiprocessing_for_evaluation": False,
            "dataloader_num_workers": 0,
            "process_count": 1,
        },
    )
    one = [1] + [0] * (given.labels - 1)
    for updates in rounds:
        texts = [text for update in updates for text in update["texts"]]
        table = pandas.DataFrame({"text": texts, "labels": [one] * len(texts)})
        turns.take(lambda table=table: model.train_model(table))


def bert4keras(turns, rounds, given):
    os.environ["TF_KERAS"] = "1"
    import numpy as np
    import tensorflow as tf
    from bert4keras.models import build_transformer_model
    from bert4keras.snippets import sequence_padding

    tf.config.threading.set_intra_op_parallelism_threads(given.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    encoder = build_transformer_model(
        str(given.scratch / "network" / "config.json"),
        model=given.shape.split("-")[0].replace("starter", "bert"),
        return_keras_model=False,
    )
    first = tf.keras.layers.Lambda(lambda states: states[:, 0])(encoder.model.output)
    output = tf.keras.layers.Dense(given.labels, activation="sigmoid")(tf.keras.layers.Dropout(0.1)(first))
    model = tf.keras.models.Model(encoder.model.input, output)
    model.compile(loss="binary_crossentropy", optimizer=tf.keras.optimizers.legacy.Adam(1e-5))

    def train(updates):
        for update in updates:
            ids = sequence_padding(update["ids"])
            targets = np.zeros((len(ids), given.labels))
            targets[:, 0] = 1
            model.train_on_batch([ids, np.zeros_like(ids)], targets)

    for updates in rounds:
        turns.take(lambda updates=updates: train(updates))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("way", choices=["simpletransformers", "bert4keras"])
    parser.add_argument("data")
    parser.add_argument("--shape", required=True)
    for name in ("--threads", "--rounds", "--updates"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    given = parser.parse_args()
    work = json.loads((given.scratch / "work.json").read_text(encoding="utf-8"))
    given.batch, given.labels, given.longest = work["batch"], work["labels"], work["longest"]
    turns = Turns()
    updates = work["updates"]
    turns.answer(tokens=[[len(ids) for ids in update["ids"]] for update in updates])
    rounds = [updates[at : at + given.updates] for at in range(0, len(updates), given.updates)]
    {"simpletransformers": simpletransformers, "bert4keras": bert4keras}[given.way](turns, rounds, given)
    turns.answer(peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()

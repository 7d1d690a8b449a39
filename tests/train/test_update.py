"""Sparse truth: the same losses and gradients as dense truth, in a fraction of its memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from transformers import BertConfig, BertForSequenceClassification

from fenlei.encoders.dropout import renew_masks
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.losses import LOSS_NAMES, LabelCounts, divergence, loss_named, zlpr
from fenlei.runtime import Runtime
from fenlei.text.batches import training_batches
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet
from fenlei.text.tokens import TokenTable
from fenlei.train.config import TrainSettings
from fenlei.train.update import Gradients

RUNTIME = Runtime(device="cpu", precision="float32", threads=1)
NAMES = LabelSet(tuple("abcdefg"))


def drawn(task, rows=24):
    """Examples with few of the seven labels, and texts of random tokens."""
    random = np.random.default_rng(3)
    counts = random.integers(0, 4, size=rows) if task == "multilabel" else np.ones(rows, int)
    labels = [tuple(random.choice(NAMES.names, size=count, replace=False).tolist()) for count in counts]
    lengths = random.integers(2, 9, size=rows).astype(np.int32)
    ids = random.integers(3, 30, size=lengths.sum()).astype(np.int32)
    table = TokenTable(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths)
    return [Example(str(row), "", own) for row, own in enumerate(labels)], table


def new_classifier():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=len(NAMES),
        initializer_range=0.2,
    )
    return EncoderClassifier(BertForSequenceClassification(config)).train()


@pytest.mark.parametrize("settings", [{}, {"rdrop": 1.0, "head_samples": 2}], ids=str)
@pytest.mark.parametrize(("task", "name"), [(task, name) for task, names in LOSS_NAMES.items() for name in names])
def test_losses_and_gradients_are_those_of_dense_truth(task, name, settings):
    examples, table = drawn(task)
    sparse, dense = NAMES.encode_sparse(examples, task), NAMES.encode(examples, task)
    counts = LabelCounts.of(dense)
    assert LabelCounts.of(sparse).support.tolist() == counts.support.tolist()
    assert LabelCounts.of(sparse).rows == counts.rows
    [*updates] = training_batches(table, batch_size=24, max_tokens=40, seed=0, epoch=1)
    assert len(updates[0]) > 1
    loss = loss_named(task, name, counts)
    found = []
    for truth in (sparse, Dense(dense)):
        classifier = new_classifier()
        torch.manual_seed(1)
        gradients = Gradients(classifier, loss, task, truth, TrainSettings(**settings), RUNTIME)
        found.append((gradients.add(updates[0]), [p.grad for p in classifier.parameters() if p.grad is not None]))
    (loss_sparse, grads_sparse), (loss_dense, grads_dense) = found
    assert torch.equal(loss_sparse, loss_dense)
    assert len(grads_sparse) == len(grads_dense) > 10
    assert all(torch.equal(a, b) for a, b in zip(grads_sparse, grads_dense, strict=True))
    if not settings:  # by hand too
        by_hand = new_classifier()
        torch.manual_seed(1)
        total = torch.zeros(())
        for batch in updates[0]:
            renew_masks()
            total = total + loss(by_hand.sampled(batch, 1)[0], torch.from_numpy(dense[batch.rows])).sum()
        (total / 24).backward()
        assert loss_sparse.item() == pytest.approx(total.item(), rel=1e-6)
        expected = [p.grad for p in by_hand.parameters() if p.grad is not None]
        for a, b in zip(grads_sparse, expected, strict=True):
            torch.testing.assert_close(a, b)


def test_rdrop_adds_so_many_times_the_divergence():
    """With one mask for all, the gradient is linear in its factor."""
    _, table = drawn("multilabel")
    truth = csr_array((np.random.default_rng(3).random((len(table), len(NAMES.names))) < 0.3).astype(np.uint8))
    [update, *_] = training_batches(table, batch_size=24, max_tokens=400, seed=0, epoch=1)
    found = []
    for factor in (1.0, 2.0, 4.0):
        classifier = new_classifier()
        torch.manual_seed(1)
        settings = TrainSettings(rdrop=factor)
        Gradients(classifier, zlpr, "multilabel", truth, settings, RUNTIME).add(update)
        found.append(torch.cat([p.grad.flatten() for p in classifier.parameters() if p.grad is not None]))
    one, two, four = found
    assert (two - one).norm() > 1e-3 * one.norm()
    torch.testing.assert_close(four - two, 2 * (two - one), atol=1e-6, rtol=1e-3)
    # Beside the losses of both answers, half each, stands the divergence once.
    [batch] = update
    by_hand = new_classifier()
    torch.manual_seed(1)
    renew_masks()
    first, second = by_hand.sampled(batch, 1)[0], by_hand.sampled(batch, 1)[0]
    right = torch.from_numpy(truth[batch.rows].toarray())
    objective = (zlpr(first, right) + zlpr(second, right)) / 2 + divergence(first, second, task="multilabel")
    objective.mean().backward()
    expected = torch.cat([p.grad.flatten() for p in by_hand.parameters() if p.grad is not None])
    torch.testing.assert_close(one, expected, atol=1e-6, rtol=1e-4)


class Dense:
    """Dense truth that answers as sparse truth does."""

    def __init__(self, table):
        self.table = table

    def __getitem__(self, rows):
        return Dense(self.table[rows])

    def toarray(self):
        return self.table


def test_the_truth_of_many_rows_and_labels_takes_megabytes():
    """200,000 rows of 10,000 labels: dense truth alone would be 2 GB."""
    labels = LabelSet(tuple(f"{number:05}" for number in range(10_000)))
    examples = [
        Example("", "", (labels.names[row % 10_000], labels.names[(row * 7 + 1) % 10_000])) for row in range(200_000)
    ]
    tracemalloc.start()
    truth = labels.encode_sparse(examples, "multilabel")
    counts = LabelCounts.of(truth)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert truth.shape == (200_000, 10_000)
    assert truth.nnz == counts.support.sum() == sum(len(example.labels) for example in examples)
    assert peak < 40e6, f"{peak / 1e6:.0f} MB"
    rows = np.array([5, 199_999, 0])
    np.testing.assert_array_equal(truth[rows].toarray(), labels.encode([examples[row] for row in rows], "multilabel"))


def test_rows_without_any_label_have_a_truth_too():
    assert NAMES.encode_sparse([Example("1", "", ()), Example("2", "", ())], "multilabel").toarray().sum() == 0
    assert NAMES.encode_sparse([], "multilabel").shape == (0, 7)

"""Packing loses no text, repeats none, and keeps to its budget."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fenlei.text.batches import scoring_batches, training_batches
from fenlei.text.tokens import TokenTable

lengths_lists = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def table_of(lengths):
    # Each token carries its row's number, so that a token in the wrong place is seen.
    ids = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    return TokenTable(ids, np.concatenate([[0], np.cumsum(lengths)]), np.array(lengths, np.int32))


def check(batch, lengths, budget):
    assert batch.lengths.tolist() == [lengths[row] for row in batch.rows]
    assert batch.lengths.tolist() == sorted(batch.lengths.tolist())
    assert batch.ids.tolist() == np.repeat(batch.rows, batch.lengths).tolist()
    assert len(batch.ids) <= budget or len(batch) == 1


@given(lengths_lists, st.integers(1, 100))
def test_scoring_takes_each_row_once_within_the_budget(lengths, budget):
    batches = list(scoring_batches(table_of(lengths), max_tokens=budget))
    for batch in batches:
        check(batch, lengths, budget)
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(len(lengths)))


@given(lengths_lists, st.integers(1, 100), st.integers(1, 9), st.integers(0, 5))
def test_an_epoch_takes_each_row_once_in_a_seeded_order(lengths, budget, batch_size, epoch):
    def updates(seed):
        return list(
            training_batches(table_of(lengths), batch_size=batch_size, max_tokens=budget, seed=seed, epoch=epoch)
        )

    rows = []
    for number, batches in enumerate(updates(1)):
        for batch in batches:
            check(batch, lengths, budget)
        texts = np.concatenate([batch.rows for batch in batches])
        assert len(texts) == min(batch_size, len(lengths) - number * batch_size)
        rows.extend(texts)
    assert sorted(rows) == list(range(len(lengths)))
    again = [row for batches in updates(1) for batch in batches for row in batch.rows]
    assert rows == again

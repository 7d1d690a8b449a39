import numpy as np
import pytest
import torch

from fenlei.encoders.packing import Packing


@pytest.mark.parametrize(
    ("lengths", "counts"),
    [
        ([10] * 4, [4]),
        ([2, 3, 10, 11], [4]),  # all are padded to 16 anyhow
        ([2, 17, 30, 33], [1, 2, 1]),  # 16, 32, 32 and 48
        ([100, 113], [2]),  # 112 to 128 adds a fifteenth to the two
        ([128] * 9, [4, 4, 1]),  # four times 128 x 128 weights are the most
        ([255, 256, 257, 300], [1, 1, 1, 1]),
    ],
)
def test_runs_are_of_nearly_equal_length_and_of_few_weights(lengths, counts):
    packing = Packing.of(np.array(lengths), torch.device("cpu"))
    assert [run.count for run in packing.runs] == counts
    assert [run.start for run in packing.runs] == [0, *np.cumsum(lengths)[np.cumsum(counts)[:-1] - 1]]
    assert packing.runs[-1].stop == sum(lengths)


@pytest.mark.parametrize(
    ("lengths", "row", "padded"),
    [
        ([16], 16, [16]),
        ([3, 17, 18], 48, [16, 32]),
        ([512, 512], 1024, [512, 512]),
        ([300, 513], 832, [304, 544]),
        ([3000], 3072, [3072]),
    ],
)
def test_rows_and_runs_end_at_lengths_that_come_again(lengths, row, padded):
    packing = Packing.of(np.array(lengths), torch.device("cpu"))
    assert packing.position_ids.shape == (1, row)
    assert packing.spare == row - sum(lengths)
    assert [run.padded for run in packing.runs] == padded


def test_few_lengths_come_again():
    rows = {Packing.of(np.array([length]), torch.device("cpu")).position_ids.shape[1] for length in range(1, 4097)}
    assert len(rows) == 80


def test_what_follows_a_lone_text_pads_it_where_the_row_is_long_enough():
    first, pair, last = Packing.of(np.array([2, 17, 30, 33]), torch.device("cpu")).runs
    assert first.gather is None
    assert first.real.tolist() == [[True] * 2 + [False] * 14]
    assert pair.gather is not None
    assert last.start + last.padded == 97
    assert last.gather is not None
    assert last.bias.count_nonzero() == 48 - 33

"""Windows cover a text as stated, packing keeps them together, and a normalized text knows where it came from."""

import itertools
import unicodedata

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from fenlei.model.classifier import join_windows
from fenlei.text.batches import WindowsOfBatch, scoring_batches, training_batches
from fenlei.text.normalize import aligned, normalize
from fenlei.text.tokens import TokenTable
from fenlei.text.windows import Windows, window_ranges


def reach(room, overlap, most):
    """How many tokens so many windows cover."""
    return room + (most - 1) * (room - overlap)


@st.composite
def cuts(draw):
    room = draw(st.integers(1, 40))
    return draw(st.integers(1, 300)), room, draw(st.integers(0, room - 1)), draw(st.integers(1, 12))


@given(cuts())
def test_windows_cover_every_token_up_to_the_most_and_overlap_exactly(cut):
    tokens, room, overlap, most = cut
    ranges = window_ranges(*cut)
    assert len(ranges) <= most
    assert ranges[0][0] == 0
    assert ranges[-1][1] == min(tokens, reach(room, overlap, most))
    assert all(0 < end - begin <= room for begin, end in ranges)
    assert all(one[1] - other[0] == overlap for one, other in itertools.pairwise(ranges))
    # Each has something of its own, none is a scrap, and fewer would not do.
    assert all(one[1] < other[1] for one, other in itertools.pairwise(ranges))
    lengths = [end - begin for begin, end in ranges]
    assert max(lengths) - min(lengths) <= 1
    assert len(ranges) == 1 or ranges[-1][1] > reach(room, overlap, len(ranges) - 1)


lists_of_windows = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=30)


def table_of(texts):
    """Each token carries its window's number."""
    lengths = np.array([length for text in texts for length in text])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    firsts = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    ids = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    full = np.array([sum(text) for text in texts], np.int32)
    return TokenTable(ids, offsets[firsts], full, None, Windows(offsets, firsts, np.zeros(len(texts), int), "max"))


def check(batch, table, budget):
    assert batch.lengths.tolist() == sorted(batch.lengths.tolist())
    assert len(batch.ids) <= budget or len(batch) == 1
    numbers = batch.ids[np.cumsum(batch.lengths) - 1]
    assert batch.ids.tolist() == np.repeat(numbers, batch.lengths).tolist()
    expected = [number for row in batch.rows for number in range(*table.windows.firsts[row : row + 2])]
    if batch.windows is None:
        assert numbers.tolist() == expected
        assert len(batch.rows) == len(expected)
    else:
        assert numbers[batch.windows.places].tolist() == expected
        assert batch.windows.counts.tolist() == table.windows.counts[batch.rows].tolist()


@given(lists_of_windows, st.integers(1, 80), st.integers(1, 9))
def test_all_windows_of_a_text_lie_in_one_batch(texts, budget, batch_size):
    table = table_of(texts)
    scoring = list(scoring_batches(table, max_tokens=budget))
    updates = list(training_batches(table, batch_size=batch_size, max_tokens=budget, seed=1, epoch=1))
    for batches in (scoring, [batch for update in updates for batch in update]):
        for batch in batches:
            check(batch, table, budget)
        assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(len(texts)))
    assert [sum(map(len, update)) for update in updates][:-1] == [batch_size] * (len(updates) - 1)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.sampled_from(["max", "mean"]), st.randoms())
def test_the_order_of_windows_and_texts_changes_no_joined_logit(counts, join, random):
    logits = torch.randn(sum(counts), 3, generator=torch.Generator().manual_seed(0))
    texts = list(logits.split(counts))

    def joined(parts):
        windows = WindowsOfBatch(np.arange(sum(counts)), np.array([len(part) for part in parts]), join)
        return join_windows(torch.cat(parts), windows)

    expected = torch.stack([part.amax(0) if join == "max" else part.mean(0) for part in texts])
    torch.testing.assert_close(joined(texts), expected)
    order = random.sample(range(len(texts)), len(texts))
    mixed = [texts[i][random.sample(range(counts[i]), counts[i])] for i in order]
    torch.testing.assert_close(joined(mixed), expected[order])


# What normalization joins, drops and takes apart, thickly sown.
ODD = "㈱Ａ１ｶﾞ\u200b\u0301é\u0323ㄱㅏ\u1100\u1161\u11a8\u0bc6\u0bbeﬁ½…中文"
odd_texts = st.text(st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=["Cs"])), max_size=30)


@given(odd_texts, st.sampled_from(["none", "clean", "nfkc"]))
def test_a_normalized_text_knows_the_characters_it_was_made_of(text, form):
    normalized, origins = aligned(text, form)
    assert normalized == normalize(text, form)
    assert len(origins) == len(normalized)
    assert origins == sorted(origins)
    assert all(0 <= begin < end <= len(text) for begin, end in origins)
    for piece in set(origins):
        assert normalize(text[slice(*piece)], form) == "".join(
            sign for sign, origin in zip(normalized, origins, strict=True) if origin == piece
        )


def test_korean_letters_and_marks_belong_to_one_character():
    text = unicodedata.normalize("NFD", "각é")
    assert aligned(text, "nfkc") == ("각é", [(0, 3), (3, 5)])

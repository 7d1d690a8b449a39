import itertools

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from fenlei.encoders.tokenizer import load_tokenizer
from fenlei.errors import EncoderError, SettingsError
from fenlei.text.batches import pack
from fenlei.text.example import pair_texts
from fenlei.text.tokens import TextEncoder, TextSettings


def character_tokenizer(special=True):
    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"一二三四五六七八九十"])}
    vocabulary |= {"中": len(vocabulary), "文": len(vocabulary) + 1}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return tokenizer


def test_texts_are_laid_end_to_end_with_their_special_tokens():
    table = TextEncoder(character_tokenizer(), TextSettings(max_tokens=10)).encode(["一二", "", "三"])
    assert [row.tolist() for row in table] == [[2, 4, 5, 3], [2, 3], [2, 6, 3]]
    assert table.lengths.tolist() == [4, 2, 3]
    assert table.ids.dtype == np.int32


@pytest.mark.parametrize(("truncation", "expected"), [("head", [4, 5, 6, 7, 8]), ("head+tail", [4, 10, 11, 12, 13])])
def test_longer_texts_are_cut_to_the_limit(truncation, expected):
    encoder = TextEncoder(character_tokenizer(), TextSettings(max_tokens=7, truncation=truncation))
    table = encoder.encode(["一二三四五六七八九十", "一"])
    assert table[0].tolist() == [2, *expected, 3]
    assert table.full_lengths.tolist() == [12, 3]
    assert table.share_of_texts_cut() == 0.5
    assert table.share_of_tokens_cut() == pytest.approx(5 / 15)
    assert encoder.whole_text("一二三四五六七八九十") == "一二三四五六七八九十"


def windows_of(table, row):
    """The ids of each window of a text."""
    cuts = table.windows.offsets[table.windows.firsts[row] : table.windows.firsts[row + 1] + 1]
    return [table.ids[begin:end].tolist() for begin, end in itertools.pairwise(cuts)]


def test_longer_texts_are_read_in_windows():
    settings = TextSettings(max_tokens=7, truncation="windows", window_join="mean")
    encoder = TextEncoder(character_tokenizer(), settings)
    table = encoder.encode(["一二三四五六七八九十", "一", "", "一二三四五六"])
    # Five tokens of room, of which a quarter, one token, is repeated; the windows are equally long.
    assert windows_of(table, 0) == [[2, 4, 5, 6, 7, 3], [2, 7, 8, 9, 10, 3], [2, 10, 11, 12, 13, 3]]
    assert [windows_of(table, row) for row in (1, 2)] == [[[2, 4, 3]], [[2, 3]]]
    assert windows_of(table, 3) == [[2, 4, 5, 6, 7, 3], [2, 7, 8, 9, 3]]
    assert table.windows.counts.tolist() == [3, 1, 1, 2]
    assert table.windows.join == "mean"
    assert table.lengths.tolist() == [18, 3, 2, 11]
    assert table.full_lengths.tolist() == [12, 3, 2, 8]
    assert table.share_of_texts_cut() == table.share_of_tokens_cut() == 0
    assert encoder.window_spans("一二三四五六七八九十") == [(0, 4), (3, 7), (6, 10)]
    assert encoder.window_spans("一二") == [(0, 2)]
    assert encoder.window_spans("") == [(0, 0)]


@pytest.mark.parametrize("lead", ["\x01", "\x01\x02\x03", "\x7f\x7f", "\n\n", "\x01\n "])
def test_spans_begin_right_behind_control_characters(starter_folder, lead):
    settings = TextSettings(max_tokens=8, truncation="windows", window_overlap=0)
    encoder, plain = TextEncoder(load_tokenizer(starter_folder).tokenizer, settings), "一二三四五六七八九十甲乙丙丁"
    expected = [plain[begin:end] for begin, end in encoder.window_spans(plain)]
    found = [f"{lead}{plain}"[begin:end].lstrip(lead) for begin, end in encoder.window_spans(f"{lead}{plain}")]
    assert "".join(found) == plain
    assert found == expected


def test_more_windows_than_allowed_are_cut_and_counted():
    settings = TextSettings(max_tokens=7, truncation="windows", window_overlap=0.4, max_windows=2)
    encoder = TextEncoder(character_tokenizer(), settings)
    table = encoder.encode(["一二三四五六七八九十", "一二三四五六七八"])
    assert windows_of(table, 0) == windows_of(table, 1) == [[2, 4, 5, 6, 7, 8, 3], [2, 7, 8, 9, 10, 11, 3]]
    assert table.share_of_texts_cut() == 0.5
    assert table.share_of_tokens_cut() == pytest.approx(2 / 22)
    assert encoder.window_spans("一二三四五六七八九十") == [(0, 5), (3, 8)]


def test_where_no_text_is_longer_there_are_no_windows():
    settings = TextSettings(max_tokens=7, truncation="windows")
    assert TextEncoder(character_tokenizer(), settings).encode(["一二三四五", "一"]).windows is None
    one = TextSettings(max_tokens=7, truncation="windows", max_windows=1)
    table = TextEncoder(character_tokenizer(), one).encode(["一二三四五六七八九十"])
    assert table.windows is None
    assert table[0].tolist() == [2, 4, 5, 6, 7, 8, 3]


@pytest.mark.parametrize(
    ("text", "normalize", "spans"),
    [
        ("一\u200b二三四五六七八", "clean", [(0, 6), (5, 9)]),
        ("一二三四㊄六七八", "none", [(0, 5), (4, 8)]),
        # Three characters of one: the first window ends, and the second begins, inside it.
        ("一二三㊀㈩四五六七", "nfkc", [(0, 5), (4, 6), (5, 9)]),
    ],
)
def test_spans_count_in_the_text_as_given(text, normalize, spans):
    settings = TextSettings(max_tokens=7, truncation="windows", normalize=normalize)
    assert TextEncoder(character_tokenizer(), settings).window_spans(text) == spans


def test_no_texts_make_an_empty_table():
    table = TextEncoder(character_tokenizer(), TextSettings(max_tokens=7)).encode([])
    assert len(table) == 0
    assert table.share_of_texts_cut() == table.share_of_tokens_cut() == 0


def test_a_limit_without_room_for_text_is_refused():
    with pytest.raises(SettingsError, match=r"--max-tokens is 2; with 2 special tokens"):
        TextEncoder(character_tokenizer(), TextSettings(max_tokens=2))


def test_an_unknown_truncation_is_refused():
    with pytest.raises(SettingsError, match=r"--truncation is 'tail'; accepted are head, head\+tail, windows"):
        TextEncoder(character_tokenizer(), TextSettings(max_tokens=9, truncation="tail"))


def test_a_tokenizer_without_a_first_special_token_is_refused():
    with pytest.raises(EncoderError, match="puts no special token before a text"):
        TextEncoder(character_tokenizer(special=False), TextSettings(max_tokens=9))


def pair_tokenizer():
    tokenizer = character_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def test_pairs_have_their_border_and_types():
    texts = [pair_texts("一二", "三四五"), "一", pair_texts("一二三四", "五六七八九")]
    table = TextEncoder(pair_tokenizer(), TextSettings(max_tokens=9)).encode(texts)
    assert [row.tolist() for row in table] == [
        [2, 4, 5, 3, 6, 7, 8, 3],
        [2, 4, 3],
        [2, 4, 5, 6, 3, 8, 9, 10, 3],
    ]
    assert table.full_lengths.tolist() == [8, 3, 12]
    assert table.seconds.tolist() == [4, 0, 5]
    batch = pack(table, np.arange(3))
    assert batch.lengths.tolist() == [3, 8, 9]
    assert batch.types.tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert TextEncoder(pair_tokenizer(), TextSettings(max_tokens=9)).encode(["一"]).seconds is None


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        ("一二三四五六", "七", [4, 5, 6, 7, 8, 3, 10]),
        ("一", "二三四五六七八九", [4, 3, 5, 6, 7, 8, 9]),
        ("一二", "三四", [4, 5, 3, 6, 7]),
    ],
)
def test_a_pair_shares_the_room(first, second, read):
    encoder = TextEncoder(pair_tokenizer(), TextSettings(max_tokens=9))
    assert encoder.encode([pair_texts(first, second)])[0].tolist() == [2, *read, 3]
    assert encoder.whole_text(pair_texts(first, second)) == f"{first}\n{second}"


def test_the_first_text_of_a_pair_stands_in_every_window_of_the_second():
    settings = TextSettings(max_tokens=9, truncation="windows", window_overlap=0.25)
    encoder = TextEncoder(pair_tokenizer(), settings)
    pair = pair_texts("一二", "三四五六七八九十")
    table = encoder.encode([pair, pair_texts("一", "二"), "三"])
    assert windows_of(table, 0) == [
        [2, 4, 5, 3, 6, 7, 8, 9, 3],
        [2, 4, 5, 3, 9, 10, 11, 3],
        [2, 4, 5, 3, 11, 12, 13, 3],
    ]
    assert table.full_lengths.tolist() == [13, 5, 3]
    assert table.share_of_tokens_cut() == 0
    assert encoder.whole_text(pair) == "一二\n三四五六七八九十"
    assert encoder.window_spans(pair) == [(0, 4), (3, 6), (5, 8)]
    batch = pack(table, np.arange(3))
    assert batch.rows.tolist() == [2, 1, 0]
    assert batch.windows.counts.tolist() == [1, 1, 3]
    assert batch.lengths.tolist() == [3, 5, 8, 8, 9]
    assert batch.types.tolist() == [0] * 3 + [0] * 3 + [1] * 2 + ([0] * 4 + [1] * 4) * 2 + [0] * 4 + [1] * 5
    assert batch.windows.places.tolist() == [0, 1, 4, 2, 3]


def test_a_tokenizer_without_pairs_is_refused():
    encoder = TextEncoder(character_tokenizer(), TextSettings(max_tokens=9))
    with pytest.raises(EncoderError, match="the tokenizer has no template for pairs of texts"):
        encoder.encode([pair_texts("一", "二")])
    with pytest.raises(SettingsError, match="--max-tokens is 4; a pair of texts needs 5 or more"):
        TextEncoder(pair_tokenizer(), TextSettings(max_tokens=4)).encode([pair_texts("一", "二")])

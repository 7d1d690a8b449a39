import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

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


@pytest.mark.parametrize(
    ("truncation", "expected", "kept"),
    [("head", [4, 5, 6, 7, 8], "一二三四五"), ("head+tail", [4, 10, 11, 12, 13], "一七八九十")],
)
def test_longer_texts_are_cut_to_the_limit(truncation, expected, kept):
    encoder = TextEncoder(character_tokenizer(), TextSettings(max_tokens=7, truncation=truncation))
    table = encoder.encode(["一二三四五六七八九十", "一"])
    assert table[0].tolist() == [2, *expected, 3]
    assert table.full_lengths.tolist() == [12, 3]
    assert table.share_of_texts_cut() == 0.5
    assert table.share_of_tokens_cut() == pytest.approx(5 / 15)
    assert encoder.kept_text("一二三四五六七八九十") == kept
    assert encoder.kept_text("一") == "一"


def test_no_texts_make_an_empty_table():
    table = TextEncoder(character_tokenizer(), TextSettings(max_tokens=7)).encode([])
    assert len(table) == 0
    assert table.share_of_texts_cut() == table.share_of_tokens_cut() == 0


def test_a_limit_without_room_for_text_is_refused():
    with pytest.raises(SettingsError, match=r"--max-tokens is 2; with 2 special tokens"):
        TextEncoder(character_tokenizer(), TextSettings(max_tokens=2))


def test_an_unknown_truncation_is_refused():
    with pytest.raises(SettingsError, match=r"--truncation is 'tail'; accepted are head, head\+tail"):
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
    ("first", "second", "kept"),
    [
        ("一二三四五六", "七", "一二三四五\n七"),
        ("一", "二三四五六七八九", "一\n二三四五六"),
        ("一二", "三四", "一二\n三四"),
    ],
)
def test_a_pair_shares_the_room(first, second, kept):
    encoder = TextEncoder(pair_tokenizer(), TextSettings(max_tokens=9))
    assert encoder.kept_text(pair_texts(first, second)) == kept
    assert encoder.encode([pair_texts(first, second)]).lengths[0] == len(kept) - 1 + 3


def test_a_tokenizer_without_pairs_is_refused():
    encoder = TextEncoder(character_tokenizer(), TextSettings(max_tokens=9))
    with pytest.raises(EncoderError, match="the tokenizer has no template for pairs of texts"):
        encoder.encode([pair_texts("一", "二")])
    with pytest.raises(SettingsError, match="--max-tokens is 4; a pair of texts needs 5 or more"):
        TextEncoder(pair_tokenizer(), TextSettings(max_tokens=4)).encode([pair_texts("一", "二")])

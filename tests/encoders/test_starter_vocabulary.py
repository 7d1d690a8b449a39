import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenlei.encoders.e5_file import E5File, read_e5_file
from fenlei.encoders.starter import _installed_file
from fenlei.encoders.starter_vocabulary import LATIN_PIECES, build_tokenizer, chosen_pieces
from fenlei.errors import EncoderError

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@pytest.fixture(scope="module")
def wheel_file(starter_folder):
    return read_e5_file(_installed_file())


@pytest.fixture(scope="module")
def chosen(wheel_file):
    return chosen_pieces(wheel_file)


@pytest.fixture(scope="module")
def tokenizer(wheel_file, chosen):
    tokenizer = build_tokenizer(wheel_file, chosen)
    tokenizer.encode_special_tokens = True
    return tokenizer


def small_file(tmp_path, pieces):
    return E5File(
        path=tmp_path / "small.bin",
        hidden_size=32,
        layers=1,
        heads=2,
        feed_forward=64,
        vocabulary=len(pieces),
        positions=16,
        token_types=2,
        layer_norm_epsilon=1e-12,
        pieces=pieces,
        scores=-np.arange(len(pieces), dtype=np.float32),
        tensors={},
        data=b"",
    )


def test_what_is_kept_and_what_is_not(tmp_path):
    kept = [
        *SPECIAL,
        "▁",
        "中",
        "▁中国",
        "々",
        "——",
        "》《",
        "▁2018",
        "❶",
        "é",
        "β",
        "▁Z",
        "APP",
        "▁NBA",
        "ing",
    ]
    dropped = ["▁the", "▁The", "の", "中の", "한", "привет", "२०", "été", "ب"]
    file = small_file(tmp_path, [*dropped, *kept])
    assert [file.pieces[index] for index in chosen_pieces(file)] == kept


def test_latin_pieces_with_a_capital_go_first_then_by_score(tmp_path):
    lower = [f"a{letter}{number}" for letter in "bcdefghij" for number in range(1000)]
    file = small_file(tmp_path, [*SPECIAL, *lower, "iPhone"])
    kept = [file.pieces[index] for index in chosen_pieces(file)]
    assert kept == [*SPECIAL, *lower[: LATIN_PIECES - 1], "iPhone"]


def test_a_missing_special_token_is_refused(tmp_path):
    with pytest.raises(EncoderError, match=r"small\.bin: the vocabulary lacks </s> <mask>"):
        chosen_pieces(small_file(tmp_path, ["<s>", "<pad>", "<unk>"]))


def test_every_character_of_a_kept_piece_is_kept_itself(wheel_file, chosen):
    """Which makes the score of an unknown character irrelevant to all others."""
    kept = {wheel_file.pieces[index] for index in chosen}
    letters = {character for piece in kept.difference(SPECIAL) for character in piece}
    assert letters <= kept
    assert wheel_file.scores.min() > -21


def test_every_piece_keeps_its_score(wheel_file, chosen, tokenizer):
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    pieces = dict(zip(wheel_file.pieces, wheel_file.scores.tolist(), strict=True))
    assert [piece for piece, _ in vocabulary] == [wheel_file.pieces[index] for index in chosen]
    assert all(score == pieces[piece] for piece, score in vocabulary if piece not in SPECIAL)


@given(st.lists(st.sampled_from([*SPECIAL, "大众", "a", "NBA", " ", "<", ">", "/", "s", "。"])))
def test_special_tokens_typed_by_a_user_stay_text(tokenizer, parts):
    text = "".join(parts)
    encoded = tokenizer.encode(text)
    assert encoded.tokens[0] == "<s>"
    assert encoded.tokens[-1] == "</s>"
    assert not set(encoded.tokens[1:-1]).intersection(SPECIAL)
    assert "".join(encoded.tokens[1:-1]).replace("▁", "") == text.replace(" ", "")


def test_pairs(tokenizer):
    assert tokenizer.encode("你好", "世界").tokens == [
        "<s>",
        "▁",
        "你好",
        "</s>",
        "</s>",
        "▁",
        "世界",
        "</s>",
    ]


def test_normalisation_is_that_of_the_file(wheel_file, tokenizer):
    """The file's own table of single code points, which the tokenizer does not use, as a reference."""
    pieces = [piece.encode() for piece in wheel_file.pieces]
    position = 44 + 28 + 8 * len(pieces) + 4 + sum(map(len, pieces))
    count, _ = struct.unpack_from("<iI", wheel_file.data, position)
    position += 8
    for _ in range(count):
        code_point, length = struct.unpack_from("<IB", wheel_file.data, position)
        expected = struct.unpack_from(f"<{length}I", wheel_file.data, position + 5)
        position += 5 + 4 * length
        assert tokenizer.normalizer.normalize_str(chr(code_point)) == "".join(map(chr, expected))


def test_dropping_pieces_changes_no_text_that_is_cut_into_kept_ones(wheel_file, tokenizer):
    full = build_tokenizer(wheel_file, np.arange(len(wheel_file.pieces)))
    for text in [
        "大众汽车召回部分车型",
        "ＮＢＡ总决赛 5G手机",
        "《流浪地球》，票房40亿！",
        "臺灣——香港",
        "手机App上线",
    ]:
        assert tokenizer.encode(text).tokens == full.encode(text).tokens

import pytest

from fenlei.encoders.coverage import measure_coverage
from fenlei.encoders.tokenizer import EncoderTokenizer, load_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder):
    return load_tokenizer(tiny_encoder)


def test_unknown_characters_are_counted_with_examples(tokenizer):
    coverage = measure_coverage(tokenizer, ["股票 涨跌", "囍的了", "囍事a啊", ""])
    assert coverage.characters == 11
    assert coverage.unknown == 4
    assert coverage.unknown_share == pytest.approx(4 / 11)
    assert coverage.examples[0] == ("囍", 2)
    assert coverage.warning() == (
        "36.4% of the characters are unknown to the encoder's vocabulary, "
        "such as '囍' (2), '事' (1), '啊' (1); the vocabulary may belong to another model or language"
    )


def test_an_unknown_word_counts_in_full(tokenizer):
    assert measure_coverage(tokenizer, ["ç ö ò"]).unknown == 0  # accents are stripped
    assert measure_coverage(tokenizer, ["αβγ"]).unknown == 3


def test_a_tolerable_share_says_nothing(tokenizer):
    assert measure_coverage(tokenizer, ["股票" * 50 + "囍"]).warning() is None
    assert measure_coverage(tokenizer, []).warning() is None


def test_a_tokenizer_without_unknown_token(tokenizer):
    bare = EncoderTokenizer(tokenizer.tokenizer, {}, ["input_ids"])
    assert measure_coverage(bare, ["囍"]).unknown == 0

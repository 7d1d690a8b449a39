"""The starter's tokenizer: XLM-R's Unigram vocabulary, cut down to what occurs in Chinese text."""

import io
import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fenlei.encoders.e5_file import E5File
from fenlei.errors import EncoderError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "mask_token": "<mask>",
    "pad_token": "<pad>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
}
LATIN_PIECES = 8_000

_SPACE = "▁"
# e5 was trained on texts that begin with `query: ` or `passage: `; this is how they are cut.
_PREFIXES = ("▁que", "ry", "▁passage")
_HAN = re.compile(r"[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
# A special token is also a piece, and at its own score of 0 the Unigram model would prefer it wherever a
# user types `<s>`. At this one, any other way to cut those characters wins: they are all pieces by
# themselves, and no score of the vocabulary is below -21. The model takes the lowest score less 10 for an
# unknown character, which decides nothing, since a character that occurs in a kept piece is kept itself.
_NEVER = -1000.0


def chosen_pieces(file: E5File) -> NDArray[np.intp]:
    """The token ids of `file` that the starter keeps, ascending; a place in the array is the new token id.

    Kept are the special tokens and e5's prefixes; pieces of Han characters alone; pieces of punctuation,
    symbols and numerals alone (of the decimal digits, only 0-9); single Latin and Greek letters; and of
    the other ASCII pieces the `LATIN_PIECES` that are likeliest beside Chinese. Chinese writes no space,
    so these are the ones that continue a word, and abbreviations: first those with a capital (APP, NBA,
    iPhone), then the rest, each by score.

    Raises:
        EncoderError: a special token is missing.
    """
    missing = set(SPECIAL_TOKENS.values()).difference(file.pieces)
    if missing:
        raise EncoderError(f"{file.path}: the vocabulary lacks {' '.join(sorted(missing))}")
    always = {*SPECIAL_TOKENS.values(), *_PREFIXES}
    kept: list[int] = []
    latin: list[tuple[bool, float, int]] = []
    for index, piece in enumerate(file.pieces):
        body = piece.removeprefix(_SPACE) or piece
        if piece in always or _HAN.fullmatch(body) or all(map(_is_mark, body)) or _is_letter(body):
            kept.append(index)
        elif body.isascii() and (not piece.startswith(_SPACE) or body.isupper()):
            latin.append((body.islower(), -float(file.scores[index]), index))
    kept += [index for _, _, index in sorted(latin)[:LATIN_PIECES]]
    return np.array(sorted(kept), dtype=np.intp)


def build_tokenizer(file: E5File, chosen: NDArray[np.intp]) -> "Tokenizer":
    """The tokenizer over the chosen pieces, each with its score in the full vocabulary.

    The steps are those of XLM-R: SentencePiece's `nmt_nfkc` normalisation, a `▁` before every word, the
    likeliest segmentation, and `<s> A </s>` or `<s> A </s> </s> B </s>` around it.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    special = list(dict.fromkeys(SPECIAL_TOKENS.values()))
    pieces = [file.pieces[index] for index in chosen]
    scores = file.scores[chosen].tolist()
    scored = [(piece, _NEVER if piece in special else score) for piece, score in zip(pieces, scores, strict=True)]
    tokenizer = Tokenizer(models.Unigram(scored, pieces.index("<unk>"), byte_fallback=False))
    # XLM-R's map made a space of the zero-width joiner; today's leaves it, and differs in nothing else.
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(_nmt_nfkc_map()), normalizers.Replace("\u200d", " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always"),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, pieces.index(token)) for token in ("<s>", "</s>")],
    )
    tokenizer.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme="always")
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return tokenizer


def _is_mark(character: str) -> bool:
    category = unicodedata.category(character)
    return character in "0123456789" or category in ("Nl", "No") or category[0] in "PS"


def _is_letter(text: str) -> bool:
    return len(text) == 1 and text.isalpha() and unicodedata.name(text, "").startswith(("LATIN ", "GREEK "))


def _nmt_nfkc_map() -> bytes:
    """SentencePiece's standard normalisation, taken from a model of one letter trained on the spot.

    The library has it compiled in and hands it out in no other way.
    """
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a"]),
        model_writer=trained,
        model_type="char",
        vocab_size=8,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto.FromString(trained.getvalue())
    return bytes(model.normalizer_spec.precompiled_charsmap)

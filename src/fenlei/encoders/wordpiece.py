"""BERT's WordPiece tokenizer from a `vocab.txt`, with the ids of the TensorFlow code, in Rust.

They differ only where Unicode tables of another age know a character otherwise.

Beside google-research/bert's `tokenization.py` (lower case) stands ELECTRA's, which also removes private-use
and unassigned characters. transformers' own BertTokenizer differs from both: words over 100 characters,
literal special tokens in a text, private-use characters, final sigma.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fenlei.encoders.file_kind import mistaken_for
from fenlei.errors import EncoderError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Cleaning = Literal["bert", "electra"]

SPECIAL_TOKENS = {
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
    "pad_token": "[PAD]",
    "sep_token": "[SEP]",
    "unk_token": "[UNK]",
}
_LONGEST_WORD = 200  # characters; the TensorFlow code makes a longer one [UNK]
# A noncharacter: no vocabulary has it, and nothing cleans it away.
_STAND_IN = "\ufdd0"


def read_vocabulary(file: Path) -> list[str]:
    r"""The tokens of a `vocab.txt`; a token's id is its place.

    Lines end with `\n` alone: the Chinese vocabulary holds U+2028, at which `str.splitlines` would cut.
    ERNIE's form, with the id after a tab, is read too.

    Raises:
        EncoderError: the file is missing, no vocabulary, or lacks a special token.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EncoderError(f"the vocabulary {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise EncoderError(f"the vocabulary {file} is not UTF-8 (byte {error.start})") from error
    lines = text.removesuffix("\n").split("\n")
    # The TensorFlow code strips every line; a token of white space alone can never match, and is kept.
    tokens = [line.strip() or line.rstrip("\r") for line in lines]
    if "\t" in tokens[0]:
        tokens = [_without_id(file, number, token) for number, token in enumerate(tokens)]
    if missing := sorted(set(SPECIAL_TOKENS.values()) - set(tokens)):
        mistaken = mistaken_for(file)
        raise EncoderError(
            f"{file} is {mistaken[0]}"
            if mistaken
            else f"{file} ({len(tokens):,} lines) is no BERT vocabulary: it lacks {', '.join(missing)}",
            hint=mistaken[1] if mistaken else "take vocab.txt from the same download as the weights",
        )
    return tokens


def _without_id(file: Path, number: int, line: str) -> str:
    token, _, given = line.partition("\t")
    if given != str(number):
        raise EncoderError(f"{file}:{number + 1}: the id {number} is expected after the tab, not {given!r}")
    return token


def build_wordpiece(vocab_file: Path, *, cleaning: Cleaning, lowercase: bool = True) -> "Tokenizer":
    """A fast tokenizer that gives `[CLS] … [SEP]` (and `… [SEP]` for a second text).

    Special tokens are in the vocabulary but not registered, so that `[MASK]` in a text stays text.

    Args:
        vocab_file: one token a line.
        cleaning: whose rules clean the text: `bert` (also for ALBERT-zh) or `electra`.
        lowercase: as for all Chinese models; False keeps case and accents, as cased models want it.

    Raises:
        EncoderError: as `read_vocabulary`.
    """
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer, Replace
    from tokenizers.pre_tokenizers import BertPreTokenizer, Split
    from tokenizers.processors import TemplateProcessing

    tokens = read_vocabulary(vocab_file)
    # Of a token that stands twice the later place counts, as in the TensorFlow code.
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=_LONGEST_WORD))
    if cleaning == "electra":
        steps = [Replace(Regex(r"[\p{Co}\p{Cn}]"), "")]
    else:
        # BertNormalizer would drop private-use characters; the original keeps them, within an [UNK] word.
        steps = [Replace(Regex(r"\p{Co}"), _STAND_IN)]
    if lowercase:
        # Python's lower() knows the final sigma, Rust's lower case of single characters does not.
        # Ideographs are no neighbours: the original lowers words after it has put spaces around those.
        steps.append(Replace(Regex(r"(?<=[\p{Lu}\p{Ll}\p{Lt}])Σ(?![\p{Lu}\p{Ll}\p{Lt}])"), "ς"))
    cleaned = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=lowercase, lowercase=lowercase)
    tokenizer.normalizer = normalizers.Sequence([*steps, cleaned])
    # Ideographs that BertNormalizer, against the original, puts no spaces around.
    forgotten = Split(Regex(r"[\x{2B820}-\x{2B91F}]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([BertPreTokenizer(), forgotten])
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def check_fit(where: Path, tokens: int, rows: int) -> None:
    """Refuse a vocabulary that belongs to another embedding table.

    Args:
        where: the vocabulary or its folder, for the message.
        tokens: its number of tokens.
        rows: rows of the embedding table; some are rounded up, so that a few may lie idle.

    Raises:
        EncoderError: there are more tokens than rows, or less than four for every five rows.
    """
    if not 0.8 * rows <= tokens <= rows:
        raise EncoderError(
            f"{where}: the vocabulary has {tokens:,} tokens but the embedding table {rows:,} rows",
            hint="the vocabulary belongs to another model; take both from the same download",
        )

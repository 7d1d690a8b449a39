"""An encoder's tokenizer: loaded from any Hugging Face directory, saved so that transformers reads it alike."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fenlei.encoders.wordpiece import SPECIAL_TOKENS, build_wordpiece, check_fit
from fenlei.errors import EncoderError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_ROLES = ("bos_token", "cls_token", "eos_token", "mask_token", "pad_token", "sep_token", "unk_token")


@dataclass(frozen=True)
class EncoderTokenizer:
    """A fast tokenizer and the names of its special tokens.

    Attributes:
        tokenizer: text -> ids; literal special tokens in a text stay text.
        special_tokens: role (`cls_token`, …) -> token.
        input_names: the tensors that the encoder takes, as transformers names them.
    """

    tokenizer: "Tokenizer"
    special_tokens: dict[str, str]
    input_names: list[str]


def load_tokenizer(folder: Path) -> EncoderTokenizer:
    """The tokenizer of a Hugging Face directory.

    `tokenizer.json` is read as it is. A folder with only `vocab.txt` gets WordPiece whatever its
    model type: transformers would give a Chinese ALBERT an empty SentencePiece tokenizer. Everything
    else goes through transformers' AutoTokenizer.

    Raises:
        EncoderError: there is no tokenizer, or it does not fit the encoder's embeddings.
    """
    from tokenizers import Tokenizer

    described = _json(folder / "tokenizer_config.json") | _json(folder / "special_tokens_map.json")
    model_type = _json(folder / "config.json").get("model_type")
    if (folder / "tokenizer.json").exists():
        try:
            # Not by its path: the library takes none that is not UTF-8, as of a folder that an old server named.
            tokenizer = Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8"))
        except Exception as error:  # the library raises bare Exception
            raise EncoderError(f"{folder / 'tokenizer.json'} is not a tokenizer: {error}") from error
        special = {role: _token_text(described[role]) for role in _ROLES if described.get(role)}
    elif (folder / "vocab.txt").exists():
        tokenizer = build_wordpiece(
            folder / "vocab.txt",
            cleaning="electra" if model_type == "electra" else "bert",
            lowercase=described.get("do_lower_case", True),
        )
        special = dict(SPECIAL_TOKENS)
    else:
        tokenizer, special = _through_transformers(folder)
    # `<s>` or `[MASK]` typed by a user is text, not a command.
    tokenizer.encode_special_tokens = True
    rows = _json(folder / "config.json").get("vocab_size")
    if rows is not None:
        check_fit(folder, tokenizer.get_vocab_size(), rows)
    takes_types = model_type not in ("roberta", "xlm-roberta", "distilbert", "modernbert")
    names = ["input_ids", "token_type_ids", "attention_mask"] if takes_types else ["input_ids", "attention_mask"]
    return EncoderTokenizer(tokenizer, special, names)


def save_tokenizer(tokenizer: EncoderTokenizer, folder: Path, *, max_tokens: int) -> None:
    """Write `tokenizer.json` and a `tokenizer_config.json` with which AutoTokenizer gives the same ids.

    The class is named as the plain fast one, since beside `model_type: bert` AutoTokenizer would
    rebuild a BertTokenizer with other limits, and beside `albert` fail.
    """
    (folder / "tokenizer.json").write_text(tokenizer.tokenizer.to_str(pretty=True), encoding="utf-8", newline="\n")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_tokens,
        "model_input_names": tokenizer.input_names,
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
        **tokenizer.special_tokens,
    }
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )


def _through_transformers(folder: Path) -> tuple["Tokenizer", dict[str, str]]:
    from transformers import AutoTokenizer

    try:
        wrapped = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokenizer = wrapped.backend_tokenizer
    except (OSError, ValueError, KeyError, AttributeError, ImportError, TypeError) as error:
        raise EncoderError(
            f"{folder} has no tokenizer that can be read: {error}",
            hint="put tokenizer.json or vocab.txt of the same model into the folder",
        ) from error
    return tokenizer, {role: str(getattr(wrapped, role)) for role in _ROLES if getattr(wrapped, role, None)}


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise EncoderError(f"{path} is not valid JSON: {error}") from error
    return content


def _token_text(token: Any) -> str:
    return str(token["content"]) if isinstance(token, dict) else str(token)

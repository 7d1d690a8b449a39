"""The form of a text before it is tokenized: chosen once in training, saved in the bundle, the same ever after."""

import re
import unicodedata
from itertools import pairwise
from typing import Literal

Normalization = Literal["none", "clean", "nfkc"]

# Control and format characters (Unicode's Cc and Cf), which nobody sees: zero-width spaces and joiners, direction
# marks, byte order marks inside a text, soft hyphens. Tab, line ends and the border of a pair stay.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1d\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f]"
)


def normalize(text: str, form: Normalization) -> str:
    """`text` in the given form.

    Args:
        text: as read.
        form: `none`: as it is; `clean`: without control and zero-width characters; `nfkc`: that, and
            compatibility characters in their ordinary form (Unicode NFKC): `Ａ１` becomes `A1`, `㈱` `(株)`.
            Chinese commas and brackets become ASCII ones, which an encoder may know less well.

    Example:
        >>> normalize("５Ｇ\u200b手机", "nfkc")
        '5G手机'
    """
    if form == "none":
        return text
    cleaned = _INVISIBLE.sub("", text)
    return unicodedata.normalize("NFKC", cleaned) if form == "nfkc" else cleaned


def aligned(text: str, form: Normalization) -> tuple[str, list[tuple[int, int]]]:
    """`normalize(text, form)`, and for each of its characters the characters of `text` that it was made of.

    Returns:
        The normalized text, and for each of its characters a begin and an end in `text`.

    Example:
        >>> aligned("㈱Ａ", "nfkc")
        ('(株)A', [(0, 1), (0, 1), (0, 1), (1, 2)])
    """
    if form == "none":
        return text, [(place, place + 1) for place in range(len(text))]
    begins = [place for place, sign in enumerate(text) if not place or not _may_join_the_one_before(sign)]
    pieces, origins = [], []
    for begin, end in pairwise([*begins, len(text)]):
        pieces.append(normalize(text[begin:end], form))
        origins += [(begin, end)] * len(pieces[-1])
    return "".join(pieces), origins


def _may_join_the_one_before(sign: str) -> bool:
    """Whether normalization can drop a character, or make one of it and those before it: marks, Korean letters."""
    if _INVISIBLE.match(sign):
        return True
    first = unicodedata.normalize("NFKD", sign)[0]
    return unicodedata.category(first).startswith("M") or "\u1160" <= first <= "\u11ff"


def invisible_characters(text: str) -> list[str]:
    """The control and zero-width characters of a text, in order."""
    return _INVISIBLE.findall(text)

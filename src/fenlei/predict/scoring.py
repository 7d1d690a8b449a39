"""Texts -> logits, by a bundle on a device.

Shapes: B texts, C labels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.bundle import Bundle
from fenlei.errors import DataError
from fenlei.model.classifier import EncoderClassifier, predict_logits, predict_windows
from fenlei.model.precast import for_prediction
from fenlei.runtime import Runtime
from fenlei.text.tokens import TokenTable

Advance = Callable[[int], None]
"""Called with the number of texts done, for progress."""


@dataclass(frozen=True, eq=False)
class Deciding:
    """Which window of a long text spoke loudest for a label.

    Attributes:
        highest: (B, C) int32, the window, from 0, with the highest logit.
        spans: row of a text with several windows -> the first character of each, and one past its last.
    """

    highest: NDArray[np.int32]
    spans: dict[int, list[tuple[int, int]]]

    def span(self, row: int, label: int) -> tuple[int, int] | None:
        """The characters of the deciding window; None: the text is one window."""
        return self.spans[row][self.highest[row, label]] if row in self.spans else None


def list_of_texts(texts: Iterable[str]) -> list[str]:
    """The texts of any iterable, such as a generator or one column of a table.

    Raises:
        DataError: it is one string or a whole table, or holds something that is no text; says where.
    """
    if isinstance(texts, str):
        raise DataError("a list of texts is needed, and this is one string", hint="write [text]")
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):
        raise DataError(
            f"a list of texts is needed, and this is a {type(texts).__name__}",
            hint="give one column of it, such as table['text']",
        )
    listed = list(texts)
    for row, text in enumerate(listed):
        if not isinstance(text, str):
            raise DataError(
                f"text {row + 1} of {len(listed):,} is {str(text)[:40]!r} of the type {type(text).__name__}; "
                "a text is a str",
                hint="leave such rows out, or give '' for a text that is empty",
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"text {row + 1} of {len(listed):,} has half a character, {text[error.start]!r}, at {error.start}",
                hint="read the text anew from where it was whole, or leave the half out",
            ) from error
    return listed


class Scorer:
    """A bundle ready to compute.

    Attributes:
        bundle: what computes.
        runtime: where.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.bundle, self.runtime = bundle, runtime
        self._text_encoder = bundle.text_encoder()
        bundle.classifier.network.to(runtime.device)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and other processes: without what is made when first needed, which PyTorch cannot copy."""
        return {name: value for name, value in self.__dict__.items() if name != "_classifier"}

    def logits(self, texts: Iterable[str], *, advance: Advance = lambda texts: None) -> NDArray[np.float32]:
        """(B, C) of the classifier, in the order of `texts`.

        Raises:
            DataError: as `list_of_texts`.
        """
        return self.logits_of(self.encode(texts), advance=advance)

    def encode(self, texts: Iterable[str]) -> TokenTable:
        """The texts as the encoder sees them; errors as for `logits`."""
        return self._text_encoder.encode(list_of_texts(texts))

    def logits_of(self, table: TokenTable, *, advance: Advance = lambda texts: None) -> NDArray[np.float32]:
        """(B, C) of the classifier, in the order of `table`."""
        return predict_logits(self._classifier, table, self.runtime, advance=advance)

    def scores(self, texts: Iterable[str], *, advance: Advance = lambda texts: None) -> NDArray[np.float64]:
        """(B, C) scores in [0, 1], in the order of `texts`; errors as for `logits`."""
        listed = list_of_texts(texts)
        return self._scores(listed, self.logits_of(self._text_encoder.encode(listed), advance=advance))

    def scores_and_deciding(
        self, texts: Iterable[str], *, advance: Advance = lambda texts: None
    ) -> tuple[NDArray[np.float64], Deciding | None]:
        """(B, C) scores as `scores`, and the windows that decided them; None: every text is one window."""
        # A table's column is asked for its rows by their names and not by their places.
        listed = list_of_texts(texts)
        table = self._text_encoder.encode(listed)
        logits, highest = predict_windows(self._classifier, table, self.runtime, advance=advance)
        if highest is None or table.windows is None:
            return self._scores(listed, logits), None
        long = np.flatnonzero(table.windows.counts > 1).tolist()
        deciding = Deciding(highest, {row: self._text_encoder.window_spans(listed[row]) for row in long})
        return self._scores(listed, logits), deciding

    @cached_property
    def _classifier(self) -> EncoderClassifier:
        # Made when first needed: `fenlei decide` loads a bundle and computes nothing.
        return for_prediction(self.bundle.classifier, self.runtime)

    def baseline_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(B, C) of the linear baseline, which reads whole texts."""
        return self.bundle.baseline.logits([self._text_encoder.whole_text(text) for text in texts])

    def _scores(self, texts: Sequence[str], logits: NDArray[np.float32]) -> NDArray[np.float64]:
        decision = self.bundle.decision
        return decision.scores(logits, self.baseline_logits(texts) if decision.blend.baseline else None)

"""Texts -> logits, by a bundle on a device.

Shapes: B texts, C labels.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fenlei.bundle import Bundle
from fenlei.errors import DataError
from fenlei.model.classifier import predict_logits
from fenlei.runtime import Runtime
from fenlei.text.tokens import TokenTable

Advance = Callable[[int], None]
"""Called with the number of texts done, for progress."""


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

    def logits(self, texts: Sequence[str], *, advance: Advance = lambda texts: None) -> NDArray[np.float32]:
        """(B, C) of the classifier, in the order of `texts`.

        Raises:
            DataError: `texts` is one string.
        """
        return self.logits_of(self.encode(texts), advance=advance)

    def encode(self, texts: Sequence[str]) -> TokenTable:
        """The texts as the encoder sees them; errors as for `logits`."""
        if isinstance(texts, str):
            raise DataError("predict takes a list of texts, and this is one string", hint="write [text]")
        return self._text_encoder.encode(texts)

    def logits_of(self, table: TokenTable, *, advance: Advance = lambda texts: None) -> NDArray[np.float32]:
        """(B, C) of the classifier, in the order of `table`."""
        return predict_logits(self.bundle.classifier, table, self.runtime, advance=advance)

    def scores(self, texts: Sequence[str], *, advance: Advance = lambda texts: None) -> NDArray[np.float64]:
        """(B, C) scores in [0, 1], in the order of `texts`; errors as for `logits`."""
        logits, decision = self.logits(texts, advance=advance), self.bundle.decision
        return decision.scores(logits, self.baseline_logits(texts) if decision.blend.baseline else None)

    def baseline_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(B, C) of the linear baseline, on what the encoder sees of the texts."""
        return self.bundle.baseline.logits([self._text_encoder.kept_text(text) for text in texts])

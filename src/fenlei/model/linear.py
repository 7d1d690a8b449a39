"""The baseline that an encoder has to beat: TF-IDF of character n-grams and one linear SVM a label.

It is fitted on the training rows once and travels in the bundle, so that any later evaluation can show it
beside the classifier. Kept as safetensors and JSON; a loaded one is built the way a fitted one is, so both
give the same scores to the bit.

Shapes: B texts, F n-grams, C labels.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fenlei.atomic import atomic_file, write_text
from fenlei.errors import BundleError, DataError
from fenlei.text.labels import Task

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FORMAT = 1
_TENSORS = "linear.safetensors"
_VOCABULARY = "linear.json"

_NGRAMS = (1, 3)
_MIN_TEXTS = 2
_REGULARIZATION = 1.0  # scikit-learn's C

# 100 MB in float16. With 10,000 labels only the 5,000 most frequent n-grams are kept.
_MOST_WEIGHTS = 50_000_000

# The logit of a label that no training text has (negative) or every one has: beyond any SVM's margin.
_CERTAIN = 1e3


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A fitted TF-IDF + linear SVM classifier.

    Attributes:
        task: what it was fitted for.
        vocabulary: F n-grams of 1 to 3 characters in lower case.
        idf: (F,) inverse document frequencies.
        weights: (C, F); float16, which halves the file and moved no decision of `baidu_event`.
        bias: (C,).
    """

    task: Task
    vocabulary: tuple[str, ...]
    idf: NDArray[np.float32]
    weights: NDArray[np.float16]
    bias: NDArray[np.float32]

    @classmethod
    def fit(cls, texts: Sequence[str], truth: "csr_array | NDArray[Any]", task: Task) -> "LinearModel":
        """Fit on B texts and their (B, C) truth, sparse or dense; the same input gives the same model.

        Raises:
            DataError: no two texts have a character in common.
        """
        from scipy.sparse import csc_array
        from sklearn.svm import LinearSVC

        vectorizer = _new_vectorizer(min_df=_MIN_TEXTS, max_features=max(1, _MOST_WEIGHTS // truth.shape[1]))
        try:
            features = vectorizer.fit_transform(texts)
        except ValueError as error:
            raise DataError(
                f"no character occurs in two of the {len(texts)} training texts: "
                "the TF-IDF baseline has nothing to learn from",
                hint="check the text column",
            ) from error
        features = features.astype(np.float64)
        weights = np.zeros((truth.shape[1], features.shape[1]), dtype=np.float16)
        bias = np.zeros(truth.shape[1], dtype=np.float32)
        columns = csc_array(truth)
        for label in range(truth.shape[1]):
            right = np.zeros(truth.shape[0], dtype=bool)
            right[columns.indices[columns.indptr[label] : columns.indptr[label + 1]]] = True
            if right.all() or not right.any():
                bias[label] = _CERTAIN if right.all() else -_CERTAIN
                continue
            machine = LinearSVC(C=_REGULARIZATION, random_state=0).fit(features, right)
            weights[label], bias[label] = machine.coef_[0], machine.intercept_[0]
        return cls(task, tuple(vectorizer.get_feature_names_out()), vectorizer.idf_, weights, bias)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(B, C) signed distances to each label's border: its logits, from which a decision makes scores and labels."""
        if not len(texts):
            return np.zeros((0, len(self.bias)), dtype=np.float32)
        logits: NDArray[np.float32] = self._vectorizer.transform(texts) @ self._columns + self.bias
        return logits

    def save(self, folder: Path) -> None:
        """Write the model's two files into `folder`."""
        from safetensors.numpy import save_file

        with atomic_file(folder / _TENSORS) as temporary:
            save_file({"idf": self.idf, "weights": self.weights, "bias": self.bias}, temporary)
        # Escaped as ASCII, since a text may contain a lone surrogate that UTF-8 cannot hold.
        record = {"format": FORMAT, "task": self.task, "vocabulary": self.vocabulary}
        write_text(folder / _VOCABULARY, json.dumps(record) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "LinearModel":
        """Read what `save` wrote.

        Raises:
            BundleError: a file is missing, damaged, of another format, or the two do not fit each other.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            record = json.loads((folder / _VOCABULARY).read_text(encoding="utf-8"))
            if record["format"] != FORMAT:
                raise BundleError(f"{folder / _VOCABULARY} has format {record['format']!r}; this fenlei reads {FORMAT}")
            tensors = load_file(folder / _TENSORS)
            model = cls(
                record["task"],
                tuple(record["vocabulary"]),
                tensors["idf"],
                tensors["weights"],
                tensors["bias"],
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise BundleError(f"the linear baseline in {folder} cannot be read: {error!r}") from error
        ngrams = len(model.vocabulary)
        if model.idf.shape != (ngrams,) or model.weights.shape != (len(model.bias), ngrams):
            raise BundleError(
                f"the linear baseline in {folder} does not fit together: {ngrams} n-grams, "
                f"idf {model.idf.shape}, weights {model.weights.shape}, bias {model.bias.shape}"
            )
        return model

    @cached_property
    def _vectorizer(self) -> Any:
        vectorizer = _new_vectorizer(vocabulary=self.vocabulary)
        vectorizer.idf_ = self.idf
        return vectorizer

    @cached_property
    def _columns(self) -> NDArray[np.float32]:
        """(F, C) in the precision that scores are computed in."""
        return np.ascontiguousarray(self.weights.T, dtype=np.float32)


def _new_vectorizer(**settings: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char", ngram_range=_NGRAMS, sublinear_tf=True, dtype=np.float32, **settings)

"""fenlei (分类): a pretrained encoder and a table of labelled texts become a classifier you can trust.

from fenlei import Classifier, read_examples
classifier = Classifier.train(read_examples("news.csv").examples, encoder="starter")
classifier.save("runs/news")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fenlei.errors import BundleError, DataError, EncoderError, FenleiError, SettingsError
    from fenlei.journal import Journal
    from fenlei.judge.fitting import DecisionPlan
    from fenlei.judge.report import Report
    from fenlei.judge.rules import Rules
    from fenlei.judge.thresholds import Goal
    from fenlei.predict.classifier import Classifier
    from fenlei.predict.evaluate import Evaluation
    from fenlei.predict.prediction import Prediction
    from fenlei.runtime import Runtime, open_runtime
    from fenlei.text.example import Example, examples_from, pair_texts
    from fenlei.text.read import read_examples
    from fenlei.text.reader import ReadOptions
    from fenlei.text.split import split_examples
    from fenlei.train.config import TrainSettings
    from fenlei.train.recipes import settings_of

__version__ = "0.1.0"

# Loaded when first used: `import fenlei` stays quick and touches nothing.
_HOMES = {
    "BundleError": "fenlei.errors",
    "Classifier": "fenlei.predict.classifier",
    "DataError": "fenlei.errors",
    "DecisionPlan": "fenlei.judge.fitting",
    "EncoderError": "fenlei.errors",
    "Evaluation": "fenlei.predict.evaluate",
    "Example": "fenlei.text.example",
    "FenleiError": "fenlei.errors",
    "Goal": "fenlei.judge.thresholds",
    "Journal": "fenlei.journal",
    "Prediction": "fenlei.predict.prediction",
    "ReadOptions": "fenlei.text.read",
    "Report": "fenlei.judge.report",
    "Rules": "fenlei.judge.rules",
    "Runtime": "fenlei.runtime",
    "SettingsError": "fenlei.errors",
    "TrainSettings": "fenlei.train.config",
    "examples_from": "fenlei.text.example",
    "open_runtime": "fenlei.runtime",
    "pair_texts": "fenlei.text.example",
    "read_examples": "fenlei.text.read",
    "settings_of": "fenlei.train.recipes",
    "split_examples": "fenlei.text.split",
}

__all__ = [
    "BundleError",
    "Classifier",
    "DataError",
    "DecisionPlan",
    "EncoderError",
    "Evaluation",
    "Example",
    "FenleiError",
    "Goal",
    "Journal",
    "Prediction",
    "ReadOptions",
    "Report",
    "Rules",
    "Runtime",
    "SettingsError",
    "TrainSettings",
    "__version__",
    "examples_from",
    "open_runtime",
    "pair_texts",
    "read_examples",
    "settings_of",
    "split_examples",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fenlei' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

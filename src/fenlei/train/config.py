"""What a training run may be told, and what follows from it."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from fenlei.errors import SettingsError
from fenlei.model.pooling import Pooling
from fenlei.text.labels import Task, known_task
from fenlei.text.normalize import Normalization
from fenlei.text.split import MOST_SEED
from fenlei.text.tokens import TextSettings, Truncation
from fenlei.text.windows import WindowJoin

# A small table needs more passes, a large one fewer: aim at this many updates, within bounds.
_AIMED_UPDATES = 900
_FEWEST_EPOCHS, _MOST_EPOCHS = 6, 20

# Numbers of tokens and rows are kept in 32 bits.
_MOST_COUNT = 2**31 - 1

Schedule = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The settings of one training run; a field that is None is settled from data or encoder."""

    encoder: str = "starter"
    """Where the pretrained encoder comes from: `starter`, a folder, a TensorFlow checkpoint, or a hub name."""

    task: Task | None = None
    """`multilabel` or `multiclass`; by default multiclass if every training row has exactly one label."""

    loss: str | None = None
    """`zlpr` (default), `bce`, `bce-weighted`, `asl`, `focal`, `db` or `cb` for multilabel; `ce`, `ce-smooth`, `focal`
    or `cb` for multiclass; docs/recipes.md explains each."""

    pooling: Pooling | None = None
    """What the head reads: `first`, the first token's state, or `mean`, the mean over the text; by default `mean` where
    the encoder brings no pooler of its own."""

    max_tokens: int = 300
    """The most tokens of a text, special tokens included; longer texts are cut, or read window by window."""

    truncation: Truncation = "head"
    """Which tokens of a longer text stay: `head`, `head+tail`, or all, in overlapping `windows`."""

    window_overlap: float = 0.25
    """With windows: the share of a full window that the next one repeats."""

    window_join: WindowJoin | None = None
    """With windows: a text's logit is the `max` or the `mean` over its windows; by default `max` in a multi-label task,
    where one passage may decide, and `mean` in a multi-class one."""

    max_windows: int = 8
    """With windows: the most that a text may have; the rest of it is cut. An update costs up to so many times more."""

    normalize: Normalization = "none"
    """The form that texts are brought into first: `none`, `clean` (no invisible characters) or `nfkc`."""

    linear_probe: bool = True
    """The head is first fitted alone, on the states of the encoder as it was pretrained, and judged on dev."""

    epochs: int | None = None
    """Passes over the training rows; by default about 900 updates, at least 6 passes and at most 20. 0: the linear
    probe alone, in the time of one reading."""

    batch_size: int = 16
    """Texts of one update."""

    tokens_per_batch: int = 8192
    """The most tokens run at once; an update that has more is accumulated over several runs."""

    gradient_checkpointing: bool = False
    """Each layer keeps only its input for the backward pass and is run again there: less memory, the same gradients."""

    learning_rate: float | None = None
    """Peak rate of the pretrained weights; by default 3e-5 at width 768, with the inverse square of the width."""

    head_learning_rate: float = 1e-3
    """Peak rate of the weights that are not pretrained."""

    weight_decay: float = 0.01
    """Decoupled weight decay, not on biases and normalisation."""

    warmup: float = 0.1
    """Share of the updates in which the rate rises from 0."""

    schedule: Schedule = "linear"
    """How the rate goes on after that: `linear` or `cosine` down to 0, or `constant`."""

    layer_decay: float = 1.0
    """Each layer below the top learns at this share of the rate of the one above it; the embeddings lie lowest."""

    freeze_layers: int = 0
    """The embeddings and so many of the lowest layers stay as they were pretrained; 0: everything learns."""

    clip_norm: float = 1.0
    """The gradient is scaled down to this norm when longer."""

    patience: int = 3
    """Training stops after this many epochs without a better dev score or a lower dev loss than the epochs before; the
    linear probe does not count."""

    fgm: float = 0.0
    """Adversarial training: each update also learns from word embeddings moved so far against it; 0: not."""

    awp: float = 0.0
    """Adversarial training: each update also learns from weight matrices moved by this share of their norm against
    it; 0: not."""

    rdrop: float = 0.0
    """Each text is run twice, under other dropout, and this much of the answers' divergence is added to the loss."""

    head_samples: int = 1
    """Masks of dropout under which the head sees each text (multi-sample dropout)."""

    ema: float = 0.0
    """Dev is scored, and the classifier kept, with a moving average of the weights that keeps this share of itself
    in an update; 0: with the weights themselves."""

    average_best: int = 1
    """The weights of so many of the best epochs are averaged as far as dev gets no worse by it; 1: the best alone."""

    folds: int | None = None
    """Train so many more models on all folds of the training rows but one, to fit the decision on their scores of
    the fold left out and not on dev alone: for small tables."""

    seed: int = 42
    """Of the split, the order of the rows, the fresh weights and dropout."""

    def __post_init__(self) -> None:
        wrong = []
        for name in ("max_tokens", "batch_size", "tokens_per_batch", "patience", "head_samples", "average_best"):
            if getattr(self, name) < 1:
                wrong.append(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 1 or more")
        fewest = 0 if self.linear_probe else 1
        if self.epochs is not None and self.epochs < fewest:
            alone = "0, the linear probe alone, or more" if self.linear_probe else "1 or more without a linear probe"
            wrong.append(f"--epochs is {self.epochs}; it must be {alone}")
        for name in ("learning_rate", "head_learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                wrong.append(f"--{name.replace('_', '-')} is {value}; it must be above 0")
        for name in ("fgm", "awp", "rdrop", "weight_decay", "freeze_layers", "seed"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                wrong.append(f"--{name.replace('_', '-')} is {value}; it must be 0 or more")
        for name, value in asdict(self).items():
            most = MOST_SEED if name == "seed" else _MOST_COUNT
            if isinstance(value, int) and value > most:
                wrong.append(f"--{name.replace('_', '-')} is {value}; it must be {most} or less")
        if not 0 < self.layer_decay <= 1:
            wrong.append(f"--layer-decay is {self.layer_decay}; it must be above 0 and at most 1")
        if not 0 <= self.ema < 1:
            wrong.append(f"--ema is {self.ema}; it must be from 0 to below 1")
        for name, accepted in (
            ("pooling", get_args(Pooling)),
            ("schedule", get_args(Schedule)),
        ):
            value = getattr(self, name)
            if value is not None and value not in accepted:
                wrong.append(f"--{name} is {value!r}; accepted are {', '.join(accepted)}")
        if not 0 <= self.warmup < 1:
            wrong.append(f"--warmup is {self.warmup}; it is a share of the updates, from 0 to below 1")
        if self.folds is not None and self.folds < 2:
            wrong.append(f"--folds is {self.folds}; it must be 2 or more")
        for check in (lambda: known_task(self.task), lambda: self.text_settings("multilabel")):
            try:
                check()
            except SettingsError as error:
                wrong.append(str(error))
        if wrong:
            raise SettingsError("\n".join(wrong))

    def text_settings(self, task: Task) -> TextSettings:
        """How texts become tokens in this task."""
        return TextSettings(
            max_tokens=self.max_tokens,
            truncation=self.truncation,
            normalize=self.normalize,
            window_overlap=self.window_overlap,
            window_join=self.window_join or ("max" if task == "multilabel" else "mean"),
            max_windows=self.max_windows,
        )

    def planned_epochs(self, rows: int) -> int:
        """Passes over `rows` training rows."""
        if self.epochs is not None:
            return self.epochs
        wanted = math.ceil(_AIMED_UPDATES / self.updates_per_epoch(rows))
        return max(min(wanted, _MOST_EPOCHS), _FEWEST_EPOCHS)

    def updates_per_epoch(self, rows: int) -> int:
        """Updates of one pass over `rows` training rows."""
        return math.ceil(rows / self.batch_size)

    def encoder_rate(self, hidden_size: int) -> float:
        """The peak rate of the pretrained weights of an encoder of this width."""
        return self.learning_rate or 3e-5 * (768 / hidden_size) ** 2

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

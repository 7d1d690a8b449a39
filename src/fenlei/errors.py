"""Every error that fenlei raises on purpose.

    FenleiError
    ├── DataError       a file, row, column or label cannot be used as it is
    ├── SettingsError   options that contradict each other or lie outside their range
    ├── EncoderError    a pretrained encoder cannot be found, read or trusted
    └── BundleError     a saved classifier is damaged, unknown or would be overwritten

A message says what was wrong (the value and where it stood) and what is accepted;
`hint` says what to do next. Only `fenlei.cli` prints them and exits.
"""


class FenleiError(Exception):
    """The root of the tree.

    Args:
        message: what is wrong, with the value and its place, and what is accepted.
        hint: the next step for the reader, shown on a line of its own.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class DataError(FenleiError):
    """A file, row, column or label cannot be used as it is."""


class SettingsError(FenleiError):
    """Options that contradict each other or lie outside their range."""


class EncoderError(FenleiError):
    """A pretrained encoder cannot be found, read or trusted."""


class BundleError(FenleiError):
    """A saved classifier is damaged, of an unknown format, or would be overwritten."""

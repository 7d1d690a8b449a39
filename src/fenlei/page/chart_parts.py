"""What the charts share: colours, which are the page's own CSS variables so that dark, light and paper need no second
chart, and the words and numbers that a pointer finds.
"""

from collections.abc import Callable
from typing import Any

import altair as alt

Say = Callable[[str], str]
"""The key of a word -> the word in one language."""

Drawn = alt.Chart | alt.LayerChart | alt.FacetChart

INK, MUTED, RULE = "var(--ink)", "var(--muted)", "var(--rule)"
FIRST, SECOND = "var(--first)", "var(--second)"

_FONT = "'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', system-ui, sans-serif"

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titlePadding": 10,
        "gridColor": RULE,
        "domainColor": RULE,
        "tickColor": RULE,
        "labelLimit": 160,
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "title": None,
        "orient": "top",
        "direction": "horizontal",
        "symbolStrokeWidth": 2,
        "offset": 8,
    },
    "line": {"color": FIRST, "strokeWidth": 2},
    "point": {"color": FIRST, "filled": True, "size": 55},
    "rule": {"color": FIRST},
    "bar": {"color": FIRST},
    "text": {"color": INK, "font": _FONT},
}

TALL_ROW = 26  # pixels a line of a chart with names at its left
CELL = 22  # and of a cell of the confusion matrix


def rows_of(name: str) -> alt.NamedData:
    """The rows that the page has under this name."""
    return alt.NamedData(name=name)


def share_tip(field: str, title: str, **more: Any) -> alt.Tooltip:
    """A number from 0 to 1 that the pointer finds."""
    return alt.Tooltip(f"{field}:Q", title=title, format=".3f", **more)


def count_tip(field: str, title: str) -> alt.Tooltip:
    """A count that the pointer finds."""
    return alt.Tooltip(f"{field}:Q", title=title, format=",")


def interval_tips(say: Say) -> list[alt.Tooltip]:
    """Both ends of an interval that the pointer finds."""
    word = say("interval")
    return [share_tip("low", f"{word} ↓"), share_tip("high", f"{word} ↑")]


def quoted(text: str) -> str:
    """A string of Vega's expression language, whatever is in it."""
    escaped = "".join(
        char if char.isalnum() and ord(char) < 0x10000 else f"\\u{unit:04x}" for char, unit in _units(text)
    )
    return f'"{escaped}"'


def _units(text: str) -> list[tuple[str, int]]:
    """The UTF-16 code units of a text, each with its character; halves of a pair have none that is alphanumeric."""
    units = text.encode("utf-16-be", "surrogatepass")
    numbers = [int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2)]
    return [("" if 0xD800 <= number < 0xE000 else chr(number), number) for number in numbers]

"""The run's diary: JSON lines on disk for programs, a progress line on stderr for people."""

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

# Between progress lines when the console is a file or a pipe.
_QUIET_SECONDS = 30.0


class Journal:
    """Writes what happened, when it happens.

    Args:
        path: the JSON-lines file, appended to; None writes none.
        console: where progress is shown; None shows none.
    """

    def __init__(self, path: Path | None = None, console: Console | None = None) -> None:
        self._file = path.open("a", encoding="utf-8") if path else None
        self._console = console
        self._live = (
            Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[note]}"),
                console=console,
                transient=True,
            )
            if console and console.is_terminal
            else None
        )
        self.stage = ""
        """What stands before every line, for work that is one of several alike."""
        self._task: TaskID | None = None
        self._label = ""
        self._total = self._done = self._before = self._later = 0
        self._rest = 0.0
        self._started = self._last_shown = time.monotonic()

    def __enter__(self) -> "Journal":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        if self._file:
            self._file.close()

    def record(self, event: str, **facts: Any) -> None:
        """Append one JSON line: the event, the time, and the facts."""
        if self._file:
            stage = {"stage": self.stage.strip()} if self.stage else {}
            line = {"event": event, "time": round(time.time(), 3), **stage, **facts}
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()

    def say(self, message: str) -> None:
        """Show a line that stays."""
        if self._console:
            self._console.print(f"{self.stage}{message}", highlight=False, markup=False, soft_wrap=True)

    def begin(self, label: str, total: int, *, later: int = 0, rest: float = 0.0) -> None:
        """Start measuring a piece of work of `total` texts.

        Args:
            label: what it is called.
            total: its texts.
            later: texts of pieces that follow and go as fast.
            rest: seconds that all else that follows will take.
        """
        self._label, self._total, self._done, self._before = label, total, 0, 0
        self._later, self._rest = later, rest
        self._started = self._last_shown = time.monotonic()
        if self._live:
            if self._task is not None:
                self._live.remove_task(self._task)
            self._task = self._live.add_task(f"{self.stage}{label}", total=total, note="")

    def advance(self, texts: int, *, resumed: bool = False) -> None:
        """`texts` more are done; shows texts per second and the time left.

        `resumed`: they were done by an earlier process and say nothing about the speed.
        """
        self._done += texts
        if resumed:
            self._before += texts
            return
        now = time.monotonic()
        speed, texts = self._speed(now), self._total - self._done
        left = f"{clock(texts / speed)} left"
        if self._later:
            left += f" (all epochs: at most {clock((texts + self._later) / speed + self._rest)})"
        status = f"{self._done:,}/{self._total:,}  {speed:,.0f} texts/s  {left}"
        if self._live and self._task is not None:
            self._live.update(self._task, completed=self._done, note=status)
        elif now - self._last_shown >= _QUIET_SECONDS:
            self._last_shown = now
            self.say(f"{self._label}: {status}")

    def end(self) -> float:
        """The piece of work is done; returns its texts per second and clears its line."""
        if self._live and self._task is not None:
            self._live.remove_task(self._task)
            self._task = None
        return self._speed(time.monotonic())

    def _speed(self, now: float) -> float:
        return max(self._done - self._before, 1e-9) / max(now - self._started, 1e-9)


def clock(seconds: float) -> str:
    """`1:05:00`, or `5:00` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

"""What a person sees: lines that come as they happen, and a status line below them on a terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from datetime import UTC, datetime
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from stream.demo.words import Kind, Told

WIDTH = 118
_WEEK_MS = 604_800_000
_SHOWN = 4
"""Quiet signals that are shown one by one, to see what they look like; later ones are counted by the week."""
_COLOURS: dict[Kind, str] = {
    "signal": "yellow",
    "nudge": "green",
    "escalation": "magenta",
    "withdrawn": "cyan",
    "dead letter": "red",
}
_INDENT = " " * 12


class Screen:
    """Prints what was told, each kind in its colour, and how far the story is."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.counts: Counter[str] = Counter()
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None
        self._week = -1
        self._folded = 0
        self._width = min(WIDTH, console.width) if console.is_terminal else WIDTH

    def note(self, text: str, style: str = "dim") -> None:
        """A line of our own."""
        self._print(Text(text, style=style))

    def say(self, told: Told) -> None:
        """One output: a heading with date, kind, customer; what stands under it, indented and wrapped."""
        self.counts[told.kind] += 1
        if told.quiet and told.kind == "signal" and self.counts[told.kind] > _SHOWN:
            self._folded += 1
            return
        colour = _COLOURS[told.kind]
        heading = Text(f"{told.at:%a %e %b}  ", style="dim")
        if told.quiet:
            text = f"{told.who}  {told.headline}: {told.lines[0] if told.lines else ''}"
            heading.append(f"{told.kind:<10} ", style=colour)
            heading.append(textwrap.shorten(text, self._width - 23, placeholder=" …"), style="dim")
            self._print(heading)
            return
        heading.append(f"{told.kind.upper():<10} ", style=f"bold {colour}")
        heading.append(f"{told.who}  ", style="bold")
        heading.append(told.headline, style=colour)
        self._print(heading)
        for line in told.lines:
            for part in textwrap.wrap(line, self._width - len(_INDENT)):
                self._print(Text(_INDENT + part))

    def status(self, at_ms: int, events: int, share: float) -> None:
        """How far the story is: a line at the bottom of a terminal, a line a week elsewhere."""
        day = datetime.fromtimestamp(at_ms / 1000, UTC)
        said = self.counts
        line = (
            f"{day:%a %e %b %Y}  {events:,} events   {said['signal']} signals   {said['nudge']} nudges   "
            f"{said['escalation']} escalations   {said['withdrawn']} withdrawn"
        )
        if (week := at_ms // _WEEK_MS) > self._week:
            self._week = week
            if self._folded:
                self.note(f"{_INDENT}and {self._folded} more low signals: accounts are watched, nobody is contacted")
                self._folded = 0
            if self._live is None:
                self._print(Text(f"-- {line}"))
        if self._live is not None:
            done = round(20 * share)
            bar = Text("━" * done, style="green") + Text("━" * (20 - done), style="bright_black")
            self._live.update(bar + Text("  " + line, style="bold"))

    def waiting(self, text: str) -> None:
        """What is being waited for, in the status line or once as a line."""
        if self._live is not None:
            self._live.update(Text(text, style="dim"))
        else:
            self._print(Text(text))

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True, highlight=False)

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

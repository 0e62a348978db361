"""What the terminal shows while a demonstration runs: a live chart, or one plain line for each change."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

_BARS = "▁▂▃▄▅▆▇█"
#: Answers that the chart looks back on; one column each.
_HISTORY = 72
_COLOURS = {
    "watching": "green",
    "warming_up": "cyan",
    "suspect": "yellow",
    "failing": "bold red",
    "blind": "magenta",
    "off": "dim",
}


@dataclass(frozen=True)
class Moment:
    """What is known at one moment.

    ``elapsed_s`` seconds since the first frame; ``frame`` the number of the frame shown, ``position`` of ``count`` from 0;
    ``failing_scene`` whether the frame shows the failure (None when nobody knows); ``printer_state`` in OctoPrint's words;
    ``status`` what the plugin answered.
    """

    elapsed_s: float
    frame: int
    position: int
    count: int
    failing_scene: bool | None
    printer_state: str
    status: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """The plugin's verdict in one word."""
        return str(self.status.get("verdict", "off"))

    @property
    def score(self) -> float:
        """The last frame's score, 0 to 1; 0 before the first answer."""
        return float(self.status.get("score") or 0.0)

    @property
    def evidence(self) -> float:
        """The evidence the judge has, 0 to 1."""
        return float(self.status.get("evidence") or 0.0)

    @property
    def answers(self) -> int:
        """How many frames the detector has answered."""
        return int(self.status.get("answers", 0))

    def level(self, name: str) -> float:
        """Return ``suspect_at`` or ``failing_at``, 0 to 1; 1 when the plugin does not say."""
        return float(self.status.get(name) or 1.0)


class Display(Protocol):
    """Shows moments and says sentences."""

    def __enter__(self) -> Display:
        """Take the terminal."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the terminal back."""
        ...

    def show(self, moment: Moment) -> None:
        """Show one moment."""
        ...

    def say(self, sentence: str) -> None:
        """Say one sentence that stays."""
        ...


class PlainDisplay:
    """One line for each change of verdict, printer state, protection or scene; fit for a log."""

    def __init__(self, console: Console) -> None:
        """Write to ``console``."""
        self._console = console
        self._last: tuple[object, ...] | None = None

    def __enter__(self) -> PlainDisplay:
        """Need nothing."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave nothing."""

    def show(self, moment: Moment) -> None:
        """Print the moment when it differs from the one before."""
        protection = (moment.status.get("protection") or {}).get("level", "?")
        state = (moment.verdict, moment.printer_state, protection, moment.failing_scene)
        if state == self._last:
            return
        if moment.failing_scene and self._last is not None and not self._last[3]:
            self.say(f"{moment.elapsed_s:6.1f} s  the scene's failure begins at frame {moment.frame}")
        self._last = state
        self.say(
            f"{moment.elapsed_s:6.1f} s  frame {moment.frame}  {moment.verdict}  score {moment.score:.2f}  evidence {moment.evidence:.2f}"
            f"  {protection}  printer {moment.printer_state}  {moment.status.get('sentence', '')}"
        )

    def say(self, sentence: str) -> None:
        """Print a line."""
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)


class LiveDisplay:
    """A chart of score and evidence that is drawn anew with each moment."""

    def __init__(self, console: Console) -> None:
        """Draw on ``console``, which is a terminal."""
        self._console = console
        self._moments: deque[Moment] = deque(maxlen=_HISTORY)
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> LiveDisplay:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def show(self, moment: Moment) -> None:
        """Draw the moment; it becomes a new column of the chart when the detector has answered since the last one."""
        if self._moments and self._moments[-1].answers == moment.answers:
            self._moments.pop()
        self._moments.append(moment)
        self._live.update(chart(self._moments), refresh=True)

    def say(self, sentence: str) -> None:
        """Print a line above the chart."""
        self._console.print(sentence, markup=False, highlight=False)


def chart(moments: deque[Moment]) -> Group:
    """Draw the newest moment in words and all of them as two rows of bars, coloured by the levels."""
    now = moments[-1]
    words = Table.grid(padding=(0, 2))
    verdict = Text(now.verdict.replace("_", " "), style=_COLOURS.get(now.verdict, ""))
    scene = "" if now.failing_scene is None else ("spaghetti" if now.failing_scene else "a good print")
    words.add_row("verdict", verdict, "printer", Text(now.printer_state, style="bold"))
    words.add_row("frame", f"{now.frame}  ({now.position + 1} of {now.count})", "scene", scene)
    words.add_row("score", f"{now.score:.2f}", "answered", f"{now.answers} of {now.status.get('frames_sent', 0)} frames")
    levels = f"{now.evidence:.2f}  (suspect {now.level('suspect_at'):.2f}, failing {now.level('failing_at'):.2f})"
    words.add_row("evidence", levels, "time", f"{now.elapsed_s:.0f} s")
    rows = Table.grid(padding=(0, 2))
    rows.add_row("score   ", _bars([(moment.score, moment) for moment in moments]))
    rows.add_row("evidence", _bars([(moment.evidence, moment) for moment in moments]))
    return Group(words, rows, Text(str(now.status.get("sentence", "")), style="italic"))


def _bars(values: list[tuple[float, Moment]]) -> Text:
    text = Text(no_wrap=True)
    for value, moment in values:
        colour = "green" if value < moment.level("suspect_at") else "yellow" if value < moment.level("failing_at") else "red"
        text.append(_BARS[min(len(_BARS) - 1, int(max(0.0, value) * len(_BARS)))], style=colour)
    return text

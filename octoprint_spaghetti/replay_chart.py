"""A replay as a picture: scores, evidence, levels and pauses over time, one panel for each policy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from octoprint_spaghetti.core.errors import PictureUnusable
from octoprint_spaghetti.core.replay import Outcome

_PANEL_INCHES, _DPI = (10.0, 3.2), 110
_SCORE, _EVIDENCE, _SUSPECT, _FAILING = "0.45", "#1f77b4", "#e6a000", "#d62728"


def write_chart(outcomes: Sequence[Outcome], file: Path) -> None:
    """Write ``file`` in the format that its ending names (PNG, SVG, PDF); raises :class:`PictureUnusable`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PictureUnusable(f"A chart needs matplotlib ({error}); run: pip install matplotlib") from error
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width, height * len(outcomes)), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, outcome in zip(figure.subplots(len(outcomes), squeeze=False, sharex=True)[:, 0], outcomes):
        _draw(axes, outcome)
    try:
        figure.savefig(file)
    except (OSError, ValueError) as error:
        raise PictureUnusable(f"{file} cannot be written as a chart; name a .png in a folder that exists.") from error


def _draw(axes: Any, outcome: Outcome) -> None:
    minutes = [moment.at / 60.0 for moment in outcome.timeline]
    axes.plot(minutes, [moment.score for moment in outcome.timeline], ".", color=_SCORE, markersize=4, label="score of a frame")
    axes.plot(minutes, [moment.evidence for moment in outcome.timeline], color=_EVIDENCE, label="evidence")
    axes.plot(minutes, [moment.suspect_at for moment in outcome.timeline], "--", color=_SUSPECT, label="suspect")
    axes.plot(minutes, [moment.failing_at for moment in outcome.timeline], "--", color=_FAILING, label="failing")
    for pause in outcome.pauses:
        axes.axvline(pause.at / 60.0, color=_FAILING)
        axes.annotate(f" pause, frame {pause.frame}", (pause.at / 60.0, 1.0), color=_FAILING, va="top")
    axes.set(title=outcome.policy, xlabel="minutes", ylim=(0.0, max(1.05, outcome.max_evidence * 1.05)))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")

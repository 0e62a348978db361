"""The samples as pictures: a line of blocks for a terminal, and a chart for a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.soak.sampling import Sample

_BLOCKS = "▁▂▃▄▅▆▇█"
_INCHES_WH, _DPI = (11.0, 8.0), 110
#: What is drawn, one panel each.
_PANELS: tuple[tuple[str, Callable[[Sample], float]], ...] = (
    ("resident MB", lambda sample: sample.rss_mb),
    ("threads", lambda sample: sample.threads),
    ("descriptors", lambda sample: sample.descriptors),
    ("children", lambda sample: sample.children),
)


def line(values: Sequence[float], width: int = 60) -> str:
    """Return the values as ``width`` blocks at most, the mean of a stretch each, lowest to highest."""
    if not values:
        return ""
    width = min(width, len(values))
    stretches = [values[len(values) * n // width : len(values) * (n + 1) // width] for n in range(width)]
    means = [sum(stretch) / len(stretch) for stretch in stretches]
    low, high = min(means), max(means)
    return "".join(_BLOCKS[round((mean - low) / (high - low) * (len(_BLOCKS) - 1)) if high > low else 0] for mean in means)


def write_chart(samples: Mapping[str, Sequence[Sample]], file: Path) -> None:
    """Write ``file`` in the format that its ending names (PNG, SVG, PDF); raises ImportError without matplotlib, and OSError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # only here: a soak without a chart needs none of it
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES_WH, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, value) in zip(figure.subplots(len(_PANELS), sharex=True), _PANELS):
        for process, taken in samples.items():
            axes.plot([one.at / 60.0 for one in taken], [value(one) for one in taken], ".", markersize=2, label=process)
        axes.set(ylabel=title, ylim=(0.0, None))
    axes.set(xlabel="minutes")
    figure.axes[0].legend(loc="lower right", fontsize="small")
    figure.savefig(file)

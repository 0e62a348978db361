"""Measure an exported detector on pictures it was not trained on: ``spaghetti-server evaluate MODEL.onnx --data DATA``.

Pictures are decoded as they are when served. Prints a table for people and, as its last line, one JSON document for
programs. ``fd1`` (noisy labels) is in no figure; intervals are drawn over groups, since the frames of one video agree.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from inference_server.contract import CONFIDENCE_FLOOR
from inference_server.detector import options
from inference_server.detector.geometry import Boxes
from inference_server.detector.labels import NOISY_SOURCES, Row, read, tangles
from inference_server.detector.metrics import (
    Scores,
    auroc,
    average_precision,
    bootstrap,
    calibration_error,
    recall_above,
    reliability,
    threshold_at,
)
from inference_server.onnx_detector import Answer, OnnxDetector
from inference_server.pixels import prepare

#: The score from which a frame counts as firing, and the share of good pictures that may fire for the other threshold.
FIRES, FALSE_ALARMS = 0.5, 0.01
#: Bounds of a tangle's size, the square root of its share of the picture.
SIZES = {"small (< 0.2)": (0.0, 0.2), "medium (0.2 to 0.5)": (0.2, 0.5), "large (> 0.5)": (0.5, 1.01)}


@dataclass(frozen=True)
class Figure:
    """One line of the table: its value with the 95 % interval over groups, and of how many pictures."""

    name: str
    value: float
    low: float
    high: float
    pictures: int


@dataclass(frozen=True)
class Looked:
    """A labelled picture and what the detector said of it."""

    row: Row
    answer: Answer


def look(detector: OnnxDetector, rows: Iterable[Row]) -> list[Looked]:
    """Ask ``detector`` about each picture, at the size it was exported for."""
    size = detector.input_size
    return [Looked(row, detector.look(prepare(row.path.read_bytes(), size=size))) for row in rows]


def figures(looked: Sequence[Looked]) -> list[Figure]:
    """Return every figure of split ``val`` and ``eval_only``; one for which a kind of pictures is missing is left out."""
    scores = np.array([one.answer.frame_score for one in looked])
    label = np.array([one.row.label for one in looked])
    val = np.array([one.row.split == "val" for one in looked])
    groups = np.array([f"{one.row.source}:{one.row.group}" for one in looked])
    spaghetti, good = val & (label == "spaghetti"), label == "normal"
    either = spaghetti | (val & (label == "fail"))
    defect = val & np.isin(label, ["stringing", "other_defect"])

    lines: list[Figure] = []

    def line(name: str, value: Callable[[NDArray[np.float64], NDArray[np.int64]], float], *kinds: NDArray[np.bool_]) -> None:
        """Measure ``value(scores, indices)`` over the pictures of all ``kinds``, then again over groups drawn anew."""
        if not all(kind.any() for kind in kinds):
            return
        index = np.flatnonzero(np.any(kinds, 0))
        low, high = bootstrap(list(groups[index]), lambda drawn: value(scores, index[drawn]))
        lines.append(Figure(name, value(scores, index), low, high, len(index)))

    def separation(good_ones: NDArray[np.bool_]) -> Callable[[NDArray[np.float64], NDArray[np.int64]], float]:
        return lambda s, i: auroc(s[i][spaghetti[i]], s[i][good_ones[i]])

    def recall_at(failed: NDArray[np.bool_]) -> Callable[[NDArray[np.float64], NDArray[np.int64]], float]:
        return lambda s, i: recall_above(s[i][failed[i]], threshold_at(s[i][good[i]], FALSE_ALARMS))

    def fires(s: NDArray[np.float64], i: NDArray[np.int64]) -> float:
        return recall_above(s[i], FIRES)

    def calibration(s: NDArray[np.float64], i: NDArray[np.int64]) -> float:
        return calibration_error(s[i], spaghetti[i])

    line("AUROC, spaghetti against normal", separation(good), spaghetti, good)
    line("AUROC, spaghetti against stringing and other defects", separation(defect), spaghetti, defect)
    line("recall of spaghetti where 1 % of normal fires", recall_at(spaghetti), spaghetti, good)
    line("recall of spaghetti and fail where 1 % of normal fires", recall_at(either), either, good)
    line("recall of spaghetti at 0.5", fires, spaghetti)
    line("share of normal that fires at 0.5", fires, good)
    line("share of stringing and other defects that fires at 0.5", fires, defect)
    line("expected calibration error, spaghetti and normal", calibration, spaghetti, good)
    line("expected calibration error, all labels but fail", calibration, spaghetti, good, defect)
    for source in sorted({one.row.source for one in looked}):
        line(f"share of normal that fires at 0.5, {source}", fires, good & np.array([one.row.source == source for one in looked]))
    extent = np.array([_extent(one.row) for one in looked])
    for name, (low, high) in SIZES.items():
        line(f"recall of spaghetti at 0.5, {name}", fires, spaghetti & (extent >= low) & (extent < high))
    return lines


def _extent(row: Row) -> float:
    """Return the size of a picture's largest tangle, NaN where nobody boxed one."""
    boxes = tangles(row)
    return float(np.sqrt(((boxes[:, 2:] - boxes[:, :2]).prod(1)).max())) if len(boxes) else float("nan")


def box_ap50(looked: Sequence[Looked]) -> float:
    """Return AP50 on the collection with tight boxes, tangles joined, over the split ``val``; NaN without such a picture."""
    found, true = _found_and_true(_tightly_boxed(looked))
    return average_precision(found, true) if true else math.nan


def box_figure(looked: Sequence[Looked]) -> Figure | None:
    """Return :func:`box_ap50` with its interval; None where no picture is of that collection."""
    tight = _tightly_boxed(looked)
    if not tight:
        return None
    found, true = _found_and_true(tight)

    def value(index: NDArray[np.int64]) -> float:
        return average_precision([found[i] for i in index], [true[i] for i in index])

    low, high = bootstrap([one.row.group for one in tight], value)
    return Figure("box AP50, wfpfopt", average_precision(found, true), low, high, len(tight))


def _tightly_boxed(looked: Sequence[Looked]) -> list[Looked]:
    return [one for one in looked if one.row.source == "wfpfopt" and one.row.split == "val"]


def _found_and_true(looked: Sequence[Looked]) -> tuple[list[tuple[Boxes, Scores]], list[Boxes]]:
    return [_boxes(one.answer) for one in looked], [tangles(one.row) for one in looked]


def _boxes(answer: Answer) -> tuple[Boxes, Scores]:
    some = answer.confidences >= CONFIDENCE_FLOOR
    return answer.boxes[some], answer.confidences[some].astype(np.float64)


def sequence_figures(detector: OnnxDetector, data: Path) -> dict[str, dict[str, float | None]]:
    """Return for each sequence the share of frames that fire before and after the onset (None where there is no such frame)."""
    index = data / "sequences" / "sequences.json"
    if not index.is_file():
        return {}
    result = {}
    for sequence in json.loads(index.read_text())["sequences"]:
        onset = sequence["first_failure_frame"]
        fired: Mapping[bool, list[bool]] = {False: [], True: []}
        for name in sequence["files"]:
            path = data / sequence["folder"] / name
            score = detector.look(prepare(path.read_bytes(), size=detector.input_size)).frame_score
            fired[onset is not None and frame_number(name) >= onset].append(score > FIRES)
        result[sequence["id"]] = {
            "before": float(np.mean(fired[False])) if fired[False] else None,
            "after": float(np.mean(fired[True])) if fired[True] else None,
        }
    return result


def frame_number(name: str) -> int:
    """Return the number at the end of a frame's file name, by which the sequences count: ``clip2-00017.jpg`` is frame 17."""
    return int(re.findall(r"\d+", name)[-1])


def draw_reliability(looked: Sequence[Looked], path: Path) -> None:
    """Draw how often pictures of each score had failed as a PNG: the figure that the calibration error sums up."""
    from matplotlib.figure import Figure as Sheet  # only here: importing it takes as long as looking at fifty pictures

    spaghetti = np.array([one.row.label == "spaghetti" and one.row.split == "val" for one in looked])
    counted = spaghetti | np.array([one.row.label == "normal" for one in looked])
    scores = np.array([one.answer.frame_score for one in looked])[counted]
    bins = reliability(scores, spaghetti[counted])
    sheet = Sheet(figsize=(5, 5), layout="constrained")
    axes = sheet.subplots()
    axes.plot([0, 1], [0, 1], "--", color="grey", label="as it should be")
    axes.plot([one.score for one in bins], [one.failed for one in bins], "o-", label="pictures")
    for one in bins:
        axes.annotate(str(one.pictures), (one.score, one.failed), xytext=(5, -11), textcoords="offset points", fontsize=8)
    error = calibration_error(scores, spaghetti[counted])
    axes.set(title=f"calibration error {error:.3f}", xlabel="frame_score", ylabel="share that shows spaghetti")
    axes.legend()
    axes.grid(alpha=0.3)
    sheet.savefig(path, dpi=110)


def table(lines: Sequence[Figure], sequences: Mapping[str, Mapping[str, float | None]]) -> str:
    """Lay the figures out for people."""
    rows = [f"{one.name:62} {one.value:6.3f}  [{one.low:.3f}, {one.high:.3f}]  n={one.pictures}" for one in lines]
    rows += ["", "sequences (seen, not tuned on): share of frames that fire at 0.5, before -> after the onset"]
    for name, fired in sequences.items():
        before, after = ("    -" if value is None else f"{value:5.2f}" for value in (fired["before"], fired["after"]))
        rows.append(f"  {name:20} {before} -> {after}")
    return "\n".join(rows)


@click.command()
@click.argument("model", type=options.EXISTING_FILE)
@options.data
@click.option("--threads", default=1, show_default=True, help="ONNX Runtime's threads.")
@click.option("--plot", type=options.NEW_FILE, help="Draw the reliability of the score as this PNG.")
def command(model: Path, data: Path, threads: int, plot: Path | None) -> None:
    """Measure MODEL on the splits val and eval_only and on the sequences."""
    detector = OnnxDetector(model, threads)
    rows = [row for row in read(data) if row.split in ("val", "eval_only") and row.source not in NOISY_SOURCES]
    looked = look(detector, tqdm(rows, unit="picture", leave=False))
    lines = [*figures(looked), *filter(None, [box_figure(looked)])]
    sequences = sequence_figures(detector, data)
    if plot is not None:
        draw_reliability(looked, plot)
    click.echo(table(lines, sequences))
    document = {
        "model": model.name,
        "metadata": dict(detector.metadata),
        "figures": [asdict(one) for one in lines],
        "sequences": sequences,
    }
    click.echo(json.dumps(document))


if __name__ == "__main__":
    command()

"""Record what the shipped detector says of prints: ``python -m tests.traces.record [--data DATA]``, into ``recorded/``.

Rendered prints that fail (``inference_server.scene``), and with ``--data`` the numbers alone of good prints that were measured on
and may not be copied: scores, boxes, and how bright the picture was. No picture, no thumbnail is written.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from inference_server.scene import Scene
from octoprint_spaghetti.adapters.local import LocalDetector
from octoprint_spaghetti.adapters.traces import RowWriter, head
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.words import Frame, Sighting

FOLDER = Path(__file__).parent / "recorded"
#: A frame of the rendered scene lays 400 mm of filament, about 7 s at 60 mm/s.
SCENE_INTERVAL_S = 7.0
SCENE_SIZE, SCENE_FRAMES, FAILURE_AT = (640, 360), 60, 30
SCENE_SEEDS = range(1, 9)
#: Good prints are shown as the watch would look at them.
GOOD_INTERVAL_S = 5.0


def write(name: str, detector: LocalDetector, pictures: Iterable[bytes], interval: float) -> None:
    """Look at pictures ``interval`` seconds apart, and write the trace of a print that extrudes since its beginning."""
    rows = RowWriter(0.0)
    with (FOLDER / f"{name}.trace.jsonl").open("w", encoding="utf-8") as stream:
        lines = [head(name, 0.0), rows.told(PrintEvent.EXTRUSION_BEGAN, 0.0)]
        for number, jpeg in enumerate(pictures):
            answer = dataclasses.replace(detector.look(Frame(jpeg, 0.0, name)), thumbnail=b"")
            lines += rows.seen(Sighting(number * interval, answer))
        stream.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def rendered(seed: int) -> Iterator[bytes]:
    """Yield the frames of a rendered print that fails at frame :data:`FAILURE_AT`."""
    scene = Scene(seed, SCENE_SIZE, SCENE_FRAMES, FAILURE_AT)
    return (scene.jpeg(number) for number in range(SCENE_FRAMES))


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder with labels.jsonl.")
def main(data: Path | None) -> None:
    """Write every recording anew."""
    detector = LocalDetector()
    for seed in SCENE_SEEDS:
        write(f"rendered-{seed}", detector, rendered(seed), SCENE_INTERVAL_S)
    for source in ("emptydeck_P2", "herakleios") if data is not None else ():
        files = sorted((data / "normal_prints" / source).glob("*.jpg")) if data is not None else []
        write(f"good-{source}", detector, (file.read_bytes() for file in files), GOOD_INTERVAL_S)


if __name__ == "__main__":
    main()

"""What pictures with boxes and clips cost: ``python -m tests.plugin.measure_pictures`` prints a table, and JSON in its last line."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from inference_server.scene import Scene
from octoprint_spaghetti.adapters.ffmpeg import Marked, boxed, clip, find_ffmpeg
from octoprint_spaghetti.core.geometry import Box

BOXES = ((Box(0.3, 0.4, 0.5, 0.7), 0.8), (Box(0.6, 0.2, 0.7, 0.3), 0.4))
#: As many pictures as an incident keeps, each 2 s after the one before, around the moment at which the print comes loose.
PICTURES, FAILURE_AT = 16, 30
ROUNDS = 5


def main() -> int:
    """Measure and print."""
    ffmpeg = find_ffmpeg(None)
    if ffmpeg is None:
        print("ffmpeg is not installed; run: sudo apt install ffmpeg")  # noqa: T201
        return 1
    scene = Scene(seed=3, size=(1280, 720), frames=FAILURE_AT + 40, failure_at=FAILURE_AT)
    pictures = [Marked(scene.jpeg(FAILURE_AT - 4 + 2 * number), BOXES) for number in range(PICTURES)]
    rows = {
        "a 720p picture with boxes": cost(lambda: boxed(ffmpeg, pictures[-1])),
        f"a clip of {PICTURES} such pictures": cost(lambda: clip(ffmpeg, pictures)),
    }
    for name, row in rows.items():
        print(f"{name:28}" + "".join(f"  {value:9.2f} {unit}" for unit, value in row.items()))  # noqa: T201
    print(json.dumps(rows))  # noqa: T201
    return 0


def cost(make: Callable[[], bytes]) -> dict[str, Any]:
    """Return the median seconds by the clock and of the processor, and the size."""
    seconds, cpu, size = [], [], 0
    for _ in range(ROUNDS):
        started, used = time.perf_counter(), _used_s()
        size = len(make())
        seconds.append(time.perf_counter() - started)
        cpu.append(_used_s() - used)
    return {"s": round(statistics.median(seconds), 3), "s of a core": round(statistics.median(cpu), 3), "kB": round(size / 1e3)}


def _used_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())

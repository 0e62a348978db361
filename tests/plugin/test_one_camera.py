"""One camera alone is watched as it was before there could be several: the trace of a varied print is the same, byte for byte.

``one_camera.trace.jsonl`` was recorded by the version before. A change of the format or of the judge's rows is the only reason
to record it anew.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from octoprint_spaghetti.adapters.traces import TraceFolder
from octoprint_spaghetti.core.errors import CameraUnreachable, ServerUnreachable
from tests.plugin.test_watch import Bench

RECORDED = Path(__file__).with_name("one_camera.trace.jsonl")


def calm_print_with_outages(bench: Bench) -> None:
    """Print calmly, lose the camera, and lose the server."""
    bench.print()
    for number in range(40):
        bench.detector.score = round(0.05 + 0.04 * math.sin(number), 3)
        bench.run(7.0)
    bench.camera.trouble = CameraUnreachable("The camera answers 500.")
    bench.run(40.0)
    bench.camera.trouble = None
    bench.run(20.0)
    bench.detector.trouble = ServerUnreachable("gone.")
    bench.run(40.0)
    bench.detector.trouble = None
    bench.run(20.0)


def alarms_and_answers(bench: Bench) -> None:
    """Fail, be forgiven, fail again, pause, resume, be muted, and be configured."""
    for score, seconds in ((0.6, 30.0), (None, 60.0), (0.1, 60.0), (0.95, 60.0)):
        if score is None:
            bench.watch.false_alarm()
        else:
            bench.detector.score = score
        bench.run(seconds)
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    bench.run(20.0)
    bench.printer.printer_state = "PRINTING"
    bench.watch.resumed(bench.clock())
    bench.run(1000.0)
    bench.watch.mute(True)
    bench.run(30.0)
    bench.watch.mute(False)
    bench.detector.score = 0.05
    bench.run(100.0)
    bench.watch.configure(replace(bench.settings, interval=3.0))
    bench.run(30.0)


def test_the_trace_of_one_camera_is_what_it_was(tmp_path: Path) -> None:
    """Every frame at the same second with the same score, every event and every outage in its place."""
    bench = Bench(traces=TraceFolder(tmp_path, 10))  # type: ignore[arg-type]
    calm_print_with_outages(bench)
    alarms_and_answers(bench)
    bench.watch.end(done=True)
    (trace,) = tmp_path.iterdir()
    assert trace.read_bytes() == RECORDED.read_bytes()


def test_one_camera_has_no_name_and_no_list() -> None:
    """The status lists cameras only where there are several, and no sentence begins with a name."""
    bench = Bench()
    bench.print()
    bench.run(60.0)
    status = bench.watch.status
    assert (status.camera, status.cameras) == (1, ())
    assert status.sentence.startswith("Spaghetti in 0 of")


def test_a_long_interval_is_kept_while_the_printer_is_asked_more_often() -> None:
    """With a picture every 20 s the watch still looks every few seconds whether the job has ended, and at nothing else."""
    bench = Bench()
    bench.watch.configure(replace(bench.settings, interval=20.0))
    bench.print()
    bench.run(600.0)
    assert bench.camera.taken == 31
    assert len(bench.published) > 100

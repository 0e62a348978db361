"""What may become of the printer's own computer: its detector, its disk, its clocks, its threads, its memory."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from octoprint_spaghetti.core.words import NoticeKind
from octoprint_spaghetti.parts import missing_here
from tests.e2e.faults.bench import INTERVAL_S, PATIENT_S, Bench, watch_bench
from tests.e2e.faults.fault import CALM, Fault
from tests.e2e.faults.server_faults import bent, watched
from tests.e2e.faults.stage import Stage

HOUR_S = 3600.0
#: Beyond what any step of the watch takes.
STALL_S = 200.0
#: A deadline that server and fallback can share on a busy machine.
SHARED_DEADLINE_S = 5.0
DISK_KB = 1024
STORM = 5000
_WAIT_S = 60.0


def waited(true: Callable[[], object], what: str) -> None:
    """Wait until something is so; raise TimeoutError with ``what`` it was."""
    end = time.monotonic() + _WAIT_S
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.1)


# -- this computer's own detector -------------------------------------------------------------------------------------------


def with_own_detector(**changes: Any) -> Callable[[Stage], AbstractContextManager[Bench]]:
    """Return what opens a watch that can look by itself."""

    @contextmanager
    def opened(stage: Stage) -> Iterator[Bench]:
        if missing_here():
            pytest.skip(missing_here())
        usual = {"local_share": 100.0, "deadline": SHARED_DEADLINE_S}
        with watch_bench(stage.folder("watch"), stage.triton.target, **{**usual, **changes}) as bench:
            yield bench

    return opened


@contextmanager
def _own_killed(bench: Any) -> Iterator[None]:
    os.kill(bench.parts.detector.pid, signal.SIGKILL)
    yield


@contextmanager
def _own_hangs(bench: Any) -> Iterator[None]:
    os.kill(bench.parts.detector.pid, signal.SIGSTOP)
    yield


# -- the disk ---------------------------------------------------------------------------------------------------------------


def _mount(*arguments: str) -> None:
    """Mount something, or skip the row where that is not allowed."""
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"a file system cannot be mounted here: {error}")


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True, timeout=10)


@contextmanager
def _on_a_small_disk(stage: Stage) -> Iterator[Bench]:
    folder = stage.folder("disk")
    _mount("-t", "tmpfs", "-o", f"size={DISK_KB}k", "tmpfs", str(folder))
    try:
        with watch_bench(folder, stage.triton.target, deadline=PATIENT_S) as bench:
            yield bench
    finally:
        _unmount(folder)


@contextmanager
def _full(bench: Any) -> Iterator[None]:
    filler = bench.folder / "filler"
    _fill(filler)
    bench.watcher.mute(False)  # what is believed is written down at once
    yield
    filler.unlink()
    bench.watcher.mute(False)


def _fill(filler: Path) -> None:
    """Write until the disk is full to the last byte."""
    with filler.open("wb", buffering=0) as stream:
        for size in (65536, 1):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


@contextmanager
def _read_only(bench: Any) -> Iterator[None]:
    """Put an empty file system that takes no writes over the folder, as the kernel does with a card that fails."""
    _mount("-t", "tmpfs", "-o", "ro", "tmpfs", str(bench.folder))
    bench.watcher.mute(False)
    yield
    _unmount(bench.folder)
    bench.watcher.mute(False)


#: Writes one incident whole, then the same again in children that the kernel ends, or refuses, at every kilobyte of a file; an
#: incident that was there before, and one after all that, must be whole.
_CUTTING = """
import os, resource, signal, sys
from pathlib import Path
from octoprint_spaghetti.adapters.incidents import IncidentFolder
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.words import Exhibit, Frame, Incident

folder = IncidentFolder(Path(sys.argv[1]), 1000)
pictures = [b"\\xff\\xd8" + bytes(kilobytes * 1000) + b"\\xff\\xd9" for kilobytes in (5, 15, 30, 40)]
exhibits = tuple(Exhibit(Frame(picture, 0.0, "cut"), None) for picture in pictures)
incident = lambda name: Incident(name, 0.0, "print", "pause", "why " * 500, 0.6, 0.5, exhibits)

def whole():
    for name in folder.ids():
        state = folder.read(name)
        assert [folder.picture(name, frame["file"]) for frame in state["frames"]] == pictures, name
    return len(folder.ids())

folder.open(incident("before"))
cuts = killed = refused = 0
for kind in (signal.SIG_DFL, signal.SIG_IGN):
    for kilobytes in range(44):
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGXFSZ, kind)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000 * kilobytes, resource.RLIM_INFINITY))
            try:
                folder.open(incident(f"cut-{int(kind)}-{kilobytes:02d}"))
            except EvidenceError:
                os._exit(3)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        cuts += 1
        killed += os.WIFSIGNALED(status)
        refused += os.WIFEXITED(status) and os.WEXITSTATUS(status) == 3
        assert whole() >= 1
assert killed >= 40 and refused >= 40, (cuts, killed, refused)
folder.open(incident("later"))
print(f"{killed} writers killed and {refused} refused: {whole()} incidents, each whole")
"""


@contextmanager
def _incidents_cut(bench: Any) -> Iterator[None]:
    command = [sys.executable, "-c", _CUTTING, str(bench.folder / "incidents")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=Path(__file__).parents[3])
    bench.remarks.append(done.stdout.strip() or done.stderr.strip())
    yield


# -- clocks, threads, events ------------------------------------------------------------------------------------------------


def _clock(ahead_s: float) -> Callable[[Bench], AbstractContextManager[float | None]]:
    @contextmanager
    def injected(bench: Any) -> Iterator[None]:
        bench.wall.ahead_s = ahead_s
        yield
        bench.wall.ahead_s = 0.0

    return injected


@contextmanager
def _stalled(bench: Any) -> Iterator[None]:
    bench.unstuck.clear()
    waited(bench.stuck.is_set, "the watch waiting for a picture")
    bench.stall.ahead_s = STALL_S
    waited(lambda: bench.status() and NoticeKind.BLIND in {notice.kind for notice in bench.told}, "the owner being told")
    yield
    bench.unstuck.set()
    bench.stall.ahead_s = 0.0


@contextmanager
def _forgotten(bench: Any) -> Iterator[None]:
    """Let the watch believe that the job has ended, as when an event of its start was lost."""

    def told(kind: NoticeKind) -> int:
        return sum(notice.kind is kind for notice in bench.told)

    begun = told(NoticeKind.PRINT_STARTED)
    bench.watcher.print_ended(done=False)
    waited(lambda: told(NoticeKind.PRINT_ENDED), "the end of the watch")
    bench.begin()
    waited(lambda: told(NoticeKind.PRINT_STARTED) > begun, "the watch over the same job")
    yield


@contextmanager
def _storm(bench: Any) -> Iterator[None]:
    for _ in range(STORM):
        bench.watcher.extrusion_began()
        bench.watcher.print_resumed()
        bench.watcher.mute(False)
    yield


@contextmanager
def _restarted(bench: Any) -> Iterator[None]:
    """End the watch without a goodbye and start it anew over its files; the job runs on, as one from the printer's own card."""
    bench.watcher.mute(False)  # what is believed is written down at once
    time.sleep(2.0 * INTERVAL_S)
    bench.close()
    bench.open()
    yield


@contextmanager
def _short_of_memory(bench: Any) -> Iterator[None]:
    bench.available_mb, bench.hurried.ahead_s = 20.0, 60.0
    yield
    bench.available_mb, bench.hurried.ahead_s = 1000.0, 120.0


@contextmanager
def _replaced(bench: Any) -> Iterator[None]:
    other = bench.installed.with_name(f"{bench.folder.name}-newer.py")
    other.write_text("new = True\n")
    other.replace(bench.installed)
    bench.hurried.ahead_s = 60.0
    yield


FAULTS = (
    Fault(
        "no server, this computer looks",
        "nothing listens at the server's address",
        with_own_detector(fallback=True, deadline=PATIENT_S),
        bent(lambda wire: wire.refuse()),
        "watching",
        "This computer looks meanwhile",
        within_s=90.0,
        again_s=300.0,  # a server that is lost once more on the way back is left alone for two minutes
        most_lost=3,  # while its detector starts
    ),
    Fault(
        "own detector killed",
        "SIGKILL to its process",
        with_own_detector(detector="local", deadline=PATIENT_S),
        _own_killed,
        "watching|blind",  # a busy machine takes longer than ten seconds to start it again
        CALM,
        most_lost=10,
    ),
    Fault(
        "own detector hangs",
        "SIGSTOP to its process, for ever",
        with_own_detector(detector="local"),
        _own_hangs,
        "watching|blind",
        r"hung for \d+ s and was ended",
    ),
    Fault(
        "disk full",
        f"a real file system of {DISK_KB} kB, filled",
        _on_a_small_disk,
        _full,
        "watching",
        "No space left on device.*check space",
        again_s=150.0,
    ),
    Fault(
        "data folder read-only",
        "a read-only file system over it",
        watched(deadline=PATIENT_S),
        _read_only,
        "watching",
        "Read-only file system.*check space and rights",
        again_s=150.0,
    ),
    Fault(
        "incident cut at every kB",
        "88 writers ended or refused by the kernel's limit on a file's size",
        watched(deadline=PATIENT_S),
        _incidents_cut,
        "watching",
        r"\d+ writers killed and \d+ refused: \d+ incidents, each whole",
        most_lost=0,
        lasts=True,
    ),
    Fault(
        "clock put forward an hour",
        "wall clock of the watch",
        watched(deadline=PATIENT_S),
        _clock(HOUR_S),
        "watching",
        CALM,
        most_lost=0,
    ),
    Fault(
        "clock put back an hour",
        "wall clock of the watch",
        watched(deadline=PATIENT_S),
        _clock(-HOUR_S),
        "watching",
        CALM,
        most_lost=0,
    ),
    Fault(
        "watch restarted, job goes on",
        "threads ended and begun anew over their files",
        watched(deadline=PATIENT_S),
        _restarted,
        "watching",
        CALM,
    ),
    Fault(
        "watcher's thread stalled",
        f"its picture never comes; {STALL_S:.0f} s by its clock",
        watched(),
        _stalled,
        "blind",
        "has not moved .*restart OctoPrint",
    ),
    Fault(
        "start of the job not heard",
        "its events left out",
        watched(deadline=PATIENT_S),
        _forgotten,
        "watching",
        CALM,
        within_s=20.0,
    ),
    Fault(
        "storm of events",
        f"{3 * STORM} at once, in an inbox of 64",
        watched(deadline=PATIENT_S),
        _storm,
        "watching",
        CALM,
        most_lost=0,
    ),
    Fault(
        "memory runs out",
        "a planted reading",
        watched(deadline=PATIENT_S),
        _short_of_memory,
        "watching",
        "short of memory",
    ),
    Fault(
        "plugin upgraded in mid-print",
        "a real file of a module replaced",
        watched(deadline=PATIENT_S),
        _replaced,
        "watching",
        "was upgraded .*Restart OctoPrint after",
        lasts=True,
    ),
)

"""The judge of a soak: it must find a leak that was planted into a real process, and leave alone one that leaks nothing."""

from __future__ import annotations

import mmap
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="scipy is not installed; run scripts/test")

from tests.soak.judging import FEWEST, Judgement, judge
from tests.soak.sampling import Gone, Sample, sample

PRINTS = 30
#: A print of the planted kind lasts a minute of the soak; 3 MB a print are 180 MB an hour.
PRINT_S, BOUND_MB_PER_HOUR = 60.0, 20.0


def soaked(after_a_print: Callable[[ExitStack], object]) -> dict[str, Judgement]:
    """Let this process do something after each of some prints, sample it, and return what is thought by the thing judged."""
    with ExitStack() as held:
        at_rest = []
        for number in range(PRINTS):
            after_a_print(held)
            at_rest.append(looked(number * PRINT_S))
        return {judgement.what: judgement for judgement in judge("this", at_rest, BOUND_MB_PER_HOUR)}


def looked(at: float) -> Sample:
    """Return a sample; the kernel takes a moment to forget a thread that was joined."""
    time.sleep(0.02)
    return sample(os.getpid(), at)


def found(judgements: dict[str, Judgement]) -> set[str]:
    return {what for what, judgement in judgements.items() if not judgement.flat}


def leave_a_thread(held: ExitStack) -> None:
    stopped = threading.Event()
    thread = threading.Thread(target=stopped.wait, args=(60.0,))
    thread.start()
    held.callback(thread.join)
    held.callback(stopped.set)


def leave_a_file_open(held: ExitStack) -> None:
    file = Path("/dev/null").open("rb")  # noqa: SIM115 - that it is left open is the point
    held.callback(file.close)


def keep_frames(held: ExitStack) -> None:
    frames = mmap.mmap(-1, 3_000_000)  # pages of its own: Python's heap may still have room for as much
    frames.write(os.urandom(len(frames)))
    held.callback(frames.close)


def leave_a_zombie(held: ExitStack) -> None:
    child = subprocess.Popen(["true"])
    held.callback(child.wait)


@pytest.mark.parametrize(
    ("leak", "seen_in"),
    [
        (leave_a_thread, "threads"),
        (leave_a_file_open, "descriptors"),
        (keep_frames, "memory"),
        (leave_a_zombie, "children"),
    ],
    ids=["a thread", "a descriptor", "a list of frames", "a process that nobody waits for"],
)
def test_a_leak_that_was_planted_is_found(leak: Callable[[ExitStack], None], seen_in: str) -> None:
    """One thread, file, process or stack of frames that each print leaves behind is seen where it belongs."""
    assert seen_in in found(soaked(leak))


def test_a_process_that_leaks_nothing_is_flat() -> None:
    """What is given back after each print is no leak, whatever the system does with the memory."""

    def give_back(held: ExitStack) -> None:
        with ExitStack() as print_:
            leave_a_thread(print_)
            leave_a_file_open(print_)
            keep_frames(print_)
            leave_a_zombie(print_)

    assert found(soaked(give_back)) == set()


def wandering(slope_mb_per_print: float) -> Iterator[Sample]:
    """Yield samples whose memory wanders by some megabytes, with a warm-up, and grows by so much."""
    chance = random.Random(1)
    for number in range(60):
        warming = 40.0 * (1.0 - 0.7**number)
        rss = 120.0 + warming + chance.uniform(-4.0, 4.0) + slope_mb_per_print * number
        yield Sample(number * PRINT_S, rss, 30, 50, 0)


@pytest.mark.parametrize(("slope", "flat"), [(0.0, True), (0.05, True), (1.0, False), (-0.1, True)])
def test_memory_is_judged_by_its_slope_and_the_doubt_about_it(slope: float, flat: bool) -> None:
    """A warm-up and a wandering of some megabytes are no leak; a megabyte with every print is, though no step shows it."""
    memory = judge("this", tuple(wandering(slope)), BOUND_MB_PER_HOUR)[0]
    assert memory.flat is flat, memory.sentence
    assert memory.low is not None and memory.high is not None and memory.slope is not None
    assert memory.low <= memory.slope <= memory.high


def test_one_spike_is_no_leak() -> None:
    """Neither of memory, which is judged by its median slope, nor of a count that comes down again."""
    samples = list(wandering(0.0))
    samples[50] = Sample(samples[50].at, 900.0, 31, 50, 0)
    assert found({one.what: one for one in judge("this", samples, BOUND_MB_PER_HOUR)}) == set()


def test_a_count_may_change_from_print_to_print_but_not_its_range() -> None:
    """Three threads that OctoPrint keeps for a minute after some prints are no leak; one that every eighth print leaves is."""
    chance = random.Random(2)
    usual = [Sample(number * PRINT_S, 130.0, 26 + 3 * chance.randrange(2), 20, 0) for number in range(60)]
    leaking = [replace(one, threads=one.threads + number // 8) for number, one in enumerate(usual)]
    assert found({one.what: one for one in judge("this", usual, BOUND_MB_PER_HOUR)}) == set()
    assert found({one.what: one for one in judge("this", leaking, BOUND_MB_PER_HOUR)}) == {"threads"}


def test_too_few_samples_are_not_called_flat() -> None:
    """A soak that was cut short has shown nothing."""
    few = tuple(wandering(0.0))[: FEWEST - 1]
    assert all(not judgement.flat and "longer" in judgement.sentence for judgement in judge("this", few, BOUND_MB_PER_HOUR))


def test_a_process_that_is_gone_is_named() -> None:
    """Nobody samples what has ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(Gone):
        sample(child.pid, 0.0)

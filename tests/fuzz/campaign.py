"""Feed a target with inputs: as many as wanted, from a seed that is told, each bounded in time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

#: Hypothesis remembers every input of a run; so many are one run.
ROUND = 1000
#: No input may be worked on for longer, in seconds: a hundred times what the slowest takes.
LONGEST_S = 20.0


@dataclass(frozen=True)
class Target:
    """Something that reads what others wrote.

    ``feed`` takes one input and raises when the property is broken: anything but the documented errors, or an assertion.
    ``weight`` is its share of the inputs; what is slow gets fewer. What has to be started first has ``live`` in the place of
    ``feed``: a context that yields such a function, or raises :class:`Unavailable`.
    """

    name: str
    inputs: st.SearchStrategy[Any]
    feed: Callable[[Any], object] | None = None
    weight: float = 1.0
    live: Callable[[], AbstractContextManager[Callable[[Any], object]]] | None = None

    def opened(self) -> AbstractContextManager[Callable[[Any], object]]:
        """Return a context that yields what takes an input."""
        if self.live is not None:
            return self.live()
        assert self.feed is not None
        return nullcontext(self.feed)


class Unavailable(Exception):
    """What a target is about is not installed here; the message says what to do."""


class TooLong(Exception):
    """An input was worked on for longer than ``LONGEST_S``."""


def fuzz(target: Target, wanted: int, first_seed: int) -> int:
    """Feed ``wanted`` inputs, or one run more than that; return how many they were.

    Raises what the target raised for the smallest input that breaks it, with that input in the error's notes.
    """
    fed = 0
    with target.opened() as feed:
        for number in range(-(-wanted // ROUND)):
            fed += _one_round(target.inputs, feed, min(ROUND, wanted - number * ROUND), first_seed + number)
    return fed


def _one_round(inputs: st.SearchStrategy[Any], feed: Callable[[Any], object], wanted: int, number: int) -> int:
    count = 0

    @seed(number)
    @settings(
        max_examples=wanted,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def one(content: Any) -> None:
        nonlocal count
        count += 1
        with _bounded():
            feed(content)

    one()
    return count


@contextmanager
def _bounded() -> Iterator[None]:
    def late(signal_number: int, frame: FrameType | None) -> None:
        raise TooLong(f"An input was worked on for more than {LONGEST_S:g} s.")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)

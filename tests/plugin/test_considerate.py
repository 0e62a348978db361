"""Long work beside a print: it rests often, and does all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from octoprint_spaghetti import considerate
from octoprint_spaghetti.testing import FakeClock


def test_it_rests_after_each_millisecond_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is woken meanwhile waits for so long at most, however much there is to do; nothing is left out, nor read ahead."""
    clock, rests, read = FakeClock(), [], []
    monkeypatch.setattr(considerate.time, "monotonic", clock)
    monkeypatch.setattr(considerate.time, "sleep", lambda seconds: (rests.append(clock()), clock.forward(seconds)))

    def rows() -> Iterator[int]:
        for number in range(1000):
            read.append(number)
            yield number

    worked: list[int] = []
    for number in considerate.considerate(rows()):
        assert read[-1] == number
        worked.append(number)
        clock.forward(0.0003)
    assert worked == list(range(1000))
    assert len(rests) == 250
    assert max(after - before for before, after in zip(rests, rests[1:])) < 0.003

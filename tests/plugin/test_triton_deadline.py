"""How a frame's deadline is shared among the attempts at the servers: endpoints that take their time, on a clock that nobody waits for."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from octoprint_spaghetti.adapters import triton
from octoprint_spaghetti.adapters.ladder import SERVER_SHARE
from octoprint_spaghetti.core.errors import ServerTooSlow
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Answer, Frame
from octoprint_spaghetti.testing import FakeClock, answer

FRAME = Frame(b"", 0.0, "test")
DEADLINE_S = Settings().deadline
#: What is left to a server where this computer looks as well.
BESIDE_S = SERVER_SHARE * DEADLINE_S


@dataclass
class SlowEndpoint:
    """Answers after so many seconds, or not within what it is given."""

    clock: FakeClock
    takes: float
    given: list[float] = field(default_factory=list)

    def ask(self, request: object, seconds: float, *, stream: bool) -> Answer:
        self.given.append(seconds)
        self.clock.forward(min(seconds, self.takes))
        if self.takes > seconds:
            raise ServerTooSlow("too slow")
        return answer(0.1)

    def close(self) -> None:
        """Hold nothing."""

    drop_stream = close


def ask(monkeypatch: pytest.MonkeyPatch, deadline: float, *takes: float) -> tuple[list[SlowEndpoint], float, bool]:
    """Look at a frame; return the servers, the seconds it took, and whether it was answered."""
    clock = FakeClock()
    monkeypatch.setattr(triton.time, "monotonic", clock)
    monkeypatch.setattr(triton.time, "sleep", clock.forward)
    detector = triton.TritonDetector(
        Settings(servers=tuple(f"gpu{number}:8001" for number in range(len(takes))), deadline=deadline)
    )
    detector.close()
    servers = [SlowEndpoint(clock, seconds) for seconds in takes]
    detector._endpoints = servers  # type: ignore[assignment]
    began = clock()
    try:
        detector.look(FRAME)
    except ServerTooSlow:
        return servers, clock() - began, False
    return servers, clock() - began, True


@pytest.mark.parametrize("deadline", [DEADLINE_S, BESIDE_S], ids=["the server alone", "this computer below it"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_slow_way_has_half_of_the_deadline_at_the_first_attempt(
    monkeypatch: pytest.MonkeyPatch, deadline: float, count: int
) -> None:
    """A server or an uplink that takes nearly half of it is used, asked once; none is cut off after a third and asked three times."""
    servers, _, answered = ask(monkeypatch, deadline, 0.49 * deadline, *[9.9] * (count - 1))
    assert answered
    assert [len(server.given) for server in servers] == [1] + [0] * (count - 1)


@pytest.mark.parametrize("deadline", [1.0, BESIDE_S, DEADLINE_S, 30.0])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_server_that_hangs_leaves_time_for_the_others(monkeypatch: pytest.MonkeyPatch, deadline: float, count: int) -> None:
    """Each of them has a tenth of a second and more, and the frame is given up at its deadline; the last one may yet answer it."""
    servers, took, answered = ask(monkeypatch, deadline, *[99.0] * count)
    assert not answered
    assert took == pytest.approx(deadline)
    assert all(seconds > 0.0999 for server in servers for seconds in server.given)
    assert len(servers[0].given) == (3 if count == 1 else 2)
    _, took, answered = ask(monkeypatch, deadline, *[99.0] * (count - 1), 0.09)
    assert answered and took < deadline

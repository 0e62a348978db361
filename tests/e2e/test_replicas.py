"""Two real Tritons: one crashes, is restarted or hangs, and no printer notices more than it must."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import inference_server.triton
from inference_server.triton import TritonServer
from tests.e2e.conftest import PATIENT_S
from tests.e2e.outage import DEADLINE_S, FAULTS, INTERVAL_S, Outage, find_haproxy, run

WAYS = ("list stream", "list unary", "name stream", "name unary", "haproxy stream", "haproxy unary")
#: What a busy machine may add to a time that is bounded by a deadline; less than what a frozen replica takes to thaw.
BUSY_S = 5.0


@pytest.fixture(scope="module", params=FAULTS)
def outage(
    request: pytest.FixtureRequest, start_triton: Callable[..., TritonServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outage]:
    """Return what the printers saw of one fault; connections are renewed every 6 s instead of every 10 minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference_server.triton, "CONNECTION_AGE_MS", 6000)
        patch.setattr(inference_server.triton, "CONNECTION_GRACE_MS", 3000)
        folder = tmp_path_factory.mktemp(request.param)
        deadline_s = DEADLINE_S if request.param == "SIGSTOP" else PATIENT_S
        yield run(request.param, start_triton, folder, find_haproxy() is not None, deadline_s)


@pytest.mark.parametrize("way", WAYS)
def test_no_frame_is_lost_and_the_gap_is_bounded(outage: Outage, way: str) -> None:
    """A crash and a restart cost no frame; a hang costs no longer than a deadline and an interval without an answer.

    A name with several addresses promises nothing about a hang: calls take turns, and one of them may meet it again.
    """
    _need(outage, way)
    if outage.fault != "SIGSTOP":
        assert outage.problems(way) == []
    elif way.startswith("name"):
        return
    assert outage.gap(way) <= DEADLINE_S + INTERVAL_S + BUSY_S


@pytest.mark.parametrize("way", ("list stream", "list unary"))
def test_printers_return_to_the_repaired_server_of_their_list(outage: Outage, way: str) -> None:
    """The first server of the settings failed, was left, and has all frames again by the end."""
    for printer in outage.printers[way]:
        servers = [look.detector for look in printer.looks if not look.problem]
        first = f"triton {outage.repaired_target}"
        assert (servers[0], servers[-1]) == (first, first), [int(server == first) for server in servers]
        assert len(set(servers)) == 2


@pytest.mark.parametrize("way", ("haproxy stream", "haproxy unary"))
def test_haproxy_returns_to_the_repaired_replica(outage: Outage, way: str) -> None:
    """Once the check finds the replica ready, calls go there again, single ones and new streams alike."""
    _need(outage, way)
    assert outage.chosen[way] > 0


def _need(outage: Outage, way: str) -> None:
    if way not in outage.printers:
        pytest.skip("haproxy is not installed; scripts/test installs it on Debian")

"""The fault table: whatever breaks, a person reads what to do, the print goes on, and watching resumes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from inference_server.triton import TritonServer
from tests.e2e.fault_table import STABLE, WITH_EDGE, interpreter
from tests.e2e.faults.fault import Fault, Outcome
from tests.e2e.faults.stage import Stage
from tests.e2e.faults.table import FAULTS, ROW_S, outcomes_of


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, triton: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """Return the outcomes to come of the faults that were chosen; they happen at the same time, for most of it is waiting."""
    chosen = {item.callspec.params["fault"].name for item in request.session.items if _is_a_fault(item)}  # type: ignore[attr-defined]
    with (
        Stage(tmp_path_factory.mktemp("faults"), interpreter(STABLE), interpreter(WITH_EDGE), triton) as stage,
        outcomes_of([fault for fault in FAULTS if fault.name in chosen], stage) as coming,
    ):
        yield coming


def _is_a_fault(item: pytest.Item) -> bool:
    return isinstance(getattr(item, "callspec", None) and item.callspec.params.get("fault"), Fault)  # type: ignore[attr-defined]


@pytest.mark.timeout(ROW_S)  # the first of them waits for the start of everything
@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.id) for fault in FAULTS])
def test_a_fault_is_said_survived_and_over_when_it_is_healed(fault: Fault, outcomes: dict[str, Future[Outcome]]) -> None:
    """Lamp and sentence are those of the table, the print is not touched, and what was lost is bounded."""
    outcome = outcomes[fault.name].result(ROW_S)
    assert outcome.problem == "", outcome


def test_each_fault_has_a_name_of_its_own() -> None:
    """Rows are told apart by their names, here and in the table."""
    assert len({fault.id for fault in FAULTS}) == len(FAULTS) >= 30

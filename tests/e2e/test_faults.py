"""The fault table: whatever breaks, a person reads what to do, the print goes on, and watching resumes by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from inference_server.triton import TritonServer
from tests.e2e.fault_table import STABLE, WITH_EDGE, interpreter
from tests.e2e.faults.fault import Fault, Outcome, withstand
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


@dataclass
class Scripted:
    """A computer that says one thing while it is well and another while it is not, and may pause or stay broken."""

    well: str = "evidence"
    ill: str = "The camera is gone; look at it."
    pauses: bool = False
    stays_ill: bool = False
    broken: bool = False
    answers: int = 5
    where: str = "nowhere"

    def status(self) -> dict[str, Any]:
        self.answers += not self.broken
        level = "unprotected" if self.broken else "remote"
        sentence = self.ill if self.broken else self.well
        verdict = "blind" if self.broken else "watching"
        return {
            "verdict": verdict,
            "sentence": sentence,
            "protection": {"level": level, "reason": ""},
            "answers": self.answers,
        }

    def said(self, status: dict[str, Any]) -> tuple[str, ...]:
        return (status["sentence"],)

    def lost(self) -> int:
        return 0

    def touched(self) -> str:
        return "1 pauses ordered" if self.pauses and self.broken else ""


@contextmanager
def _break(bench: Any) -> Iterator[None]:
    bench.broken = True
    yield
    bench.broken = bench.stays_ill


@pytest.mark.parametrize(
    ("bench", "problem"),
    [
        pytest.param(Scripted(), "", id="all as it must be"),
        pytest.param(Scripted(ill="Something is wrong."), "not said", id="another sentence"),
        pytest.param(Scripted(pauses=True), "touched: 1 pauses", id="a pause"),
        pytest.param(Scripted(stays_ill=True), "not watched again", id="no way back"),
        pytest.param(Scripted(well="evidence; the camera is gone; look at it."), "not watched again", id="a sentence that stays"),
    ],
)
def test_what_is_not_as_it_must_be_is_found(bench: Scripted, problem: str) -> None:
    """A row fails for a wrong sentence, a touched print, a watch that does not come back, and one that does not fall silent."""
    fault = Fault("a", "b", lambda stage: nullcontext(bench), _break, "blind", "camera is gone; look", within_s=1.0, again_s=1.0)  # type: ignore[arg-type]
    outcome = withstand(fault, None)  # type: ignore[arg-type]
    assert re.match(problem or "$", outcome.problem.removeprefix("the print was ")), outcome


def test_each_fault_has_a_name_of_its_own() -> None:
    """Rows are told apart by their names, here and in the table."""
    assert len({fault.id for fault in FAULTS}) == len(FAULTS) >= 30

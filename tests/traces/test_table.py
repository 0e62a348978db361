"""The table of prints: what must be paused is, in its window, and what must not is left alone."""

from __future__ import annotations

import pytest

from tests.traces.cases import CASES, Case
from tests.traces.stories import Noise
from tests.traces.table import fault

#: Each print is made twice, with other noise; ``python -m tests.traces.table`` makes it as often as one likes.
SEEDS = (1, 2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_print_is_paused_when_a_person_would_and_only_then(case: Case, seed: int) -> None:
    """One pause in each window of the case, none outside, and suspicion by when it is asked for."""
    found = fault(case, Noise(seed))
    assert not found, f"{case.said} {found}"


def test_the_table_is_large_and_its_names_are_its_own() -> None:
    """At least 40 prints, good and failing, each with another name and a sentence of what happened."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 40
    assert min(sum(bool(case.pauses) for case in CASES), sum(not case.pauses for case in CASES)) >= 20
    assert all(case.said.endswith(".") for case in CASES)

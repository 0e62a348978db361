"""A moment of what ``scripts/fuzz`` does for minutes: a few thousand inputs, the same ones each time."""

from __future__ import annotations

import pytest

from tests.fuzz import TARGETS
from tests.fuzz.__main__ import share_of
from tests.fuzz.campaign import Target, TooLong, Unavailable, fuzz
from tests.fuzz.inputs import damaged

#: Over all targets; under 30 s of one core.
INPUTS = 4000
SEED = 7


@pytest.mark.parametrize(
    "target",
    [pytest.param(target, id=target.name, marks=[pytest.mark.e2e] if target.live else []) for target in TARGETS],
)
def test_nothing_but_the_documented_errors_comes_of_any_input(target: Target) -> None:
    """Damaged, hostile and made-up input is read, or refused in words; nothing crashes, pauses, hangs or grows."""
    try:
        assert fuzz(target, share_of(target, INPUTS), SEED) > 0
    except Unavailable as missing:
        pytest.skip(str(missing))


def test_a_broken_target_is_found_and_its_input_told() -> None:
    """A campaign that could not fail would prove nothing."""

    def breaks(data: bytes) -> None:
        assert b"\x00" not in data

    with pytest.raises(AssertionError) as found:
        fuzz(Target("breaks", damaged([b"a whole file"]), breaks), 500, SEED)
    assert any("data" in note or "content" in note for note in found.value.__notes__)


def test_an_input_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that never ends breaks the campaign instead of stopping it."""
    monkeypatch.setattr("tests.fuzz.campaign.LONGEST_S", 0.05)

    def hangs(data: bytes) -> None:
        while True:
            pass

    with pytest.raises(TooLong):
        fuzz(Target("hangs", damaged([b"a"]), hangs), 1, SEED)

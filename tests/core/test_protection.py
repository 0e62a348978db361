"""Who looks at the next picture: down at once, up without flapping. Time is an argument."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core import protection
from octoprint_spaghetti.core.protection import CLIMB_AFTER_S, FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S, STEADY_S, Footing
from octoprint_spaghetti.core.words import ProtectionLevel

REMOTE, LOCAL, UNPROTECTED = ProtectionLevel.REMOTE, ProtectionLevel.LOCAL, ProtectionLevel.UNPROTECTED


def picture(footing: Footing, now: float, *, server: bool, here: bool = True) -> Footing:
    """Return the footing after one picture; ``server`` and ``here`` say who could look."""
    if protection.asks_server_first(footing, now):
        if server:
            return protection.server_answered(footing, now)
        footing = protection.server_failed(footing, "gone", now)
    elif not here and server:
        return protection.server_answered(footing, now)
    return protection.looked_here(footing, now) if here else protection.nobody_looked(footing, "nobody", now)


def pictures(footing: Footing, times: Iterable[float], *, server: bool, here: bool = True) -> Footing:
    for now in times:
        footing = picture(footing, now, server=server, here=here)
    return footing


def every(interval: float, start: float, seconds: float) -> list[float]:
    return [start + n * interval for n in range(int(seconds / interval))]


def well(now: float = 0.0) -> Footing:
    """Return the footing after the server's first answer."""
    return picture(protection.begin(now), now, server=True)


def test_nothing_is_claimed_before_somebody_has_looked() -> None:
    """A print begins unprotected; whoever looks first is the level at once."""
    begun = protection.begin(5.0)
    assert begun.level is UNPROTECTED
    assert (well().level, well().why) == (REMOTE, "")
    assert (picture(begun, 10.0, server=False).level, picture(begun, 10.0, server=False).why) == (LOCAL, "gone")


def test_one_lost_picture_changes_no_level() -> None:
    """It is looked at here, the reason is said, and forgotten with the next answer."""
    lost = picture(well(), 5.0, server=False)
    assert (lost.level, lost.why) == (REMOTE, "gone")
    assert picture(lost, 10.0, server=True).why == ""


def test_two_lost_pictures_in_a_row_are_a_fall() -> None:
    """The level is local since the second one, with the server's sentence."""
    fallen = pictures(well(), [5.0, 10.0], server=False)
    assert (fallen.level, fallen.since, fallen.why) == (LOCAL, 10.0, "gone")


def test_a_server_that_is_away_is_not_asked_for_every_picture() -> None:
    """After a fall the pictures go straight to this computer until the back-off is over."""
    fallen = pictures(well(), [5.0, 10.0], server=False)
    assert not protection.asks_server_first(fallen, 10.0 + FIRST_BACK_OFF_S - 0.1)
    assert protection.asks_server_first(fallen, 10.0 + FIRST_BACK_OFF_S)


def test_the_back_off_grows_to_its_bound() -> None:
    """An hour without a server costs a try every two minutes, not every few seconds."""
    footing, asked = protection.begin(0.0), []
    for now in every(5.0, 5.0, 3600.0):
        if protection.asks_server_first(footing, now):
            asked.append(now)
        footing = picture(footing, now, server=False)
    gaps = [later - earlier for earlier, later in zip(asked, asked[1:])]
    assert max(gaps) == LONGEST_BACK_OFF_S
    assert len(asked) < 40


@pytest.mark.parametrize("interval", [0.5, 2.0, 5.0, 20.0])
def test_the_way_back_takes_several_answers_and_some_seconds(interval: float) -> None:
    """At any rate of pictures: not with the first answer, not before ten seconds of answers, and by itself."""
    fallen = pictures(well(), [0.0, 1.0], server=False)
    first = None
    for now in every(interval, 1.0 + FIRST_BACK_OFF_S, 120.0):
        first = now if first is None else first
        fallen = picture(fallen, now, server=True)
        if fallen.level is REMOTE:
            break
    assert fallen.level is REMOTE
    assert fallen.why == ""
    assert now - first >= max(CLIMB_AFTER_S, 2 * interval)


def test_a_server_that_comes_and_goes_changes_the_level_ever_less_often() -> None:
    """Half a minute up, half a minute down, for an hour: this computer looks, and the level stands still for minutes."""
    footing, changes = protection.begin(0.0), 0
    for now in every(5.0, 0.0, 3600.0):
        before = footing.level
        footing = picture(footing, now, server=int(now / 30.0) % 2 == 0)
        changes += footing.level is not before
        assert footing.level is not UNPROTECTED
    assert changes <= 30  # 120 changes of the server


def test_a_server_that_was_steady_again_is_forgiven() -> None:
    """After five good minutes a new fall begins with the short back-off."""
    footing = pictures(protection.begin(0.0), every(5.0, 0.0, 600.0), server=False)
    footing = pictures(footing, every(5.0, 600.0, 200.0 + STEADY_S), server=True)
    assert (footing.level, footing.back_off_s) == (REMOTE, FIRST_BACK_OFF_S)


def test_when_nobody_looks_both_are_asked_for_every_picture() -> None:
    """Unprotected since the first such picture; whoever answers first lifts it at once."""
    lost = pictures(well(), [5.0, 10.0, 15.0], server=False, here=False)
    assert (lost.level, lost.since, lost.why) == (UNPROTECTED, 5.0, "nobody")
    assert protection.asks_server_first(lost, 15.0)
    assert picture(lost, 20.0, server=True).level is REMOTE
    assert picture(lost, 20.0, server=False).level is LOCAL


@given(st.lists(st.tuples(st.floats(0.1, 60.0), st.booleans(), st.booleans()), max_size=200))
def test_whatever_happens_the_footing_is_honest(fates: list[tuple[float, bool, bool]]) -> None:
    """A level below the best has a reason, nobody is unprotected while somebody looked, and time goes forwards."""
    footing, now = protection.begin(0.0), 0.0
    for gap, server, here in fates:
        now += gap
        footing = picture(footing, now, server=server, here=here)
        assert footing.level is REMOTE or footing.why
        assert footing.level is not UNPROTECTED or not (server or here)
        assert footing.since <= now
        assert footing.back_off_s <= LONGEST_BACK_OFF_S

"""Which server is asked first, and the way back to the first one of the settings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.preference import Preference, WayBack

WAY_BACK = WayBack(first_wait=20.0, longest_wait=80.0, between=10.0, probes=2, settled=600.0)


def away(at: float = 0.0) -> Preference:
    """Return a preference among three servers whose first one has just failed."""
    preference = Preference(3, WAY_BACK)
    preference.answered(1, at)
    return preference


def go_home(preference: Preference, now: float) -> float:
    """Let every probe find the first server well, and return when frames went there again."""
    while preference.current != 0:
        if preference.probe_due(now):
            preference.probed(True, now)
        now += 1.0
    return now


def test_the_order_of_the_settings_is_the_order_of_asking() -> None:
    """As long as the first server answers, it is asked first and never probed."""
    preference = Preference(3, WAY_BACK)
    preference.answered(0, 5.0)
    assert preference.order() == (0, 1, 2)
    assert not preference.probe_due(1e9)


def test_the_one_that_answers_is_asked_first() -> None:
    """After a failure the working server comes first, then those after it, and the failed one is asked last."""
    assert away().order() == (1, 2, 0)


def test_two_good_probes_in_a_row_lead_back() -> None:
    """One good answer may be luck; the second one, ten seconds later, is the way back."""
    preference = away()
    assert not preference.probe_due(19.9)
    assert preference.probe_due(20.0)
    preference.probed(True, 20.0)
    assert preference.current == 1
    assert not preference.probe_due(29.9)
    preference.probed(True, 30.0)
    assert preference.order() == (0, 1, 2)


def test_a_bad_probe_between_two_good_ones_starts_the_count_again() -> None:
    """A server that is ready now and then is not well."""
    preference = away()
    for at, ready in ((20.0, True), (30.0, False), (40.0, True)):
        preference.probed(ready, at)
    assert preference.current == 1


def test_a_server_that_fails_soon_after_each_return_is_left_alone_for_longer() -> None:
    """The wait doubles up to its limit, so a server that comes and goes does not drag the printers along."""
    preference, now, waits = away(), 0.0, []
    for _ in range(5):
        left = now
        while not preference.probe_due(now):
            now += 1.0
        waits.append(now - left)
        now = go_home(preference, now)
        preference.answered(1, now)
    assert waits == [20.0, 40.0, 80.0, 80.0, 80.0]


def test_a_server_that_served_well_gets_its_short_wait_back() -> None:
    """A failure long after the return is a new one."""
    preference = away()
    now = go_home(preference, 20.0) + 601.0
    preference.answered(1, now)
    assert preference.probe_due(now + 20.0)


def test_the_first_server_answering_for_a_failed_second_is_a_return_too() -> None:
    """When the stand-in fails and the first one answers, it is the current one at once, and a late probe changes nothing."""
    preference = away()
    preference.answered(0, 1.0)
    preference.probed(False, 2.0)
    assert preference.order() == (0, 1, 2)


@given(
    st.lists(st.tuples(st.sampled_from(("answer 0", "answer 1", "answer 2", "good", "bad")), st.floats(0.0, 1000.0)), max_size=50)
)
def test_every_server_stays_in_the_order(story: list[tuple[str, float]]) -> None:
    """Whatever happens, each server is asked once per round, and at most one return goes by without two probes or an answer."""
    preference, now = Preference(3, WAY_BACK), 0.0
    for what, seconds in story:
        now += seconds
        if what.startswith("answer"):
            preference.answered(int(what[-1]), now)
        elif preference.probe_due(now):
            preference.probed(what == "good", now)
        assert sorted(preference.order()) == [0, 1, 2]
        assert preference.order()[0] == preference.current

"""What holds for every print, whatever the detector says of it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import ObicoPolicy, Opinion, Policy, PrintEvent, SpaghettiPolicy
from octoprint_spaghetti.core.recording import Lost, Recording, Row, Seen, Told, of_pictures
from octoprint_spaghetti.core.replay import Outcome, Run, replay
from octoprint_spaghetti.core.words import Scene, Sighting, Verdict
from octoprint_spaghetti.testing import PLAIN_SCENE, answer

PATIENCE = Patience()
PLACES = (Box(0.4, 0.4, 0.6, 0.6), Box(0.42, 0.38, 0.65, 0.62), Box(0.0, 0.0, 0.2, 0.2))
UNFIT = (Scene(0.01, 0.3, 0.3), Scene(0.99, 0.3, 0.3), Scene(0.5, 0.01, 0.3), Scene(0.5, 0.3, 0.0))

#: A stretch of a print: how many frames, the score they have, where, how they look, and how far apart they are, in seconds.
stretches = st.tuples(
    st.integers(1, 40),
    st.one_of(st.floats(0.0, 1.0), st.floats(0.8, 1.0)),
    st.sampled_from((*PLACES, None)),
    st.sampled_from((PLAIN_SCENE, PLAIN_SCENE, PLAIN_SCENE, *UNFIT)),
    st.sampled_from((0.5, 1.0, 2.0, 5.0, 10.0, 90.0)),
)
#: What comes between two stretches, if anything.
events = st.one_of(st.none(), st.sampled_from(tuple(PrintEvent)), st.just("lost"))


@st.composite
def prints(draw: st.DrawFn) -> Recording:
    """Draw a print: stretches of frames, and events or outages between them."""
    rows: list[Row] = [Told(PrintEvent.EXTRUSION_BEGAN, -100.0)]
    at, number = 0.0, 0
    for (count, score, place, scene, interval), event in draw(st.lists(st.tuples(stretches, events), min_size=1, max_size=8)):
        for _ in range(count):
            at, number = at + interval, number + 1
            rows.append(Seen(number, Sighting(at, answer(score, box=place, scene=scene))))
        if isinstance(event, PrintEvent):
            rows.append(Told(event, at))
        elif event is not None:
            rows.append(Lost("Nothing answers.", at))
    return Recording(tuple(rows), start=-100.0, goes_on=True)


def ours(recording: Recording) -> SpaghettiPolicy:
    """Return our policy at the start of a print."""
    return SpaghettiPolicy(PATIENCE, recording.start)


def opinions(policy: Policy, rows: tuple[Row, ...]) -> list[Opinion]:
    """Return what the policy thinks after each frame."""
    thought = []
    for row in rows:
        if isinstance(row, Told):
            policy.tell(row.event, row.at)
        elif isinstance(row, Seen):
            thought.append(policy.see(row.sighting))
    return thought


@given(recording=prints())
def test_nothing_is_done_without_evidence_above_both_levels(recording: Recording) -> None:
    """Whatever is seen and happens, an action is asked for only by a failing print whose evidence reached its level."""
    for opinion in opinions(ours(recording), tuple(recording.rows)):
        if opinion.act:
            assert opinion.verdict is Verdict.FAILING
            assert opinion.evidence >= opinion.failing_at >= opinion.suspect_at


@given(recording=prints(), scene=st.sampled_from(UNFIT), score=st.floats(0.0, 1.0), count=st.integers(1, 50))
def test_blind_never_raises_evidence_and_never_acts(recording: Recording, scene: Scene, score: float, count: int) -> None:
    """Frames that cannot be judged add nothing to any belief, however sure the detector is of them."""
    policy = ours(recording)
    before = opinions(policy, tuple(recording.rows))[-1].evidence
    last = max(row.at for row in recording.rows)
    dark = [policy.see(Sighting(last + 5.0 * (place + 1), answer(score, box=PLACES[0], scene=scene))) for place in range(count)]
    assert all(opinion.evidence <= before and not opinion.act for opinion in dark)


@given(recording=prints(), score=st.floats(0.0, 1.0), gap=st.floats(10.0, 1e5))
def test_time_without_answers_is_worth_one_long_step_at_most(recording: Recording, score: float, gap: float) -> None:
    """After a gap of any length the next frame weighs as it would after the longest step, and no more."""

    def after(seconds: float) -> float:
        policy = ours(recording)
        opinions(policy, tuple(recording.rows))
        last = max(row.at for row in recording.rows)
        return policy.see(Sighting(last + seconds, answer(score))).evidence

    assert after(gap) == after(PATIENCE.longest_step) or policy_is_standing(recording)


def policy_is_standing(recording: Recording) -> bool:
    """Return whether the last that was told of a print leaves it paused, or within the grace of an event."""
    policy = ours(recording)
    opinions(policy, tuple(recording.rows))
    return policy.belief.paused or policy.belief.scene.unsettled_until is not None


@settings(max_examples=200)
@given(
    score=st.floats(0.75, 1.0),
    interval=st.floats(0.5, 5.0),
    calm=st.floats(30.0, 300.0),
    background=st.floats(0.0, 0.1),
)
def test_doubling_the_frame_rate_moves_the_pause_by_at_most_an_interval(
    score: float, interval: float, calm: float, background: float
) -> None:
    """A failure that stays as it is, looked at twice as often (up to one frame in 5 s), is paused within an interval of before."""
    slow, fast = (_paused_at(score, each, calm, background) for each in (interval, interval / 2.0))
    assert slow is not None
    assert fast is not None
    assert abs(slow - fast) <= interval + 1e-6


def _paused_at(score: float, interval: float, calm: float, background: float) -> float | None:
    """Return when a print fails that shows ``score`` from second ``calm`` on, in one place."""
    seen = [
        Seen(place, Sighting(place * interval, answer(score if place * interval >= calm else background, box=PLACES[0])))
        for place in range(int((calm + 200.0) / interval))
    ]
    recording = of_pictures(seen)
    paused = replay([ours(recording)], recording)[0].paused
    return None if paused is None else paused.at


@given(recording=prints(), cut=st.floats(0.0, 1.0))
def test_in_pieces_is_as_at_once(recording: Recording, cut: float) -> None:
    """A print whose first part was judged elsewhere, and whose belief was handed over, ends as it would have at once."""
    rows = tuple(recording.rows)
    at = round(cut * len(rows))
    first = ours(recording)
    begun = opinions(first, rows[:at])
    second = SpaghettiPolicy(PATIENCE, recording.start, first.belief)
    second_half = opinions(second, rows[at:])
    asked = PrintEvent.RESUMED in {row.event for row in rows[at:] if isinstance(row, Told)}
    if not (asked and any(opinion.act for opinion in begun)):  # whose pause it was is known to the policy, not to the belief
        assert begun + second_half == opinions(ours(recording), rows)


@given(recording=prints(), pieces=st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_a_run_may_be_fed_in_pieces(recording: Recording, pieces: list[int]) -> None:
    """However the rows arrive, and however often somebody looks at the outcome meanwhile, it is the same."""
    rows, run, at = tuple(recording.rows), Run(ours(recording), until_pause=False), 0
    for size in [*pieces, len(rows)]:
        for row in rows[at : at + size]:
            run.take(row)
        run.outcome()
        at += size
    whole: Outcome = replay([ours(recording)], recording)[0]
    assert run.outcome() == whole


@given(
    recording=prints(),
    score=st.floats(0.9, 1.0),
    jumps=st.lists(st.floats(0.0, 500.0), min_size=1, max_size=30),
    rule=st.sampled_from(("spaghetti", "obico")),
)
def test_time_never_runs_backwards_into_a_decision(recording: Recording, score: float, jumps: list[float], rule: str) -> None:
    """Frames that are no later than one already seen change nothing, now or later, by either rule."""

    def policy() -> Policy:
        return ours(recording) if rule == "spaghetti" else ObicoPolicy()

    rows = tuple(recording.rows)
    last = next(row for row in reversed(rows) if isinstance(row, Seen))
    old = [Seen(0, replace(last.sighting, at=last.at - back, answer=answer(score, box=PLACES[0]))) for back in jumps]
    later = tuple(Seen(0, Sighting(last.at + 5.0 * (place + 1), answer(score, box=PLACES[0]))) for place in range(12))
    disturbed = opinions(policy(), (*rows, *old, *later))
    undisturbed = opinions(policy(), (*rows, *later))
    if not any(isinstance(row, Told) for row in rows[rows.index(last) :]):  # a resume begins a new stretch of time
        assert not any(opinion.act for opinion in disturbed[-len(later) - len(old) : -len(later)])
        assert disturbed[-len(later) :] == undisturbed[-len(later) :]

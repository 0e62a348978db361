"""All views of one print together: whose turn it is, which of them tells most, and what is said of those that see nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from octoprint_spaghetti.core.sentence import joined, say
from octoprint_spaghetti.core.words import Verdict
from octoprint_spaghetti.view import ALARMED, View

#: A camera that keeps the others waiting has a picture in so many times as long: it takes a quarter of the time at most.
YIELD = 4.0


def whose_turn(views: Sequence[View]) -> View:
    """Return the view whose picture is due first; of two, the one that comes first in the settings."""
    return min(views, key=lambda view: view.due)


def pause_after(view: View, views: Sequence[View], wanted: float) -> float:
    """Return the seconds between two pictures of a camera, ``wanted`` or more.

    One that hangs or is slow must not take the time of the others, unless it is the one that sees a failure.
    """
    if len(views) == 1 or (view.is_alarmed and not view.memory.trouble):
        return wanted
    return max(wanted, YIELD * view.held_s)


def most_telling(views: Sequence[View], accuser: str, now: float) -> View:
    """Return the view that a person should see: the ``accuser`` where one is named, else the most alarmed one that sees.

    While all are calm it is the first that sees, so that pictures do not change places.
    """
    named = next((view for view in views if accuser and view.name == accuser), None)
    if named is not None:
        return named
    seeing = [view for view in views if view.verdict is not Verdict.BLIND] or list(views)
    alarmed = [view for view in seeing if view.verdict in ALARMED]
    return max(alarmed, key=_alarm(now)) if alarmed else seeing[0]


def blamed(views: Sequence[View], accuser: str) -> list[View]:
    """Return the views whose sight a false alarm was: those that are alarmed, else the ``accuser``, else all."""
    alarmed = [view for view in views if view.is_alarmed or view.verdict in ALARMED]
    return alarmed or [view for view in views if view.name == accuser] or list(views)


def nobody_sees(views: Sequence[View]) -> bool:
    """Return whether every camera is blind."""
    return all(view.memory.blind for view in views)


def why_blind(views: Sequence[View]) -> str:
    """Return which cameras are blind and why, in a sentence; empty when all see."""
    blind = [view for view in views if view.memory.blind]
    if not blind:
        return ""
    causes = list(dict.fromkeys(view.memory.trouble for view in blind))
    if len(blind) == len(views):
        return causes[0] if len(causes) == 1 else joined(view.said(view.memory.trouble) for view in blind)
    each = joined(view.said(view.memory.trouble) for view in blind)
    if len(blind) == 1:
        return say("1 of %(all)d cameras sees nothing: %(why)s", all=len(views), why=each)
    return say("%(blind)d of %(all)d cameras see nothing: %(why)s", blind=len(blind), all=len(views), why=each)


def why_unseen(views: Sequence[View]) -> str:
    """Return why the last pictures of all cameras are missing, or an empty string when one of them came."""
    troubles = [view.memory.trouble for view in views]
    return troubles[0] if all(troubles) else ""


def _alarm(now: float) -> Callable[[View], tuple[bool, float]]:
    def strength(view: View) -> tuple[bool, float]:
        evidence, _, failing_at = view.evidence(now)
        return view.verdict is Verdict.FAILING, evidence / failing_at

    return strength

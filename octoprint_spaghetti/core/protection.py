"""Who looks at the next picture, the server or this computer, and what is said about it: down at once, up without flapping.

A fold, like the judge: each picture's fate goes in, the next :class:`Footing` comes out. No clock and no detector in here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import ProtectionLevel

#: One picture that the server loses is looked at here and changes no level: a packet was lost, a server restarted.
FALL_AFTER = 2
#: A server that was away is trusted again after so many answers in a row, the first and the last at least so far apart:
#: one picture every five seconds needs the first rule, two a second the second.
CLIMB_AFTER, CLIMB_AFTER_S = 3, 10.0
#: A server that is away is asked again after the first of these, doubling up to the longest: a Triton restarts within 10 s,
#: and one that hangs costs a picture half its time at every try.
FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S = 10.0, 120.0
#: A server that fell again sooner than this after its return is asked less and less often.
STEADY_S = 300.0


@dataclass(frozen=True)
class Footing:
    """What the protection stands on.

    ``level`` since ``since`` (monotonic seconds) and ``why`` it is not the best (empty when it is); ``failures`` and
    ``answers`` of the server in a row, ``answering_since`` the first of those answers; at ``retry_at`` the server is asked
    again, and after ``back_off_s`` once more.
    """

    level: ProtectionLevel
    since: float
    why: str = ""
    failures: int = 0
    answers: int = 0
    answering_since: float = 0.0
    retry_at: float = 0.0
    back_off_s: float = FIRST_BACK_OFF_S


def begin(now: float) -> Footing:
    """Return the footing of a watch that begins: the server is asked, and nothing is claimed before somebody has looked."""
    return Footing(ProtectionLevel.UNPROTECTED, now, say("No picture has been looked at yet."))


def asks_server_first(footing: Footing, now: float) -> bool:
    """Return whether the server gets the next picture first; otherwise this computer does."""
    return footing.level is not ProtectionLevel.LOCAL or now >= footing.retry_at


def server_answered(footing: Footing, now: float) -> Footing:
    """Return the footing after the server looked: a server that was away climbs back once it has answered for a while."""
    answers = footing.answers + 1
    answering_since = footing.answering_since if footing.answers else now
    reliable = answers >= CLIMB_AFTER and now - answering_since >= CLIMB_AFTER_S
    answered = replace(footing, failures=0, answers=answers, answering_since=answering_since, retry_at=now)
    if footing.level is ProtectionLevel.REMOTE:
        steady = now - footing.since >= STEADY_S
        return replace(answered, why="", back_off_s=FIRST_BACK_OFF_S if steady else footing.back_off_s)
    if footing.level is ProtectionLevel.UNPROTECTED or reliable:
        return replace(answered, level=ProtectionLevel.REMOTE, since=now, why="")
    return answered


def server_failed(footing: Footing, why: str, now: float) -> Footing:
    """Return the footing after the server did not look; ``why`` is its sentence. What happens next says who did."""
    failed = replace(footing, failures=footing.failures + 1, answers=0, why=why)
    return failed if footing.level is ProtectionLevel.REMOTE else _backed_off(failed, now)


def looked_here(footing: Footing, now: float) -> Footing:
    """Return the footing after this computer looked: it is the level once the server has failed often enough."""
    if footing.level is ProtectionLevel.LOCAL or (footing.level is ProtectionLevel.REMOTE and footing.failures < FALL_AFTER):
        return footing
    return replace(_backed_off(footing, now), level=ProtectionLevel.LOCAL, since=now)


def nobody_looked(footing: Footing, why: str, now: float) -> Footing:
    """Return the footing after neither looked: unprotected, and both are asked for every picture from now on."""
    since = footing.since if footing.level is ProtectionLevel.UNPROTECTED else now
    return replace(footing, level=ProtectionLevel.UNPROTECTED, since=since, why=why)


def _backed_off(footing: Footing, now: float) -> Footing:
    back_off_s = min(2.0 * footing.back_off_s, LONGEST_BACK_OFF_S)
    return replace(footing, retry_at=now + footing.back_off_s, back_off_s=back_off_s)

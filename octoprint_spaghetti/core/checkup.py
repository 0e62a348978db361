"""The questions people ask most often when something is wrong, each answered from what is known of this installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core.sentence import Sentence, joined, say
from octoprint_spaghetti.core.settings import Settings

#: Below this much room on the disk evidence will soon be lost, in bytes.
_LITTLE_ROOM = 200_000_000
#: An answer that takes longer than this share of the interval leaves no time for the next, in a busy moment.
_SLOW_SHARE = 0.5
#: A print was seen well of which at least this share was, or all but so many seconds; a picture that the camera lost is nothing to warn
#: of. How long a gap was that the print ended in is not recorded.
_SEEN_SHARE, _UNSEEN_S = 0.98, 30.0


@dataclass(frozen=True)
class Facts:
    """What is known: settings; the report of the Test button and the watch's status as they are for a browser (None: not run);
    the newest incident's ``state.json``; how a recent print was seen; free bytes and whether the data folder can be written;
    versions by name; what is remarked about the computer; how the channels do; what of the chosen action cannot be done here.
    """

    settings: Settings
    test: Mapping[str, Any] | None = None
    status: Mapping[str, Any] | None = None
    incident: Mapping[str, Any] | None = None
    last_print: Mapping[str, Any] | None = None
    free_bytes: int | None = None
    writable: bool = True
    versions: Mapping[str, str] | None = None
    channels: Mapping[str, Any] | None = None
    remarks: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A question, its answer in a sentence, and whether all is well there (None: cannot be told)."""

    question: str
    answer: str
    well: bool | None

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"question": self.question, "answer": self.answer, "well": self.well}


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Return an answer to each question."""
    return tuple(Finding(question, *answer(facts)) for question, answer in _QUESTIONS)


_Answer = tuple[str, "bool | None"]


def _watching(facts: Facts) -> _Answer:
    settings = facts.settings
    if not settings.enabled:
        return say("No: watching is switched off in the settings."), False
    if settings.shadow:
        return say("Yes, in shadow mode: everything is recorded and nothing is done."), None
    return say("Yes; on a sustained failure: %(action)s.", action=Sentence(settings.action)), True


_LEVELS = {"remote": say("an inference server"), "local": say("this computer"), "unprotected": say("nobody")}


def _who(facts: Facts) -> _Answer:
    status = facts.status or {}
    protection = status.get("protection") or {}
    chosen = say("an inference server") if facts.settings.detector == "server" else say("this computer")
    if not status or status.get("verdict") == "off":
        return say("By choice %(chosen)s; no print is running.", chosen=chosen), None
    level = str(protection.get("level"))
    now = say("Just now: %(who)s.", who=_LEVELS.get(level, level))
    return joined((now, protection.get("reason") or "")), level != "unprotected"


def _step(name: str) -> Callable[[Facts], _Answer]:
    def answer(facts: Facts) -> _Answer:
        if facts.test is None:
            return say("Not tried."), None
        for step in facts.test.get("steps", ()):
            if step["name"] == name:
                return (step["problem"], False) if step["problem"] else (say("Yes, in %(ms).0f ms.", ms=step["ms"]), True)
        return say("Not reached: a step before it failed."), False

    return answer


def _in_time(facts: Facts) -> _Answer:
    timings = (facts.status or {}).get("timings_ms") or {}
    if not timings:
        return say("No picture was looked at since the start."), None
    seconds, interval = sum(timings.values()) / 1e3, facts.settings.interval
    said = say(
        "A picture took %(seconds).1f s from the camera to the answer, and one is wanted every %(interval)g s.",
        seconds=seconds,
        interval=interval,
    )
    return said, seconds <= _SLOW_SHARE * interval


def _last_incident(facts: Facts) -> _Answer:
    if facts.incident is None:
        return say("There was none."), None
    states = ", ".join(str(state.get("state")) for state in facts.incident.get("states", ()))
    return f"{facts.incident.get('id')}: {facts.incident.get('explanation')} ({states})", None


def _last_print(facts: Facts) -> _Answer:
    last = facts.last_print
    if last is None:
        return say("There is no record of one."), None
    said = say(
        "%(frames)d pictures, %(lost)d gaps without an answer, highest score %(highest).2f.",
        frames=last["frames"],
        lost=last["lost"],
        highest=last["highest_score"],
    )
    brief = last["share"] >= _SEEN_SHARE or last["unseen_s"] <= _UNSEEN_S
    return joined((said, last["coverage"] if last["lost"] else "")), brief and not last["ends_blind"]


def _room(facts: Facts) -> _Answer:
    if not facts.writable:
        return say("The data folder cannot be written; check its rights, and that the card is not worn out."), False
    if facts.free_bytes is None:
        return say("Not known."), None
    return say("%(gigabytes).1f GB are free.", gigabytes=facts.free_bytes / 1e9), facts.free_bytes >= _LITTLE_ROOM


def _messages(facts: Facts) -> _Answer:
    if facts.channels is None:
        return say("Not known."), None
    channels = facts.channels.get("channels", ())
    broken = [joined((channel["shown"], channel["problem"]), ": ") for channel in channels if channel.get("problem")]
    mqtt = (facts.channels.get("mqtt") or {}).get("problem")
    if mqtt:
        broken.append(joined(("MQTT", mqtt), ": "))
    if broken:
        return joined((say("No."), *broken)), False
    if not channels:
        return say("No channel is set up."), None
    return say("%(channels)d channels, none of which failed.", channels=len(channels)), True


def _action(facts: Facts) -> _Answer:
    if facts.status is None:
        return say("Not known."), None  # only the running plugin knows the printer
    return (joined(facts.undone), False) if facts.undone else (say("Yes."), True)


def _computer(facts: Facts) -> _Answer:
    if facts.status is None:
        return say("Not known."), None  # only the running plugin looks at it
    return (joined(facts.remarks), False) if facts.remarks else (say("Yes."), True)


def _versions(facts: Facts) -> _Answer:
    return "; ".join(f"{name} {version}" for name, version in (facts.versions or {}).items()) or say("Not known."), None


_QUESTIONS: tuple[tuple[str, Callable[[Facts], _Answer]], ...] = (
    (say("Is my print watched?"), _watching),
    (say("Who looks at the pictures?"), _who),
    (say("Does the camera deliver?"), _step("camera")),
    (say("Does the server answer, and take our token?"), _step("connect")),
    (say("Does the model see the picture?"), _step("look")),
    (say("Is it fast enough?"), _in_time),
    (say("Why was my print paused?"), _last_incident),
    (say("Was the last print seen from beginning to end?"), _last_print),
    (say("Is there room for evidence?"), _room),
    (say("Can everything be done that a failure asks for?"), _action),
    (say("Do messages reach me?"), _messages),
    (say("Is this computer well?"), _computer),
    (say("Which versions are these?"), _versions),
)

"""What people, pages and configuration files give as settings, and what comes with the bodies of the API."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from octoprint_spaghetti.core.camera_address import camera_address
from octoprint_spaghetti.core.environment import overrides, variable
from octoprint_spaghetti.core.errors import CameraMissing, SettingRefused
from octoprint_spaghetti.core.patience import Patience, check_number, names
from octoprint_spaghetti.core.quiet_hours import QuietHours
from octoprint_spaghetti.core.settings import SECRETS, Settings, accept, check
from octoprint_spaghetti.orders import Orders
from octoprint_spaghetti.testing import FakePrinter
from tests.fuzz.campaign import Target
from tests.fuzz.inputs import ENDLESS, NUMBERS, anything, damaged

_NAMES = [field.name for field in dataclasses.fields(Settings)]
#: A shorter text may stand in any sentence.
_LEAST_SECRET = 8
_CORNERS = st.lists(NUMBERS | st.floats(0.0, 1.0), min_size=1, max_size=3)
_LIKELY = (
    st.just("127.0.0.1:8001")
    | st.text("0123456789.:[]abc-_ \u0661", max_size=30)
    | st.text("http:/@?#%[]0123456789ab.\u2100 ", max_size=40)
    | st.lists(st.lists(_CORNERS, max_size=5), max_size=4)
    | st.dictionaries(st.sampled_from(names()), NUMBERS, max_size=4)
    | st.lists(st.tuples(st.sampled_from(names()), NUMBERS), max_size=4)
)
_VALUES = _LIKELY | NUMBERS | NUMBERS.map(str) | anything(_NAMES)
FORMS = st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=8), _VALUES, max_size=8)


def stored(content: dict[str, Any]) -> None:
    """Whatever is stored, the settings are valid, and everything that is made of them can be made."""
    settings, _ = Settings.read(content)
    for name in _NAMES:
        assert check(name, getattr(settings, name)) == getattr(settings, name)
    assert isinstance(settings.patience(), Patience)
    settings.pace()
    QuietHours.parse(settings.quiet_hours)
    if settings.camera_url:
        with suppress(CameraMissing):
            camera_address(settings.camera_url, "http", "https")
        camera_address(settings.camera_url, "http", "https", "rtsp")


def body(content: dict[str, Any]) -> None:
    """What a form or an imported file gives is stored as plain JSON, or refused; a secret stands in no refusal."""
    accepted, refused = accept(content)
    assert Settings.read(json.loads(json.dumps(accepted, allow_nan=False)))[1] == ()
    for problem in refused:
        secret = content[problem.name] if problem.name in SECRETS else None
        assert str(problem)
        assert not isinstance(secret, str) or len(secret) < _LEAST_SECRET or secret not in str(problem)


def number(given: tuple[str, Any]) -> None:
    """A number of the judge is in its range, or refused."""
    with suppress(SettingRefused):
        checked = check_number(*given)
        assert check_number(given[0], checked) == checked


def environment(texts: dict[str, str]) -> None:
    """Variables give settings that are valid, or are refused."""
    given, _ = overrides({variable(name): text for name, text in texts.items()})
    assert Settings.read(given)[1] == ()


class _Watcher:
    """Hears no order: none of the words that fuzzing makes is one."""


def order(payload: bytes) -> None:
    """A message on the command topic that is no order moves no printer."""
    word = payload.decode("utf-8", "replace").strip()
    printer = FakePrinter("PRINTING")
    watcher: Any = _Watcher()
    known = ("pause", "resume", "false_alarm", "mute", "unmute")
    watcher.false_alarm = watcher.mute = None
    if word not in known:
        Orders(printer, watcher, logger=None).obey(word)  # type: ignore[arg-type]
    assert printer.pauses == printer.resumes == 0


_TEXTS = st.text(max_size=30) | anything().map(lambda content: json.dumps(content)[:2000]) | st.just(ENDLESS)
TARGETS = (
    Target("stored settings", FORMS, stored),
    Target("bodies of forms and imports", FORMS, body),
    Target("numbers of the judge", st.tuples(st.sampled_from(names()) | st.text(max_size=5), _VALUES), number, 2.0),
    Target("the environment", st.dictionaries(st.sampled_from(_NAMES), _TEXTS, max_size=4), environment, 0.5),
    Target("orders", damaged([b"pause", b"resume"]), order, 2.0),
)

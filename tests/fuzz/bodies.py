"""What is sent to the routes of a running OctoPrint: bodies, names and queries that are damaged, made up, or of another kind."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from hypothesis import strategies as st

from demo.octoprint_server import OctoPrintServer, free_port
from octoprint_spaghetti.core.settings import Settings
from tests.e2e.evidence import keep_incident
from tests.fuzz.campaign import Target, Unavailable
from tests.fuzz.forms import FORMS
from tests.fuzz.inputs import ENDLESS, anything, damaged

_ROOT = Path(__file__).parents[2]
_PLUGIN = "/plugin/spaghetti"
_INCIDENT = "20300102T030405Z-678"
#: Nobody listens there, and nothing leaves this computer.
_NOBODY = "127.0.0.1:9"
#: A request takes milliseconds; one that tries a server that is not there, its deadline.
_PATIENCE_S = 15.0
#: Settings that would have OctoPrint call somebody; a text there is replaced by one that leads nowhere.
_CALLING: dict[str, Any] = {"mqtt_host": "", "camera_url": f"http://{_NOBODY}/", "servers": [_NOBODY], "detector": "server"}


@dataclass(frozen=True)
class Request:
    """One request: ``path`` below OctoPrint's address, ``body`` as it is sent, ``kind`` its content type."""

    method: str
    path: str
    body: bytes
    kind: str


def _harmless(form: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with nobody to be called: what is valid there leads nowhere, what is not stays."""
    return {
        name: _CALLING[name] if name in _CALLING and isinstance(value, (str, list)) else value for name, value in form.items()
    }


_HARMLESS = FORMS.map(_harmless)
_NAMES = st.text(max_size=20) | st.sampled_from([_INCIDENT, "..", "../../config.yaml", ".", "%2e%2e%2f", "\0", "a" * 300])
_BYTES = (
    anything(("on", "label", "address", "settings", "plugins", "spaghetti", "id")).map(
        lambda content: json.dumps(content).encode()
    )
    | damaged([b'{"on": true}', b'{"label": "right"}', b'{"settings": {"interval": 5.0}}', b'{"address": "json://127.0.0.1:9"}'])
    | st.just(ENDLESS.encode())
    | st.integers(50, 990).map(lambda depth: b'{"settings": {"zones": %s%s}}' % (b"[" * depth, b"]" * depth))
    | st.binary(max_size=40)
)


def _bodies(route: str) -> st.SearchStrategy[bytes]:
    if route == f"{_PLUGIN}/settings":
        return _BYTES | _HARMLESS.map(lambda form: json.dumps({"settings": form}).encode())
    if route == f"{_PLUGIN}/test":
        return _HARMLESS.map(lambda form: json.dumps({"deadline": 0.5, **form}).encode())
    if route == "/api/settings":
        return _HARMLESS.map(lambda form: json.dumps({"plugins": {"spaghetti": form}}).encode())
    return _BYTES


#: Each with how often it is taken; a try of the chain takes its deadline. Left out: what sends messages, drills and bundles.
_POSTED = (
    *("mute", "false_alarm", "settings", "channels", f"incidents/{_INCIDENT}/label", f"incidents/{_INCIDENT}/ignore") * 5,
    "test",
)
_KINDS = st.sampled_from(
    ("application/json",) * 6 + ("text/plain", "application/x-www-form-urlencoded", "", "application/json; x")
)


@st.composite
def _requests(draw: st.DrawFn) -> Request:
    way = draw(st.sampled_from(("posted", "posted", "posted", "saved", "named")))
    if way == "named":
        name = quote(draw(_NAMES), safe="")
        method, path = draw(
            st.sampled_from(
                (
                    ("GET", f"{_PLUGIN}/prints/{name}/what_if?sensitivity={quote(draw(st.text(max_size=8)))}"),
                    ("GET", f"{_PLUGIN}/incidents/{_INCIDENT}/{name}"),
                    ("GET", f"{_PLUGIN}/incidents/{name}.zip"),
                    ("POST", f"{_PLUGIN}/incidents/{name}x/label"),
                    ("DELETE", f"{_PLUGIN}/incidents/{name}x"),
                    ("DELETE", f"{_PLUGIN}/channels/{name}"),
                )
            )
        )
        return Request(method, path, draw(_BYTES), "application/json")
    path = "/api/settings" if way == "saved" else f"{_PLUGIN}/{draw(st.sampled_from(_POSTED))}"
    return Request("POST", path, draw(_bodies(path)), "application/json" if way == "saved" else draw(_KINDS))


class Routes:
    """The routes of one running OctoPrint."""

    def __init__(self, octoprint: OctoPrintServer) -> None:
        self._octoprint = octoprint
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-Api-Key"] = octoprint.login.api_key

    def feed(self, request: Request) -> None:
        """Whatever is sent is answered, never by a failure; what is refused has changed nothing; what is stored is valid."""
        before = self._state()
        answer = self._session.request(
            request.method,
            f"{self._octoprint.url}{request.path}",
            data=request.body,
            headers={"Content-Type": request.kind},
            timeout=_PATIENCE_S,
            allow_redirects=False,
        )
        assert answer.status_code < 500, f"{answer.status_code}: {answer.text[:300]}"
        after = self._state()
        if not answer.ok:
            assert after == before
        assert Settings.read(after["settings"])[1] == ()
        assert after["printer"] == "Operational"

    def _state(self) -> dict[str, Any]:
        """Return what a body could change: settings, channels (without their times), evidence, the printer."""
        asked = {name: self._get(f"{_PLUGIN}/{name}") for name in ("settings", "incidents", "channels")}
        return {
            "settings": asked["settings"]["settings"],
            "incidents": asked["incidents"],
            "channels": [channel["shown"] for channel in asked["channels"]["channels"]],
            "printer": self._get("/api/job")["state"],
        }

    def _get(self, path: str) -> Any:
        answer = self._session.get(f"{self._octoprint.url}{path}", timeout=_PATIENCE_S)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def _live() -> Iterator[Callable[[Request], None]]:
    """Start an OctoPrint and yield what feeds its routes; raises :class:`Unavailable` where none is installed."""
    python = next(iter(sorted((_ROOT / ".venv").glob("octoprint-*/bin/python"))), None)
    if python is None:
        raise Unavailable("no OctoPrint in .venv; run scripts/test")
    settings = {"servers": [_NOBODY], "deadline": 0.5, "fallback": False, "drill_every": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "octoprint"
        with OctoPrintServer(python, base, f"http://{_NOBODY}", {"spaghetti": settings}, port=free_port()) as octoprint:
            keep_incident(octoprint, "cup.gcode", pictures=1, incident_id=_INCIDENT)
            yield Routes(octoprint).feed


TARGETS = (Target("routes of a running OctoPrint", _requests(), live=_live, weight=0.25),)

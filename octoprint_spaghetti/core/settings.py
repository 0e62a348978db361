"""Every setting once: its name, default, unit, range and one sentence. The settings page and the README read it from here.

``Settings`` is what the watcher works with and is always valid; ``check`` judges one value a user typed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from octoprint_spaghetti.core import quiet_hours as hours
from octoprint_spaghetti.core.budget import Pace
from octoprint_spaghetti.core.camera_address import camera_address
from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.further_cameras import FurtherCamera, FurtherCameras, distinct
from octoprint_spaghetti.core.kinds import (
    Addresses,
    Channels,
    Choice,
    Kind,
    Number,
    Shaped,
    Switch,
    Text,
    Url,
    Zones,
    setting,
    shown,
)
from octoprint_spaghetti.core.patience import LEAST_SENSITIVE, MOST_SENSITIVE, USUAL, Numbers, Patience, describe_number
from octoprint_spaghetti.core.pause_script import Wishes
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.zones import Zone


@dataclass(frozen=True)
class Settings:
    """All settings, valid. Durations are seconds, levels are shares of 1."""

    enabled: bool = setting(True, Switch(), "Watch prints. Off: nothing is looked at.")
    detector: str = setting(
        "server",
        Choice(("server", "local")),
        "Who looks at the pictures: an inference server, or this computer (needs the extra [edge]).",
    )
    servers: tuple[str, ...] = setting(
        ("127.0.0.1:8001",), Addresses(), "Inference servers as host:port; the first is used, the next while it fails."
    )
    transport: str = setting(
        "stream",
        Choice(("stream", "unary")),
        "One lasting stream per print, or one call per picture (for proxies that cut streams).",
    )
    tls: bool = setting(False, Switch(), "Encrypt the connection and verify the server's certificate.")
    certificate: str = setting(
        "", Text(1000), "Path of a CA certificate (PEM) to verify the server with; empty: the system's own."
    )
    token: str = setting(
        "", Text(500, ascii=True), "Bearer token of this printer, never shown again. Without TLS it travels readable."
    )
    model: str = setting("spaghetti", Text(100), "Name of the model on the server.")
    deadline: float = setting(5.0, Number(0.5, 30.0, "s"), "A picture that has no answer after this time is given up.")
    camera_source: str = setting(
        "octoprint",
        Choice(("octoprint", "snapshot", "mjpeg", "rtsp")),
        "Where pictures come from: a webcam that OctoPrint knows, an address that answers one JPEG, an MJPEG stream, or RTSP.",
    )
    camera: str = setting("", Text(200), "Name of the OctoPrint webcam; empty: the one OctoPrint takes snapshots with.")
    camera_url: str = setting(
        "",
        Url(1000),
        "The camera's address, such as http://192.0.2.9/snapshot.jpg or rtsp://192.0.2.9/live; name:password@ before the host.",
    )
    camera_certificate: str = setting(
        "", Text(1000), "Path of a CA certificate (PEM) to verify an https camera with; empty: the system's own."
    )
    also_watched: tuple[FurtherCamera, ...] = setting(
        (),
        FurtherCameras(),
        "Up to three more cameras on the same print; a failure that any of them sees counts. Each costs as much as the first.",
    )
    interval: float = setting(5.0, Number(0.5, 60.0, "s"), "Time between two pictures of a calm print.")
    suspect_interval: float = setting(2.0, Number(0.5, 10.0, "s"), "Time between two pictures while a failure is suspected.")
    first_layers_interval: float = setting(2.5, Number(0.5, 60.0, "s"), "Time between two pictures of the first layers.")
    second_look: bool = setting(
        True, Switch(), "Look again, enlarged, at what is suspected, where the camera's picture has the pixels for it."
    )
    sensitivity: float = setting(
        USUAL,
        Number(LEAST_SENSITIVE, MOST_SENSITIVE, ""),
        "1 pauses for the clearest failures only, 9 for the faintest; each step moves the levels of the decision.",
    )
    warm_up: float = setting(Patience.warm_up, *describe_number("warm_up"))
    zones: tuple[Zone, ...] = setting((), Zones(), "Parts of the picture that do not count, such as a logo on the bed.")
    policy: str = setting("spaghetti", Choice(("spaghetti", "obico")), "Whose rule decides: ours, or Obico's.")
    shadow: bool = setting(False, Switch(), "Only record what each rule would have done, and do nothing about a print.")
    numbers: tuple[tuple[str, Any], ...] = setting(
        (), Numbers(), "Numbers of the judge that differ from where the sensitivity puts them."
    )
    action: str = setting(
        "pause", Choice(("pause", "cancel", "notify")), "What a sustained failure does: pause the print, cancel it, or only tell."
    )
    pause_hotends_off: bool = setting(
        False,
        Switch(),
        "Switch the hotends off in a pause of this plugin; a resume heats them first, and waits until they are hot.",
    )
    pause_bed_off: bool = setting(
        False,
        Switch(),
        "Switch the bed off too; a resume heats it first. Parts come loose from a bed that cools, and the print may be lost.",
    )
    pause_retract: float = setting(
        0.0,
        Number(0.0, 50.0, "mm"),
        "Draw the filament back so far in a pause, and push it forward on resume; 0: not, for a pause script may do it already.",
    )
    pause_lift: float = setting(
        0.0,
        Number(0.0, 50.0, "mm"),
        "Lift the nozzle so far in a pause, and lower it on resume; 0: not, for a pause script may park it already.",
    )
    power_off: bool = setting(
        False,
        Switch(),
        "Switch the printer's power off (through the plugin PSU Control) after a cancel, or after a pause with the hotends off, "
        "once they are below 50 °C. A paused print is lost by it.",
    )
    fallback: bool = setting(
        True,
        Switch(),
        "Let this computer look when no server does (needs the extra [edge], which exists for 64-bit systems).",
    )
    local_share: float = setting(
        25.0, Number(5.0, 100.0, "% of a core"), "What the detector on this computer may take of one processor core."
    )
    local_model: str = setting("", Text(1000), "Path of an ONNX model for the local detector; empty: the one shipped.")
    incidents_kept: int = setting(50, Number(1, 1000, "incidents"), "Older incidents are deleted beyond this number.")
    traces_kept: int = setting(
        100, Number(1, 1000, "prints"), "Older records of prints, half a MB a day each, are deleted beyond it."
    )
    drill_every: float = setting(
        7.0, Number(0.0, 365.0, "days"), "A fire drill of its own accord, when no print runs; 0: only when the button is pressed."
    )
    verbose: bool = setting(False, Switch(), "Write every step of the watch into OctoPrint's log, to find out what is wrong.")
    channels: tuple[str, ...] = setting(
        (), Channels(), "Where messages go, as Apprise addresses such as discord://..., or file:/path to one; never shown again."
    )
    quiet_hours: str = setting(
        "",
        Shaped(20, pattern=hours.TYPED, must=say("a time span such as 22:00-07:00")),
        "Messages wait until they are over; only a print that goes on failing rings.",
    )
    summaries: bool = setting(False, Switch(), "Send a message at the end of each print: how much of it was seen.")
    link_base: str = setting(
        "",
        Shaped(200, pattern=r"https?://[^\s@?#]+", must=say("an address such as http://octopi.local, without a password")),
        "Address of this OctoPrint as your phone reaches it; messages link to it.",
    )
    mqtt_host: str = setting(
        "",
        Shaped(
            253,
            pattern=r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*",
            must=say("a host name or an IP address"),
        ),
        "MQTT broker, such as the one of Home Assistant; empty: none.",
    )
    mqtt_port: int = setting(1883, Number(1, 65535, ""), "Port of the broker: 1883 as a rule, 8883 with TLS.")
    mqtt_tls: bool = setting(False, Switch(), "Encrypt the connection and verify the broker's certificate.")
    mqtt_certificate: str = setting(
        "", Text(1000), "Path of a CA certificate (PEM) to verify the broker with; empty: the system's own."
    )
    mqtt_user: str = setting("", Text(200), "User name at the broker; empty: none.")
    mqtt_password: str = setting(
        "", Text(500), "Password at the broker, or file:/path to it; never shown again. Without TLS it travels readable."
    )
    mqtt_topic: str = setting(
        "spaghetti",
        Shaped(100, pattern=r"[^+#\s/$][^+#\s]*[^+#\s/]|[^+#\s/$]", must=say("a topic such as home/printer1, without + and #")),
        "All topics begin with it; each printer needs one of its own.",
    )
    mqtt_discovery: bool = setting(True, Switch(), "Let Home Assistant find the printer's sensors and its picture by itself.")
    mqtt_commands: bool = setting(
        False, Switch(), "Take orders from the broker: pause, resume, false alarm, mute. Whoever may write there may give them."
    )
    mqtt_picture_interval: float = setting(
        30.0, Number(1.0, 3600.0, "s"), "Time between two pictures for the broker, at least; an incident sends one at once."
    )

    def patience(self) -> Patience:
        """Return the judge's numbers under these settings; a number that a person changed is as it was changed."""
        return self._patience

    @cached_property
    def _patience(self) -> Patience:  # asked for several times per frame, and three dataclasses of forty fields to make
        usual = Patience(warm_up=self.warm_up, zones=self.zones).at_sensitivity(self.sensitivity)
        return dataclasses.replace(usual, **dict(self.numbers))

    def wishes(self) -> Wishes:
        """Return what a pause is to do besides pausing."""
        return Wishes(self.pause_hotends_off, self.pause_bed_off, self.pause_retract, self.pause_lift)

    def cuts_power(self, action: str) -> bool:
        """Return whether the power goes off after this action: never while it leaves a hotend hot."""
        return self.power_off and (action == "cancel" or (action == "pause" and self.pause_hotends_off))

    def patiences(self) -> tuple[Patience, ...]:
        """Return the judge's numbers for each camera, the first one first: the same, each with its own zones."""
        patience = self.patience()
        return (patience, *(dataclasses.replace(patience, zones=further.zones) for further in self.also_watched))

    def patience_for(self, camera: str) -> Patience:
        """Return the judge's numbers for the camera of that name, as records have it: empty, or unknown by now, is the first."""
        return dict(zip(self.camera_names(), self.patiences())).get(camera, self.patience())

    def camera_keys(self) -> tuple[str, ...]:
        """Return by what each camera is told from the others as long as it is watched; the first, whichever it is, is empty."""
        return ("", *(further.camera for further in self.also_watched))

    def camera_names(self) -> tuple[str, ...]:
        """Return what the cameras are called, the first one first and each in its own way; one alone needs no name."""
        return self.known_cameras() if self.also_watched else ("",)

    def known_cameras(self) -> tuple[str, ...]:
        """Return the same with a name also for one alone, which had others beside it once, as incidents tell."""
        return distinct((self._first_camera(), *(further.name for further in self.also_watched)))

    def _first_camera(self) -> str:
        if self.camera_source == "octoprint":
            return self.camera or say("first camera")
        return camera_address(self.camera_url, "http", "https", "rtsp").host if self.camera_url else say("first camera")

    def pace(self) -> Pace:
        """Return how often a print is looked at."""
        return Pace(self.interval, self.first_layers_interval, self.suspect_interval)

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the defaults as plain JSON types, as OctoPrint stores them."""
        return {field.name: _plain(field.metadata["kind"], field.default) for field in dataclasses.fields(cls)}

    @classmethod
    def read(cls, stored: Mapping[str, object]) -> tuple[Settings, tuple[SettingRefused, ...]]:
        """Build settings from stored values; a value that is refused falls back to its default and is reported.

        Unknown names are ignored: a newer version may have written them.
        """
        values: dict[str, Any] = {}
        refused = []
        for field in dataclasses.fields(cls):
            if field.name in stored:
                try:
                    values[field.name] = check(field.name, stored[field.name])
                except SettingRefused as error:
                    refused.append(error)
        return cls(**values), tuple(refused)


#: Settings that only ever go in: no browser, page, log or status gets them back, and an empty one means "keep the stored one".
SECRETS = frozenset({"token", "channels", "mqtt_password"})

#: What decides who gets a stored secret, and who may read it on the way.
_WAYS = {
    "token": ("servers", "tls", "certificate"),
    "mqtt_password": ("mqtt_host", "mqtt_port", "mqtt_tls", "mqtt_certificate"),
}

_FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


def check(name: str, value: object) -> Any:
    """Return the value as its setting's type, or raise :class:`SettingRefused` with a sentence that says what it must be."""
    if name not in _FIELDS:
        raise SettingRefused(name, say("there is no setting named %(given)s", given=shown(name)))
    field = _FIELDS[name]
    checked = field.metadata["kind"].check(name, value)
    return type(field.default)(checked) if isinstance(field.default, (int, float)) else checked


def accept(changes: Mapping[str, object]) -> tuple[dict[str, Any], tuple[SettingRefused, ...]]:
    """Sort changes from a form into those to store, as plain JSON types, and those that are refused.

    An empty secret means "keep the stored one": a form never learns it. Unknown names are dropped.
    """
    accepted: dict[str, Any] = {}
    refused = []
    for name, value in changes.items():
        if name not in _FIELDS or (name in SECRETS and not value):
            continue
        try:
            accepted[name] = plain(name, check(name, value))
        except SettingRefused as error:
            refused.append(error)
    return accepted, tuple(refused)


def keep_ways(changes: Mapping[str, object], now: Settings) -> tuple[dict[str, object], tuple[SettingRefused, ...]]:
    """Sort changes from a file into those to take over, and those that would send a stored secret elsewhere, or unencrypted.

    People pass such files on: whoever wrote this one may not learn the token or the password of whoever takes it over.
    """
    guarded = {name for secret, names in _WAYS.items() if getattr(now, secret) for name in names}
    detours = [name for name in changes if name in guarded and changes[name] != plain(name, getattr(now, name))]
    sentence = say("it decides where your stored token or password goes; change it by hand if you trust this file")
    return {name: value for name, value in changes.items() if name not in detours}, tuple(
        SettingRefused(name, sentence) for name in detours
    )


def with_zone(settings: Settings, camera: str, corners: object) -> tuple[dict[str, Any], list[Any]]:
    """Return what to store, so that a ``camera`` ignores one more zone, and all zones that it ignores then, as plain JSON types.

    ``camera`` is a name as incidents have it. Raises :class:`SettingRefused` when the camera is gone, or has too many zones.
    """
    names = settings.known_cameras()
    if camera and camera not in names:
        raise SettingRefused("also_watched", say("The camera %(camera)s is not watched any more.", camera=camera))
    place = names.index(camera) if camera else 0
    old = settings.zones if place == 0 else settings.also_watched[place - 1].zones
    (new,) = check("zones", [corners])
    zones = check("zones", old if new in old else (*old, new))
    if place == 0:
        return {"zones": plain("zones", zones)}, plain("zones", zones)
    further = list(settings.also_watched)
    further[place - 1] = dataclasses.replace(further[place - 1], zones=zones)
    return {"also_watched": plain("also_watched", tuple(further))}, plain("zones", zones)


def describe(name: str) -> tuple[Kind, str]:
    """Return the kind (range, unit, words) and the sentence of a setting; raises :class:`KeyError`."""
    metadata = _FIELDS[name].metadata
    return metadata["kind"], metadata["sentence"]


def plain(name: str, value: Any) -> Any:
    """Return a checked value of a setting as plain JSON types, as OctoPrint stores it."""
    return _plain(_FIELDS[name].metadata["kind"], value)


def _plain(kind: Any, value: Any) -> Any:
    """Return a value as plain JSON types; most are, or are tuples of such."""
    if hasattr(kind, "plain"):
        return kind.plain(value)
    return list(value) if isinstance(value, tuple) else value

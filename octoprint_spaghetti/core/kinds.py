"""The kinds a setting can be of: what it accepts, and the sentence with which it refuses."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.redaction import HIDDEN
from octoprint_spaghetti.core.sentence import Sentence, joined, say
from octoprint_spaghetti.core.zones import Zone

#: Host names, IPv4, bracketed IPv6, and a port: what gRPC accepts as a target and what cannot smuggle anything else in.
_ADDRESS = re.compile(r"^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?):(\d{1,5})$")
_CAMERA_SCHEMES = frozenset({"http", "https", "rtsp"})
#: Enough for a primary, its twin and a spare; each costs a share of the frame's deadline when all are down.
MOST_SERVERS = 4
#: A channel as Apprise writes it, or a file that holds one: ``file:`` and a path. No blanks, so no second one in one line.
_CHANNEL = re.compile(r"file:\S.*|[A-Za-z][A-Za-z0-9+.-]*://\S+")
#: All are tried at once, each on a thread of one short-lived process.
MOST_CHANNELS, LONGEST_CHANNEL = 10, 2000
#: Nobody draws more by hand; each is computed for each box of each frame.
MOST_ZONES, MOST_CORNERS = 20, 50


class Kind(Protocol):
    """Something a setting can be."""

    def check(self, name: str, value: object) -> Any:
        """Return the value as the setting holds it; raise :class:`SettingRefused` with what it must be."""


@dataclass(frozen=True)
class Number:
    """A setting that is a number: ``low`` to ``high`` in ``unit``."""

    low: float
    high: float
    unit: str

    def check(self, name: str, value: object) -> float:
        """Return ``value`` as a float in range; raise :class:`SettingRefused`."""
        high = joined((f"{self.high:g}", Sentence(self.unit)))
        problem = say("%(name)s must be a number from %(low)g to %(high)s", name=name, low=self.low, high=high)
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise SettingRefused(name, problem)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise SettingRefused(name, say("%(problem)s, not %(given)s", problem=problem, given=shown(value))) from None
        if not math.isfinite(number) or not self.low <= number <= self.high:
            raise SettingRefused(name, say("%(problem)s, not %(given)s", problem=problem, given=shown(value)))
        return number


@dataclass(frozen=True)
class Choice:
    """A setting that is one of a few words."""

    words: tuple[str, ...]

    def check(self, name: str, value: object) -> str:
        """Return ``value`` when it is one of the words; raise :class:`SettingRefused`."""
        if not isinstance(value, str) or value not in self.words:
            raise SettingRefused(
                name,
                say(
                    "%(name)s must be one of %(words)s, not %(given)s", name=name, words=", ".join(self.words), given=shown(value)
                ),
            )
        return value


@dataclass(frozen=True)
class Switch:
    """A setting that is on or off."""

    def check(self, name: str, value: object) -> bool:
        """Return ``value`` when it is a bool; raise :class:`SettingRefused`."""
        if not isinstance(value, bool):
            raise SettingRefused(name, say("%(name)s must be on or off, not %(given)s", name=name, given=shown(value)))
        return value


@dataclass(frozen=True)
class Text:
    """A setting that is one line of text of at most ``longest`` characters, of ASCII alone where it goes into a header."""

    longest: int
    ascii: bool = False

    def check(self, name: str, value: object) -> str:
        """Return ``value`` without surrounding blanks; raise :class:`SettingRefused`."""
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > self.longest or not value.isprintable():
            raise SettingRefused(
                name, say("%(name)s must be one line of at most %(longest)d characters", name=name, longest=self.longest)
            )
        if self.ascii and not value.isascii():
            raise SettingRefused(
                name, say("%(name)s must hold plain letters, digits and signs; was it copied with typographic quotes?", name=name)
            )
        return value.strip()


@dataclass(frozen=True)
class Shaped(Text):
    """A setting that is a line of a certain shape, or empty; ``must`` says which, as in "must be ..."."""

    pattern: str = ""
    must: str = ""

    def check(self, name: str, value: object) -> str:
        """Return ``value`` without surrounding blanks; raise :class:`SettingRefused`."""
        text = super().check(name, value)
        if text and not re.fullmatch(self.pattern, text):
            raise SettingRefused(
                name, say("%(name)s must be %(must)s, not %(given)s", name=name, must=self.must, given=shown(text))
            )
        return text


@dataclass(frozen=True)
class Channels:
    """A setting that is a list of addresses to send messages to, in Apprise's form. They are secrets: no sentence quotes one."""

    def check(self, name: str, value: object) -> tuple[str, ...]:
        """Return the channels, each once; nothing (None) is an empty list; raise :class:`SettingRefused`."""
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)) or len(value) > MOST_CHANNELS:
            raise SettingRefused(
                name,
                say(
                    "%(name)s must be a list of at most %(most)d addresses such as ntfy://host/topic",
                    name=name,
                    most=MOST_CHANNELS,
                ),
            )
        return tuple(dict.fromkeys(self._channel(name, number, part) for number, part in enumerate(value, 1)))

    @staticmethod
    def _channel(name: str, number: int, value: object) -> str:
        address = value.strip() if isinstance(value, str) else ""
        if len(address) > LONGEST_CHANNEL or not address.isprintable() or not _CHANNEL.fullmatch(address):
            raise SettingRefused(
                name,
                say(
                    "%(name)s: number %(number)d is no address such as ntfy://host/topic or file:/path/to/one",
                    name=name,
                    number=number,
                ),
            )
        return address


@dataclass(frozen=True)
class Url(Text):
    """A setting that is the address of a camera, of at most ``longest`` characters. It may hold a password: no refusal repeats it."""

    def check(self, name: str, value: object) -> str:
        """Return ``value`` when it is an address that a camera may have, or empty; raise :class:`SettingRefused`."""
        text = super().check(name, value)
        try:
            parts = urlsplit(text)
            sound = parts.scheme in _CAMERA_SCHEMES and bool(parts.hostname) and parts.port != 0 and " " not in text
            split = _splits_password(parts)
        except ValueError:
            sound, split = False, "@" in text
        if text and split:
            raise SettingRefused(
                name, say("%(name)s: in a name or password write %%2F for /, %%3F for ?, %%23 for # and %%40 for @", name=name)
            )
        if text and not sound:
            raise SettingRefused(
                name, say("%(name)s must be an address such as http://192.0.2.9/snapshot.jpg or rtsp://192.0.2.9/live", name=name)
            )
        return text


def _splits_password(parts: SplitResult) -> bool:
    """Return whether an address looks like a password with a sign in it that ends the host.

    Of ``http://admin:2024#secret@cam/`` the host would be ``admin:2024``: half of the password would be shown as the camera's name.
    """
    if "@" in parts.netloc:
        return False
    path = parts.path[1:].partition("/")[0] if ":" in parts.netloc else ""
    return "@" in parts.fragment or (not parts.path and "@" in parts.query) or "@" in path[1:]


@dataclass(frozen=True)
class Addresses:
    """A setting that is a list of ``host:port``."""

    def check(self, name: str, value: object) -> tuple[str, ...]:
        """Return the addresses; accepts a list, or one string with commas or blanks; raise :class:`SettingRefused`."""
        parts = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            raise SettingRefused(name, say("%(name)s must be a list of addresses such as 192.0.2.7:8001", name=name))
        addresses = tuple(self._address(name, part) for part in parts)
        if len(addresses) > MOST_SERVERS:
            raise SettingRefused(
                name,
                say(
                    "%(name)s takes at most %(most)d addresses, not %(given)d", name=name, most=MOST_SERVERS, given=len(addresses)
                ),
            )
        return tuple(dict.fromkeys(addresses))

    @staticmethod
    def _address(name: str, value: object) -> str:
        match = _ADDRESS.match(value.strip()) if isinstance(value, str) else None
        if not isinstance(value, str) or match is None or not 0 < int(match.group(1)) < 65536:
            raise SettingRefused(
                name,
                say(
                    "%(name)s: %(given)s is not an address such as 192.0.2.7:8001 (host:port, no http://)",
                    name=name,
                    given=shown(value),
                ),
            )
        return value.strip()


@dataclass(frozen=True)
class Zones:
    """A setting that is a list of polygons on the picture, each a list of ``[x, y]`` in fractions."""

    def check(self, name: str, value: object) -> tuple[Zone, ...]:
        """Return the zones; raise :class:`SettingRefused`."""
        if not isinstance(value, (list, tuple)) or len(value) > MOST_ZONES:
            raise SettingRefused(name, say("%(name)s must be a list of at most %(most)d zones", name=name, most=MOST_ZONES))
        return tuple(self._zone(name, part) for part in value)

    def plain(self, value: tuple[Zone, ...]) -> list[list[list[float]]]:
        """Return the zones as they are stored."""
        return [[list(corner) for corner in zone.corners] for zone in value]

    @staticmethod
    def _zone(name: str, value: object) -> Zone:
        if isinstance(value, Zone):
            return value
        try:
            corners = tuple((float(x), float(y)) for x, y in value)  # type: ignore[attr-defined]
            if len(corners) > MOST_CORNERS:
                raise ValueError(say("a zone has at most %(most)d corners", most=MOST_CORNERS))
            return Zone(corners)
        except (TypeError, ValueError, OverflowError) as error:
            raise SettingRefused(
                name,
                say(
                    "%(name)s: %(given)s is no list of corners such as [[0, 0], [1, 0], [1, 1]] (%(why)s)",
                    name=name,
                    given=shown(value),
                    why=error.args[0] if len(error.args) == 1 else str(error),
                ),
            ) from None


def shown(value: object) -> str:
    """Return ``value`` as it may stand in a sentence, which is logged: short, readable as a value, and no address with a password."""
    text = repr(value)
    if "@" in text:
        return HIDDEN
    return text if len(text) <= 60 else text[:57] + "..."


def setting(default: Any, kind: Kind, sentence: str) -> Any:
    """Return a dataclass field that carries what a settings page and a check need of it."""
    return dataclasses.field(default=default, metadata={"kind": kind, "sentence": sentence})

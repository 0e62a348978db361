"""The kinds a setting can be of: what it accepts, and the sentence with which it refuses."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Union

from octoprint_spaghetti.core.errors import SettingRefused

#: Host names, IPv4, bracketed IPv6, and a port: what gRPC accepts as a target and what cannot smuggle anything else in.
_ADDRESS = re.compile(r"^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?):(\d{1,5})$")
#: Enough for a primary, its twin and a spare; each costs a share of the frame's deadline when all are down.
MOST_SERVERS = 4


@dataclass(frozen=True)
class Number:
    """A setting that is a number: ``low`` to ``high`` in ``unit``."""

    low: float
    high: float
    unit: str

    def check(self, name: str, value: object) -> float:
        """Return ``value`` as a float in range; raise :class:`SettingRefused`."""
        problem = f"{name} must be a number from {self.low:g} to {self.high:g} {self.unit}".rstrip()
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise SettingRefused(name, problem)
        try:
            number = float(value)
        except ValueError:
            raise SettingRefused(name, f"{problem}, not {shown(value)}") from None
        if not math.isfinite(number) or not self.low <= number <= self.high:
            raise SettingRefused(name, f"{problem}, not {shown(value)}")
        return number


@dataclass(frozen=True)
class Choice:
    """A setting that is one of a few words."""

    words: tuple[str, ...]

    def check(self, name: str, value: object) -> str:
        """Return ``value`` when it is one of the words; raise :class:`SettingRefused`."""
        if not isinstance(value, str) or value not in self.words:
            raise SettingRefused(name, f"{name} must be one of {', '.join(self.words)}, not {shown(value)}")
        return value


@dataclass(frozen=True)
class Switch:
    """A setting that is on or off."""

    def check(self, name: str, value: object) -> bool:
        """Return ``value`` when it is a bool; raise :class:`SettingRefused`."""
        if not isinstance(value, bool):
            raise SettingRefused(name, f"{name} must be on or off, not {shown(value)}")
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
            raise SettingRefused(name, f"{name} must be one line of at most {self.longest} characters")
        if self.ascii and not value.isascii():
            raise SettingRefused(
                name, f"{name} must hold plain letters, digits and signs; was it copied with typographic quotes?"
            )
        return value.strip()


@dataclass(frozen=True)
class Addresses:
    """A setting that is a list of ``host:port``."""

    def check(self, name: str, value: object) -> tuple[str, ...]:
        """Return the addresses; accepts a list, or one string with commas or blanks; raise :class:`SettingRefused`."""
        parts = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            raise SettingRefused(name, f"{name} must be a list of addresses such as 192.0.2.7:8001")
        addresses = tuple(self._address(name, part) for part in parts)
        if len(addresses) > MOST_SERVERS:
            raise SettingRefused(name, f"{name} takes at most {MOST_SERVERS} addresses, not {len(addresses)}")
        return tuple(dict.fromkeys(addresses))

    @staticmethod
    def _address(name: str, value: object) -> str:
        match = _ADDRESS.match(value.strip()) if isinstance(value, str) else None
        if not isinstance(value, str) or match is None or not 0 < int(match.group(1)) < 65536:
            raise SettingRefused(name, f"{name}: {shown(value)} is not an address such as 192.0.2.7:8001 (host:port, no http://)")
        return value.strip()


Kind = Union[Number, Choice, Switch, Text, Addresses]


def shown(value: object) -> str:
    """Return ``value`` as it may stand in a sentence: short, and readable as a value."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

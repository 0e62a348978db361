"""Settings that a container is given by its environment: ``SPAGHETTI_INTERVAL=10`` stands above whatever is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.further_cameras import FurtherCameras
from octoprint_spaghetti.core.kinds import Channels, Switch, Zones
from octoprint_spaghetti.core.patience import Numbers
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings, check, describe, plain

PREFIX = "SPAGHETTI_"
_ON_OFF = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def variable(name: str) -> str:
    """Return the environment variable that gives the setting ``name``."""
    return PREFIX + name.upper()


def overrides(environ: Mapping[str, str]) -> tuple[dict[str, Any], tuple[SettingRefused, ...]]:
    """Return the settings that ``environ`` gives, as plain JSON types, and those that it gives wrongly.

    Switches are on or off (also true, yes, 1), channels stand with blanks between them, zones, numbers and further cameras as JSON.
    Variables that name no setting are not ours.
    """
    given: dict[str, Any] = {}
    refused = []
    for name in Settings.defaults():
        text = environ.get(variable(name))
        if text is not None:
            try:
                given[name] = plain(name, check(name, _parsed(name, text)))
            except SettingRefused as error:
                refused.append(SettingRefused(name, say("%(variable)s: %(error)s", variable=variable(name), error=str(error))))
    return given, tuple(refused)


def _parsed(name: str, text: str) -> object:
    """Return what a variable's text means for a setting of that kind; what means nothing stays text, and is refused as such."""
    kind = describe(name)[0]
    if isinstance(kind, Switch):
        return _ON_OFF.get(text.strip().lower(), text)
    if isinstance(kind, Channels):
        return text.split()
    if isinstance(kind, (Zones, Numbers, FurtherCameras)):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise SettingRefused(name, say("%(name)s must be JSON", name=name)) from None
    return text

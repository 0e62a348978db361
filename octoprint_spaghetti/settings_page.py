"""What the settings page must know of each setting, read from where they are defined."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext

from octoprint_spaghetti.core.settings import Choice, Number, Settings, describe


def described_settings() -> dict[str, dict[str, Any]]:
    """Return for each setting its translated sentence, and its range and unit or its words."""
    described = {}
    for name, default in Settings.defaults().items():
        kind, sentence = describe(name)
        entry: dict[str, Any] = {"sentence": gettext(sentence), "default": default}
        if isinstance(kind, Number):
            entry.update(low=kind.low, high=kind.high, unit=kind.unit)
        if isinstance(kind, Choice):
            entry["words"] = list(kind.words)
        described[name] = entry
    return described

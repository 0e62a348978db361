"""What the settings page must know of each setting, read from where they are defined; labels and groups stand in the template."""

from __future__ import annotations

from typing import Any

from octoprint_spaghetti.core.kinds import Choice, Number, Text
from octoprint_spaghetti.core.settings import Settings, describe


def described_settings() -> dict[str, dict[str, Any]]:
    """Return for each setting its ``kind``, ``default`` and ``sentence``, and its range and unit, words, or longest text.

    Nothing is translated here: OctoPrint asks once for all languages, the template is rendered for each.
    """
    described = {}
    for name, default in Settings.defaults().items():
        kind, sentence = describe(name)
        entry: dict[str, Any] = {"kind": type(kind).__name__.lower(), "sentence": sentence, "default": default}
        if isinstance(kind, Number):
            entry.update(low=kind.low, high=kind.high, unit=kind.unit)
        if isinstance(kind, Choice):
            entry["words"] = list(kind.words)
        if isinstance(kind, Text):
            entry["longest"] = kind.longest
        described[name] = entry
    return described

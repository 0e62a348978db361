"""Every setting once: its name, default, unit, range and one sentence. The settings page and the README read it from here.

``Settings`` is what the watcher works with and is always valid; ``check`` judges one value a user typed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.kinds import Addresses, Choice, Kind, Number, Switch, Text, shown


def _setting(default: Any, kind: Kind, sentence: str) -> Any:
    return dataclasses.field(default=default, metadata={"kind": kind, "sentence": sentence})


@dataclass(frozen=True)
class Settings:
    """All settings, valid. Durations are seconds, levels are shares of 1."""

    enabled: bool = _setting(True, Switch(), "Watch prints. Off: nothing is looked at.")
    detector: str = _setting(
        "server",
        Choice(("server", "local")),
        "Who looks at the pictures: an inference server, or this computer (needs the extra [edge]).",
    )
    servers: tuple[str, ...] = _setting(
        ("127.0.0.1:8001",), Addresses(), "Inference servers as host:port, the first that answers is used."
    )
    transport: str = _setting(
        "stream",
        Choice(("stream", "unary")),
        "One lasting stream per print, or one call per picture (for proxies that cut streams).",
    )
    tls: bool = _setting(False, Switch(), "Encrypt the connection and verify the server's certificate.")
    certificate: str = _setting(
        "", Text(1000), "Path of a CA certificate (PEM) to verify the server with; empty: the system's own."
    )
    token: str = _setting(
        "", Text(500, ascii=True), "Bearer token of this printer, never shown again. Without TLS it travels readable."
    )
    model: str = _setting("spaghetti", Text(100), "Name of the model on the server.")
    deadline: float = _setting(5.0, Number(0.5, 30.0, "s"), "A picture that has no answer after this time is given up.")
    camera: str = _setting("", Text(200), "Name of the OctoPrint webcam; empty: the one OctoPrint takes snapshots with.")
    interval: float = _setting(5.0, Number(0.5, 60.0, "s"), "Time between two pictures of a calm print.")
    suspect_interval: float = _setting(2.0, Number(0.5, 10.0, "s"), "Time between two pictures while a failure is suspected.")
    warm_up: float = _setting(20.0, Number(0.0, 600.0, "s"), "Nothing is judged until this long after extrusion began.")
    action: str = _setting("pause", Choice(("pause", "notify")), "What a sustained failure does: pause the print, or only tell.")
    local_model: str = _setting("", Text(1000), "Path of an ONNX model for the local detector; empty: the one shipped.")
    incidents_kept: int = _setting(50, Number(1, 1000, "incidents"), "Older incidents are deleted beyond this number.")
    traces_kept: int = _setting(
        100, Number(1, 1000, "prints"), "Older records of prints, half a MB a day each, are deleted beyond it."
    )

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the defaults as plain JSON types, as OctoPrint stores them."""
        return {field.name: _plain(field.default) for field in dataclasses.fields(cls)}

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


_FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


def check(name: str, value: object) -> Any:
    """Return the value as its setting's type, or raise :class:`SettingRefused` with a sentence that says what it must be."""
    if name not in _FIELDS:
        raise SettingRefused(name, f"there is no setting named {shown(name)}")
    field = _FIELDS[name]
    checked = field.metadata["kind"].check(name, value)
    return type(field.default)(checked) if isinstance(field.default, (int, float)) else checked


def accept(changes: Mapping[str, object]) -> tuple[dict[str, Any], tuple[SettingRefused, ...]]:
    """Sort changes from a form into those to store, as plain JSON types, and those that are refused.

    An empty token means "keep the stored one": a form never learns it. Unknown names are dropped.
    """
    accepted: dict[str, Any] = {}
    refused = []
    for name, value in changes.items():
        if name not in _FIELDS or (name == "token" and not value):
            continue
        try:
            accepted[name] = _plain(check(name, value))
        except SettingRefused as error:
            refused.append(error)
    return accepted, tuple(refused)


def describe(name: str) -> tuple[Kind, str]:
    """Return the kind (range, unit, words) and the sentence of a setting; raises :class:`KeyError`."""
    metadata = _FIELDS[name].metadata
    return metadata["kind"], metadata["sentence"]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value

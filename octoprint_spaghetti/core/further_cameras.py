"""The cameras that are watched beside the first one: a webcam of OctoPrint or an address each, with ignore zones of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core.camera_address import camera_address
from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.kinds import Text, Url, Zones
from octoprint_spaghetti.core.sentence import joined, say
from octoprint_spaghetti.core.zones import Zone

#: Each costs the server as much as the first, and adds its own false pauses.
MOST_FURTHER = 3
_NAME, _ADDRESS, _ZONES = Text(200), Url(1000), Zones()


@dataclass(frozen=True)
class FurtherCamera:
    """One more camera: ``camera`` is the name of an OctoPrint webcam, or an address (which may hold a password)."""

    camera: str
    zones: tuple[Zone, ...] = ()

    @property
    def is_address(self) -> bool:
        """Return whether it is an address, and not a webcam of OctoPrint."""
        return "://" in self.camera

    @property
    def name(self) -> str:
        """Return what it may be called in a sentence: of an address only the host is no secret."""
        return camera_address(self.camera, "http", "https", "rtsp").host if self.is_address else self.camera


@dataclass(frozen=True)
class FurtherCameras:
    """A setting that is a list of further cameras, each ``{"camera": name or address, "zones": [...]}`` or only the former."""

    def check(self, name: str, value: object) -> tuple[FurtherCamera, ...]:
        """Return the cameras; nothing (None) is an empty list; raise :class:`SettingRefused`."""
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)) or len(value) > MOST_FURTHER:
            raise SettingRefused(name, say("%(name)s must be a list of at most %(most)d cameras", name=name, most=MOST_FURTHER))
        cameras = tuple(self._camera(name, part) for part in value)
        if len({one.camera for one in cameras}) < len(cameras):
            raise SettingRefused(name, say("%(name)s holds the same camera twice; each can be watched once", name=name))
        return cameras

    def plain(self, value: tuple[FurtherCamera, ...]) -> list[dict[str, Any]]:
        """Return the cameras as they are stored."""
        return [{"camera": one.camera, "zones": _ZONES.plain(one.zones)} for one in value]

    @staticmethod
    def _camera(name: str, value: object) -> FurtherCamera:
        if isinstance(value, FurtherCamera):
            return value
        given = value if isinstance(value, Mapping) else {"camera": value}
        camera, zones = given.get("camera"), given.get("zones", ())
        if not isinstance(camera, str) or not camera.strip():
            raise SettingRefused(name, say("%(name)s: each camera needs a name or an address", name=name))
        if "@" in camera and "://" not in camera:  # a name is shown to everybody who may look
            raise SettingRefused(
                name, say("%(name)s: an address with a password begins with http://, https:// or rtsp://", name=name)
            )
        kind = _ADDRESS if "://" in camera else _NAME
        return FurtherCamera(kind.check(name, camera), _ZONES.check(name, zones))


def refuse_unknown(name: str, cameras: Iterable[FurtherCamera], first: str, known: Sequence[str]) -> None:
    """Raise :class:`SettingRefused` for a webcam that OctoPrint does not know, or that is the ``first`` camera.

    ``known`` are the names of all webcams that take snapshots.
    """
    for camera in (one.camera for one in cameras if not one.is_address):
        if camera == first:
            raise SettingRefused(
                name, say("%(name)s: %(camera)s would be watched twice; choose another camera", name=name, camera=camera)
            )
        if camera not in known:
            has = ", ".join(known) or say("none")
            raise SettingRefused(
                name,
                say(
                    "%(name)s: OctoPrint has no webcam %(camera)s with snapshots; it has: %(has)s",
                    name=name,
                    camera=camera,
                    has=has,
                ),
            )


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names with a number behind those that came before: two cameras may share a host."""
    found: list[str] = []
    for name in names:
        same = sum(one == name or one.startswith(f"{name} (") for one in found)
        found.append(joined((name, f"({same + 1})")) if same else name)
    return tuple(found)

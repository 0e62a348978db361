"""What is usual: learned from prints that ended well, so that a lattice alarms at most once in its life.

A failing print teaches nothing. A print that was called a false alarm and then ended well teaches most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from octoprint_spaghetti.core.belief import Background

#: Layers are learned up to this one, and files up to this many: a few hundred kB on the disk.
MOST_LAYERS, MOST_FILES = 2000, 200
#: A print counts for the printer's usual score by its length against this: one long print must not be everything.
_PRINTER_MEMORY_H = 20.0
#: A file's layer moves by this much towards what the newest good print showed there.
_NEWEST_SHARE = 0.5
#: A layer that scores less changes no decision, and most do: without them a good file is a line on the disk, or none.
_WORTH_KEEPING = 0.01


@dataclass(frozen=True)
class Profile:
    """Scores of a print so far by layer: (sum, frames). Layer 0 holds the frames whose layer is not known."""

    layers: tuple[tuple[float, int], ...] = ()

    def add(self, layer: int | None, score: float) -> Profile:
        """Return the profile with one more frame."""
        place = min(layer or 0, MOST_LAYERS)
        padded = (*self.layers, *(((0.0, 0),) * (place + 1 - len(self.layers))))
        total, frames = padded[place]
        return Profile((*padded[:place], (total + score, frames + 1), *padded[place + 1 :]))

    @property
    def mean(self) -> float:
        """Return the mean score of all frames; 0 without any."""
        frames = sum(frames for _, frames in self.layers)
        return sum(total for total, _ in self.layers) / frames if frames else 0.0

    def means(self) -> dict[int, float]:
        """Return the mean score of each layer that was seen, layer 0 left out."""
        return {layer: total / frames for layer, (total, frames) in enumerate(self.layers) if layer and frames}


@dataclass(frozen=True)
class Baselines:
    """What is known of this printer: its usual score, hours behind it, and a profile for each file, newest last."""

    printer: float = 0.0
    hours: float = 0.0
    files: tuple[tuple[str, tuple[tuple[int, float], ...]], ...] = ()

    def background(self, file: str) -> Background:
        """Return what is usual for a print of ``file``, named by whatever tells one version of it from another.

        Prints without a file (an empty name) have nothing in common but the printer.
        """
        return Background(self.printer, dict(self.files).get(file, ()) if file else ())

    def learn(self, file: str, profile: Profile, hours: float, *, forgiven: bool = False) -> Baselines:
        """Return the baselines after a good print of ``hours``; one that had to be ``forgiven`` says what its file looks like alone."""
        hours = 0.0 if forgiven else hours
        weight = hours / (min(self.hours, _PRINTER_MEMORY_H) + hours) if hours > 0.0 else 0.0
        known = dict(self.files)
        layers = {**dict(known.pop(file, ())), **_blended(dict(dict(self.files).get(file, ())), profile.means())}
        worth = tuple(sorted((layer, round(score, 3)) for layer, score in layers.items() if score >= _WORTH_KEEPING))
        if file and worth:
            known[file] = worth
        return replace(
            self,
            printer=self.printer + weight * (profile.mean - self.printer),
            hours=self.hours + hours,
            files=tuple(known.items())[-MOST_FILES:],
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types, for :meth:`from_json`."""
        return {
            "printer": round(self.printer, 4),
            "hours": round(self.hours, 3),
            "files": {name: list(map(list, layers)) for name, layers in self.files},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Baselines:
        """Build the baselines from what was stored. Raises what numbers and mappings raise: ``BaselineFile``."""
        files = tuple(
            (str(name), tuple((int(layer), _share(score)) for layer, score in layers))
            for name, layers in content["files"].items()
        )
        return cls(_share(content["printer"]), max(0.0, float(content["hours"])), files)


def _blended(old: Mapping[int, float], new: Mapping[int, float]) -> dict[int, float]:
    return {
        layer: score if layer not in old else old[layer] + _NEWEST_SHARE * (score - old[layer]) for layer, score in new.items()
    }


def _share(value: Any) -> float:
    number = float(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{number} is no score")
    return number

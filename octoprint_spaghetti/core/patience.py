"""The numbers of the judge, each once: default, unit, range, and what it is good for. How long, and how sure.

Levels and scores are probabilities, 0 to 1. The starting values come from a simulation of what other detectors do: a rule
in frames changes its meaning with the rate, and a bar that follows the print's own mean lets a failing print raise it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.kinds import Number, Switch, setting, shown
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.zones import Zone

#: A level or a share.
_SHARE = Number(0.0, 1.0, "")
_LEVEL = Number(0.05, 0.98, "")

#: The slider: 1 asks for the clearest failures only, 9 for the faintest. ``Patience`` holds the numbers of 5.
LEAST_SENSITIVE, USUAL, MOST_SENSITIVE = 1.0, 5.0, 9.0
#: Evidence by which the failing level falls with each step of the slider: 0.79 at 1, 0.31 at 9.
_LEVEL_PER_STEP = 0.06


@dataclass(frozen=True)
class Patience:
    """How long and how sure; seconds where nothing else is said. ``zones`` are the parts of the picture that do not count."""

    # evidence
    time_constant: float = setting(
        30.0, Number(5.0, 300.0, "s"), "Smoothing of the scores: a certain failure is suspect after 11 s, failing after 26 s."
    )
    suspect_at: float = setting(0.30, _LEVEL, "Evidence from which a print is suspect: looked at more often, baselines frozen.")
    failing_at: float = setting(
        0.55, _LEVEL, "Evidence from which a print may be failing; above what noise in half the frames reaches."
    )
    longest_step: float = setting(
        10.0, Number(1.0, 60.0, "s"), "A gap between frames counts as this at most: frames that were lost are no evidence."
    )
    hit_at: float = setting(0.5, _LEVEL, "Score from which a frame is a hit: more likely spaghetti than not.")
    # agreement of frames
    window: float = setting(60.0, Number(10.0, 600.0, "s"), "How far back frames are counted.")
    distinct_frames: int = setting(5, Number(2, 60, "frames"), "That many frames of the window must be hits.")
    series_length: float = setting(
        6.0,
        Number(1.0, 60.0, "s"),
        "Verification looks in series of this length: three frames at the suspect rate of one in 2 s.",
    )
    series_share: float = setting(0.6, _SHARE, "A series agrees when this share of its frames are hits.")
    series_of: int = setting(4, Number(1, 10, "series"), "So many of the newest series vote.")
    series_needed: int = setting(3, Number(1, 10, "series"), "So many of them must agree.")
    # the same place
    place_at: float = setting(
        0.2, _SHARE, "Confidence of a box that says where: lower than a hit, for a growing tangle is many faint boxes."
    )
    place_overlap: float = setting(
        0.3, _SHARE, "Share of the smaller box: the same place, however much the tangle has grown since."
    )
    place_share: float = setting(0.5, _SHARE, "That share of the hits must be in one place; a toolhead, a cable, a hand move on.")
    growth_lift: float = setting(
        0.2, _SHARE, "A tangle that doubled within the window has this share of its missing certainty added to its frames."
    )
    # what is usual
    calm_time: float = setting(
        900.0, Number(60.0, 86400.0, "s"), "Time constant with which the usual score of this printer is learned in calm prints."
    )
    lasting_time: float = setting(
        300.0,
        Number(60.0, 86400.0, "s"),
        "Time constant with which a suspicion that lasts, and neither fails nor grows, becomes usual.",
    )
    lasting_usual: float = setting(0.4, _SHARE, "It never becomes usual beyond this score: what gets clearer is still seen.")
    highest_usual: float = setting(
        0.8, _SHARE, "A usual score never counts for more than this: a failure must stay visible above it."
    )
    # warm-up and first layer
    warm_up: float = setting(
        20.0, Number(0.0, 600.0, "s"), "Nothing is judged until this long after extrusion began: purge lines look like spaghetti."
    )
    unseen_extrusion: float = setting(
        300.0, Number(0.0, 3600.0, "s"), "Warm-up ends this long after the start even if no extrusion was seen (SD prints)."
    )
    first_layers: int = setting(
        2, Number(0, 50, "layers"), "So many layers are the first: looked at more often, judged more strictly."
    )
    first_layer_bar: float = setting(
        1.1, Number(1.0, 2.0, "x"), "The failing level of the first layers: thin lines on a bare bed look most like strands."
    )
    # after an action
    resume_grace: float = setting(
        60.0, Number(0.0, 600.0, "s"), "After a resume nothing is decided for this long: a person just looked."
    )
    resume_bar: float = setting(1.5, Number(1.0, 3.0, "x"), "After a resume the failing level is this many times higher ...")
    resume_decay: float = setting(600.0, Number(10.0, 7200.0, "s"), "... and comes down with this time constant.")
    highest_bar: float = setting(0.92, _LEVEL, "The failing level never rises beyond what a certain failure can reach.")
    cooldown: float = setting(900.0, Number(0.0, 7200.0, "s"), "Between two actions, or two notices of one kind, in one print.")
    lasting_suspicion: float = setting(
        300.0,
        Number(30.0, 7200.0, "s"),
        "A print that is suspect for this long without failing is worth a notice: somebody should look.",
    )
    # false alarms and zones
    forgiven_overlap: float = setting(
        0.5,
        _SHARE,
        "A box with this share in the place of a false alarm, or in an ignore zone, does not count.",
    )
    forgiven_size: float = setting(0.2, _SHARE, "What is smaller than this share of a false alarm is not the same thing.")
    zones: tuple[Zone, ...] = ()
    # the scene
    scene_gate: bool = setting(True, Switch(), "Decide nothing while the camera was moved or the light has just changed.")
    moved_below: float = setting(
        0.1,
        Number(-1.0, 1.0, ""),
        "Likeness of the picture to the one before, from which the camera sees something else. Good prints that were looked at only "
        "every few minutes stayed above 0.15, but for one with a camera close to a moving bed.",
    )
    moved_for: float = setting(
        15.0, Number(0.0, 120.0, "s"), "For so long it must: a hand, or the bed, close to the lens goes away again."
    )
    light_step: float = setting(0.2, _SHARE, "Change of brightness from one frame to the next that is a light, not a print.")
    settle: float = setting(15.0, Number(0.0, 300.0, "s"), "After such a change nothing is decided for this long.")

    @classmethod
    def read(cls, stored: Mapping[str, object]) -> tuple[Patience, tuple[SettingRefused, ...]]:
        """Build the numbers from those that a person changed; what is refused keeps its default and is reported."""
        values: dict[str, Any] = {}
        refused = []
        for name, value in stored.items():
            try:
                values[name] = check_number(name, value)
            except SettingRefused as error:
                refused.append(error)
        return cls(**values), tuple(refused)

    def at_sensitivity(self, sensitivity: float) -> Patience:
        """Return the numbers with all levels where the slider, 1 to 9, puts them; 5 leaves them as they are."""
        failing_at = self.failing_at + (USUAL - sensitivity) * _LEVEL_PER_STEP
        scale = failing_at / self.failing_at
        return dataclasses.replace(
            self, failing_at=failing_at, suspect_at=self.suspect_at * scale, hit_at=min(self.hit_at * scale, 0.9)
        )


_FIELDS = {field.name: field for field in dataclasses.fields(Patience) if field.metadata}


def names() -> tuple[str, ...]:
    """Return the names of all numbers that a person may change, in order."""
    return tuple(_FIELDS)


def describe_number(name: str) -> tuple[Any, str]:
    """Return the kind (range, unit) and the sentence of a number of the judge; raises :class:`KeyError`."""
    metadata = _FIELDS[name].metadata
    return metadata["kind"], metadata["sentence"]


def check_number(name: str, value: object) -> Any:
    """Return ``value`` as the number's type, or raise :class:`SettingRefused` with a sentence that says what it must be."""
    if name not in _FIELDS:
        raise SettingRefused(
            name, say("The judge has no number named %(given)s; it has %(names)s.", given=shown(name), names=", ".join(_FIELDS))
        )
    field = _FIELDS[name]
    checked = field.metadata["kind"].check(name, value)
    if isinstance(field.default, int) and checked != int(checked):
        raise SettingRefused(name, say("%(name)s must be a whole number, not %(given)s", name=name, given=shown(value)))
    wanted: type[Any] = type(field.default)
    return wanted(checked)


@dataclass(frozen=True)
class Numbers:
    """A setting that holds those numbers of the judge that a person has changed, as (name, value) pairs."""

    def check(self, name: str, value: object) -> tuple[tuple[str, Any], ...]:
        """Return the numbers of a mapping, or of pairs, each in its range; raise :class:`SettingRefused`."""
        pairs = value.items() if isinstance(value, Mapping) else value
        try:
            return tuple((str(key), check_number(str(key), number)) for key, number in pairs)  # type: ignore[attr-defined]
        except (TypeError, ValueError):
            raise SettingRefused(name, say("%(name)s must map names of the judge's numbers to values", name=name)) from None

    def plain(self, value: tuple[tuple[str, Any], ...]) -> list[list[Any]]:
        """Return the pairs as they are stored: OctoPrint merges a mapping into the stored one, so that no number could be dropped."""
        return [list(pair) for pair in value]

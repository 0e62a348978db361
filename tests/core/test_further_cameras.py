"""The cameras beside the first one, as a setting: what is taken, what is refused, and what each is called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from octoprint_spaghetti.core.environment import overrides
from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.further_cameras import FurtherCamera, refuse_unknown
from octoprint_spaghetti.core.settings import Settings, accept, check, plain, with_zone
from octoprint_spaghetti.core.zones import Zone

SQUARE = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]]
ZONE = Zone(((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)))


def settings(*cameras: object, **others: Any) -> Settings:
    found, refused = Settings.read({"also_watched": list(cameras), **others})
    assert not refused
    return found


def test_a_camera_is_a_name_or_an_address_with_zones_or_without() -> None:
    """What is stored comes back the same, however short it was written."""
    found = check("also_watched", ["garage", {"camera": "http://192.0.2.9/snap.jpg", "zones": [SQUARE]}])
    assert found == (FurtherCamera("garage"), FurtherCamera("http://192.0.2.9/snap.jpg", (ZONE,)))
    stored = plain("also_watched", found)
    assert stored[0] == {"camera": "garage", "zones": []}
    assert check("also_watched", stored) == found


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("garage", "must be a list of at most 3 cameras"),
        (["a", "b", "c", "d"], "must be a list of at most 3 cameras"),
        (["a", "a"], "holds the same camera twice"),
        ([""], "needs a name or an address"),
        ([{"zones": []}], "needs a name or an address"),
        ([7], "needs a name or an address"),
        (["ftp://192.0.2.9/x"], "must be an address such as"),
        (["x" * 201], "at most 200 characters"),
        ([{"camera": "a", "zones": [[[0, 0]]]}], "is no list of corners"),
    ],
)
def test_what_cannot_be_cameras_is_refused_in_words(value: object, sentence: str) -> None:
    """Each refusal says what it must be, and names the setting."""
    with pytest.raises(SettingRefused, match=sentence) as refusal:
        check("also_watched", value)
    assert refusal.value.name == "also_watched"


def test_no_refusal_and_no_name_repeats_a_password() -> None:
    """Of an address only the host is said, where it is used and where it is refused."""
    (camera,) = check("also_watched", ["http://admin:g3h3im@192.0.2.9:8080/g3h3im.jpg"])
    assert camera.name == "192.0.2.9:8080"
    _, refused = accept({"also_watched": ["gopher://admin:g3h3im@192.0.2.9"]})
    assert "g3h3im" not in str(refused[0])


def test_each_camera_has_a_name_of_its_own_and_one_alone_needs_none() -> None:
    """Two addresses of one host are numbered; the first camera has its webcam's name, its host, or is the first."""
    assert settings().camera_names() == ("",)
    assert settings("garage", camera="front").camera_names() == ("front", "garage")
    two = settings("http://192.0.2.9/1.jpg", "http://192.0.2.9/2.jpg")
    assert two.camera_names() == ("first camera", "192.0.2.9", "192.0.2.9 (2)")
    by_address = settings("192.0.2.9", camera_source="rtsp", camera_url="rtsp://a:b@192.0.2.9/live")
    assert by_address.camera_names() == ("192.0.2.9", "192.0.2.9 (2)")


def test_a_webcam_that_octoprint_does_not_have_is_refused() -> None:
    """So is the one that is the first camera already; addresses are not asked for."""
    known = ("front", "garage")
    refuse_unknown("also_watched", check("also_watched", ["garage", "http://192.0.2.9/"]), "front", known)
    with pytest.raises(SettingRefused, match="no webcam attic with snapshots; it has: front, garage"):
        refuse_unknown("also_watched", check("also_watched", ["attic"]), "front", known)
    with pytest.raises(SettingRefused, match="front would be watched twice"):
        refuse_unknown("also_watched", check("also_watched", ["front"]), "front", known)


def test_zones_are_each_cameras_own() -> None:
    """The first one's are those of the old setting; all other numbers are the same for all."""
    both = settings({"camera": "garage", "zones": [SQUARE]}, camera="front", sensitivity=7.0)
    first, garage = both.patiences()
    assert (first.zones, garage.zones) == ((), (ZONE,))
    assert replace(garage, zones=()) == first
    assert both.patience_for("garage") == garage
    assert both.patience_for("") == both.patience_for("gone by now") == first


def test_the_place_of_an_incident_goes_to_the_camera_that_saw_it() -> None:
    """Once, and to the first camera also when it is alone by now; a camera that is gone is told."""
    both = settings("garage", camera="front")
    changes, zones = with_zone(both, "garage", SQUARE)
    assert (zones, changes["also_watched"]) == ([SQUARE], [{"camera": "garage", "zones": [SQUARE]}])
    again = replace(both, also_watched=check("also_watched", changes["also_watched"]))
    assert with_zone(again, "garage", SQUARE)[1] == [SQUARE]
    for first in ("", "front"):
        assert with_zone(both, first, SQUARE)[0] == {"zones": [SQUARE]}
    assert with_zone(settings(camera="front"), "front", SQUARE)[0] == {"zones": [SQUARE]}
    with pytest.raises(SettingRefused, match="attic is not watched any more"):
        with_zone(both, "attic", SQUARE)


def test_a_container_gives_the_cameras_as_json() -> None:
    """As zones are given."""
    given, refused = overrides({"SPAGHETTI_ALSO_WATCHED": '["garage"]'})
    assert (given, refused) == ({"also_watched": [{"camera": "garage", "zones": []}]}, ())
    assert overrides({"SPAGHETTI_ALSO_WATCHED": "garage"})[1][0].name == "also_watched"

"""Settings: valid for whoever reads them, with a sentence for whoever typed something else."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.settings import Settings, accept, check, describe, keep_ways

NAMES = [field.name for field in dataclasses.fields(Settings)]


@pytest.mark.parametrize("name", NAMES)
def test_every_default_is_valid_and_described(name: str) -> None:
    """A default passes its own check, and has a sentence for the settings page."""
    default = Settings.defaults()[name]
    assert check(name, default) == getattr(Settings(), name)
    assert describe(name)[1].endswith((".", ")"))


def test_the_defaults_are_plain_json() -> None:
    """OctoPrint can store them as they are."""
    assert json.loads(json.dumps(Settings.defaults())) == Settings.defaults()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        pytest.param("interval", "abc", "from 0.5 to 60 s", id="a word for a number"),
        pytest.param("interval", "nan", "from 0.5 to 60 s", id="NaN"),
        pytest.param("interval", float("inf"), "from 0.5 to 60 s", id="infinity"),
        pytest.param("interval", 0, "from 0.5 to 60 s", id="too small"),
        pytest.param("interval", True, "must be a number", id="a switch for a number"),
        pytest.param("interval", None, "must be a number", id="nothing for a number"),
        pytest.param("action", "explode", "pause, cancel, notify", id="an unknown action"),
        pytest.param("tls", "yes", "on or off", id="a word for a switch"),
        pytest.param("servers", ["http://host:8001"], "no http://", id="a URL for an address"),
        pytest.param("servers", ["host"], "not an address", id="no port"),
        pytest.param("servers", ["host:99999"], "not an address", id="a port that cannot be"),
        pytest.param("servers", [f"host{n}:1" for n in range(9)], "at most 4", id="too many servers"),
        pytest.param("servers", 7, "list of addresses", id="a number for a list"),
        pytest.param("token", "two\nlines", "one line", id="a token of two lines"),
        pytest.param("token", "\u201csecret\u201d", "typographic quotes", id="a token copied from a letter"),
        pytest.param("suspect_interval", 60, "from 0.5 to 10 s", id="too slow to see five frames in a minute"),
        pytest.param("nonsense", 1, "no setting named", id="an unknown name"),
    ],
)
def test_a_bad_value_is_refused_with_a_sentence(name: str, value: object, said: str) -> None:
    """The sentence says what the value must be."""
    with pytest.raises(SettingRefused, match=said) as refusal:
        check(name, value)
    assert refusal.value.name == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mqtt_host", "mqtt://ha:g3h3im@192.0.2.5"),
        ("mqtt_host", "ha:g3h3im@192.0.2.5"),
        ("link", "http://admin:g3h3im@octopi.local:70000"),
        ("servers", ["https://admin:g3h3im@192.0.2.7"]),
        ("servers", "admin:g3h3im@192.0.2.7"),
        ("camera_url", "admin:g3h3im@192.0.2.9/snap.jpg"),
        ("also_watched", ["admin:g3h3im@192.0.2.9/snap.jpg"]),
        ("action", "admin:g3h3im@192.0.2.9"),
    ],
)
def test_a_password_in_the_wrong_field_is_repeated_by_no_refusal(name: str, value: object) -> None:
    """The sentence is logged, and the log is in the bundle that people send to strangers."""
    with pytest.raises(SettingRefused) as refusal:
        check(name, value)
    assert "g3h3im" not in str(refusal.value)


def test_addresses_may_be_typed_with_commas_or_blanks() -> None:
    """One text field is enough for several servers; doubles are dropped."""
    assert check("servers", "gpu.local:8001, [::1]:8001 gpu.local:8001") == ("gpu.local:8001", "[::1]:8001")


def test_a_stored_value_that_is_not_valid_falls_back_to_its_default() -> None:
    """Reading never fails, says what was wrong, and keeps the rest."""
    settings, refused = Settings.read({"interval": "abc", "action": "notify", "from_the_future": 1})
    assert settings == Settings(action="notify")
    assert [error.name for error in refused] == ["interval"]


def test_a_form_changes_only_what_is_valid() -> None:
    """A save keeps valid changes, reports the rest, and an empty token changes nothing."""
    accepted, refused = accept({"interval": "7", "suspect_interval": -1, "token": "", "unknown": 1})
    assert accepted == {"interval": 7.0}
    assert [error.name for error in refused] == ["suspect_interval"]


@given(st.dictionaries(st.sampled_from(NAMES), st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.text())))
def test_whatever_is_stored_the_settings_are_valid(stored: dict[str, object]) -> None:
    """Any mess in the configuration file gives settings that pass their own checks."""
    settings, _ = Settings.read(stored)
    for name in NAMES:
        assert check(name, getattr(settings, name)) == getattr(settings, name)


def test_a_file_of_somebody_else_does_not_learn_the_token() -> None:
    """Another server, or no encryption, is not taken from a file while a token is stored that would go there; the rest is."""
    mine = Settings(token="mine", tls=True)
    theirs: dict[str, object] = {"servers": ["198.51.100.1:8001"], "tls": False, "mqtt_host": "broker.example", "interval": 7.0}

    taken, detours = keep_ways(theirs, mine)

    assert taken == {"mqtt_host": "broker.example", "interval": 7.0}
    assert [problem.name for problem in detours] == ["servers", "tls"]


def test_ones_own_file_is_taken_over_whole() -> None:
    """What is as it was sends no secret elsewhere, and where none is stored there is none to send."""
    mine = Settings(token="mine", mqtt_password="mine")
    same = {name: Settings.defaults()[name] for name in ("servers", "tls", "certificate", "mqtt_host", "mqtt_port")}

    assert keep_ways(same, mine) == (same, ())
    assert keep_ways({"servers": ["192.0.2.1:8001"]}, Settings()) == ({"servers": ["192.0.2.1:8001"]}, ())

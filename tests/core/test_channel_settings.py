"""The settings about messages and the broker: what is refused, what stays secret."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.settings import SECRETS, Settings, accept, check

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        pytest.param("channels", "ntfy://a/b", "must be a list", id="one address instead of a list"),
        pytest.param("channels", [f"ntfy://host/{n}" for n in range(11)], "at most 10", id="too many channels"),
        pytest.param("channels", ["ntfy://a/b", "ntfy.sh/mytopic"], "number 2 is no address", id="no scheme"),
        pytest.param("channels", ["ntfy://a/b ntfy://c/d"], "number 1 is no address", id="two in one line"),
        pytest.param("channels", [7], "number 1 is no address", id="a number"),
        pytest.param("quiet_hours", "22-7", "such as 22:00-07:00", id="hours without minutes"),
        pytest.param("link_base", "octopi.local", "such as http://octopi.local", id="a link without http"),
        pytest.param("link_base", "https://me:pw@octopi.local", "without a password", id="a link with a password"),
        pytest.param("mqtt_host", "mqtt://broker", "host name or an IP address", id="a URL for a host"),
        pytest.param("mqtt_port", 0, "from 1 to 65535", id="a port that cannot be"),
        pytest.param("mqtt_topic", "home/#", r"without \+ and #", id="a wildcard for a topic"),
        pytest.param("mqtt_topic", "/home/", "a topic such as", id="a topic with empty levels at its ends"),
    ],
)
def test_a_bad_value_is_refused_with_a_sentence(name: str, value: object, said: str) -> None:
    """The sentence says what the value must be."""
    with pytest.raises(SettingRefused, match=said):
        check(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", ["discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "file:/run/secrets/telegram"]),
        ("channels", ["mailto://me:p%40ss@example.com?to=you@example.com"]),
        ("quiet_hours", "22:00-07:00"),
        ("quiet_hours", "9:30 - 10:00"),
        ("link_base", "https://octopi.local:8443/octoprint"),
        ("mqtt_host", "homeassistant.local"),
        ("mqtt_host", "192.0.2.7"),
        ("mqtt_host", "2001:db8::7"),
        ("mqtt_topic", "home/printer 1".replace(" ", "_")),
        ("mqtt_topic", "x"),
        ("mqtt_topic", ""),
    ],
)
def test_a_good_value_is_taken(name: str, value: object) -> None:
    """What people really type passes."""
    checked = check(name, value)
    assert list(checked) == value if isinstance(value, list) else checked == value


@pytest.mark.parametrize("address", [f"no scheme {SECRET}", f"ntfy://{SECRET}/a b", f"ntfy://host/{SECRET}\0", SECRET * 200])
def test_no_refusal_quotes_an_address(address: str) -> None:
    """Refusals are logged and pushed to browsers; an address is a secret also when it is wrong."""
    with pytest.raises(SettingRefused) as refusal:
        check("channels", [address])
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_an_empty_secret_keeps_the_stored_one(name: str) -> None:
    """A form never learns a secret, so what it sends back is empty."""
    for empty in (None, "", []):
        assert accept({name: empty}) == ({}, ())


def test_the_same_channel_twice_is_one() -> None:
    """Nobody wants each message twice."""
    assert check("channels", ["ntfy://a/b", "ntfy://a/b "]) == ("ntfy://a/b",)


def test_orders_from_the_broker_are_off_until_somebody_allows_them() -> None:
    """Whoever may write to the broker could move the printer, and OctoPrint's permissions do not reach there."""
    assert not Settings().mqtt_commands

"""Settings that the environment of a container gives."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.environment import overrides, variable
from octoprint_spaghetti.core.settings import Settings


def test_each_setting_has_a_variable_and_each_kind_its_spelling() -> None:
    """What stands in a variable is what a settings page would have stored."""
    given, refused = overrides(
        {
            "SPAGHETTI_INTERVAL": "7.5",
            "SPAGHETTI_SHADOW": "Yes",
            "SPAGHETTI_TLS": "0",
            "SPAGHETTI_SERVERS": "192.0.2.7:8001 192.0.2.8:8001",
            "SPAGHETTI_CHANNELS": "ntfy://host/topic file:/run/secrets/channel",
            "SPAGHETTI_ZONES": "[[[0, 0], [0.2, 0], [0, 0.2]]]",
            "SPAGHETTI_NUMBERS": '{"failing_at": 0.6}',
            "SPAGHETTI_ACTION": "notify",
            "PATH": "/bin",
        }
    )
    assert refused == ()
    assert given == {
        "interval": 7.5,
        "shadow": True,
        "tls": False,
        "servers": ["192.0.2.7:8001", "192.0.2.8:8001"],
        "channels": ["ntfy://host/topic", "file:/run/secrets/channel"],
        "zones": [[[0.0, 0.0], [0.2, 0.0], [0.0, 0.2]]],
        "numbers": [["failing_at", 0.6]],
        "action": "notify",
    }
    settings, wrong = Settings.read(given)
    assert (wrong, settings.patience().failing_at) == ((), 0.6)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("interval", "often", id="no number"),
        pytest.param("shadow", "perhaps", id="neither on nor off"),
        pytest.param("zones", "[[0, 0]", id="broken JSON"),
        pytest.param("numbers", "5", id="no table"),
        pytest.param("action", "explode", id="not one of the words"),
    ],
)
def test_a_value_that_is_not_valid_is_named_with_its_variable(name: str, text: str) -> None:
    """It is left aside, so that a typing error in a compose file does not end the watch."""
    given, refused = overrides({variable(name): text})
    assert given == {}
    assert [problem.name for problem in refused] == [name]
    assert variable(name) in str(refused[0])

"""How OctoPrint is set up and spoken to; its real start is tested end to end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from demo.octoprint_server import Login, OctoPrintError, OctoPrintServer, configuration, free_port


def test_octoprint_listens_on_loopback_with_the_webcam_and_the_plugin_set_up():
    """The configuration names the camera's two addresses, the virtual printer and the plugin's settings."""
    config = configuration(5011, "http://127.0.0.1:8090", {"spaghetti": {"interval": 2.0}})
    assert (config["server"]["host"], config["server"]["port"]) == ("127.0.0.1", 5011)
    assert config["serial"]["port"] == "VIRTUAL"
    assert config["plugins"]["classicwebcam"]["snapshot"] == "http://127.0.0.1:8090/snapshot"
    assert config["plugins"]["classicwebcam"]["stream"] == "http://127.0.0.1:8090/stream"
    assert config["plugins"]["spaghetti"] == {"interval": 2.0}


def test_octoprint_asks_the_internet_for_nothing():
    """First run, wizards, checks and the plugins that call home are off."""
    config = configuration(5011, "http://127.0.0.1:8090", {})
    assert config["server"]["firstRun"] is False
    assert not any(
        config["server"][check]["enabled"] for check in ("onlineCheck", "pluginBlacklist", "pythonEolCheck", "ipCheck")
    )
    assert {"softwareupdate", "announcements", "tracking"} <= set(config["plugins"]["_disabled"])


def test_every_run_has_secrets_of_its_own_and_does_not_show_them():
    """Password and API key are random, and absent from what a log would print."""
    first, second = Login(), Login()
    assert first.password != second.password
    assert first.api_key != second.api_key
    assert first.password not in repr(first)
    assert first.api_key not in repr(first)


def test_free_ports_are_free():
    """A port that is handed out can be listened on."""
    assert 1024 < free_port() < 65536


def test_a_python_without_octoprint_is_named(tmp_path: Path):
    """Starting with an interpreter that has no OctoPrint says so, and says what to do."""
    server = OctoPrintServer(tmp_path / "missing" / "python", tmp_path / "base", "http://127.0.0.1:1", {})
    with pytest.raises(OctoPrintError, match="no working OctoPrint.*scripts/demo"):
        server.start()
    server.stop()


def test_an_octoprint_that_ends_at_once_is_quoted(tmp_path: Path):
    """When the process ends while it starts, the error holds the end of its output."""
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} -c "print(1)"\necho "no such printer"\n')
    fake.chmod(0o755)
    server = OctoPrintServer(fake, tmp_path / "base", "http://127.0.0.1:1", {})
    server.start()
    with pytest.raises(OctoPrintError, match="no such printer"):
        server.wait_ready(30.0)
    server.stop()
    assert server.pid is None


def test_the_files_with_secrets_are_readable_by_the_owner_alone(tmp_path: Path):
    """The API key lies in a file of mode 600."""
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho hash\n")
    fake.chmod(0o755)
    server = OctoPrintServer(fake, tmp_path / "base", "http://127.0.0.1:1", {})
    server.start()
    server.stop()
    assert (tmp_path / "base" / "users.yaml").stat().st_mode & 0o077 == 0

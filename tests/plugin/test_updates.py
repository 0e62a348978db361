"""Software Update finds the releases of the repository that the metadata name, and is told nothing where none is named."""

from __future__ import annotations

import json
import logging
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from octoprint_spaghetti.updates import check_config, github_release, repository
from tests.e2e.conftest import OCTOPRINT_VERSIONS, ROOT, octoprint_python

#: Asks the real Software Update of an OctoPrint what it makes of our answer, with GitHub's address replaced.
_ASK = """
import json, logging, sys
from types import SimpleNamespace
sys.path[:0] = [sys.argv[2], sys.argv[1]]
from octoprint.plugins.softwareupdate import SoftwareUpdatePlugin
from octoprint.plugins.softwareupdate.updaters import pip
from octoprint.plugins.softwareupdate.version_checks import github_release
from octoprint_spaghetti.updates import check_config
github_release.RELEASE_URL = sys.argv[3] + "/{user}/{repo}"
check = check_config("spaghetti", "0.1.0", logging.getLogger())["spaghetti"]
plugin = object.__new__(SoftwareUpdatePlugin)
plugin._settings = SimpleNamespace(global_get=lambda path: None, get=lambda path: None, get_boolean=lambda path: False)
populated = SoftwareUpdatePlugin._populated_check(plugin, "spaghetti", check)
tried = {**populated, "prerelease": True, "prerelease_channel": "rc"}
print(json.dumps({
    "populated": populated,
    "stable": github_release.get_latest("spaghetti", populated),
    "candidate": github_release.get_latest("spaghetti", tried),
    "current": github_release.get_latest("spaghetti", {**populated, "current": "0.2.0"}),
    "pip": pip.can_perform_update("spaghetti", populated),
}))
"""
_COMMON = {"html_url": "", "draft": False, "published_at": "2026-11-01T12:00:00Z"}
_RELEASES = [
    {**_COMMON, "name": "0.3.0rc1", "tag_name": "0.3.0rc1", "prerelease": True, "target_commitish": "rc"},
    {**_COMMON, "name": "0.2.0", "tag_name": "0.2.0", "prerelease": False, "target_commitish": "main"},
]


class _Releases(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(_RELEASES if self.path == "/somebody/printer-watch" else []).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@pytest.fixture
def github():
    """Return the address of a website that lists releases as GitHub does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Releases)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def named(place: Path, address: str) -> Path:
    """Install metadata that name ``address`` as the repository, and nothing else; return where."""
    folder = place / "octoprint_spaghetti-0.1.0.dist-info"
    folder.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: octoprint-spaghetti\nVersion: 0.1.0\nProject-URL: Repository, {address}\n"
    (folder / "METADATA").write_text(text)
    return place


@pytest.mark.parametrize(
    ("urls", "found"),
    [
        (["Repository, https://github.com/somebody/printer-watch"], ("somebody", "printer-watch")),
        (["Homepage, https://example.org", "repository,https://github.com/a/b.git"], ("a", "b")),
        (["Repository, https://github.com/a/b.c/"], ("a", "b.c")),
        (["Repository, https://example.org/a/b"], None),
        (["Homepage, https://github.com/a/b"], None),
        (["Repository, https://github.com/a"], None),
        (["Repository, http://github.com/a/b"], None),
        ([], None),
    ],
)
def test_a_repository_is_known_by_the_metadata(urls: list[str], found: tuple[str, str] | None) -> None:
    """Only GitHub's releases can be asked for, over https, and only where the metadata call it the repository."""
    assert repository(urls) == found


def test_a_release_is_an_archive_of_its_tag() -> None:
    """Pip takes the archive that GitHub makes of the tag, which is the version."""
    pip = github_release("somebody", "printer-watch", "0.1.0")["pip"]
    assert pip.format(target_version="0.2.0") == "https://github.com/somebody/printer-watch/archive/0.2.0.zip"


def test_without_an_address_nothing_is_registered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Software Update is given no check, and the log says why to whoever looks closely."""
    monkeypatch.syspath_prepend(str(named(tmp_path, "https://example.org/nowhere")))
    caplog.set_level(logging.DEBUG)
    assert check_config("spaghetti", "0.1.0", logging.getLogger("test")) == {}
    assert [(record.levelname, "no repository" in record.message) for record in caplog.records] == [("DEBUG", True)]


@pytest.mark.parametrize("version", OCTOPRINT_VERSIONS)
def test_octoprints_software_update_finds_releases_and_candidates(version: str, github: str, tmp_path: Path) -> None:
    """The real one of each OctoPrint offers the newest release, on the other channel the candidate, and can install either."""
    place = named(tmp_path, "https://github.com/somebody/printer-watch")
    command = [octoprint_python(version), "-c", _ASK, str(ROOT), str(place), github]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["populated"]["displayName"] == "Spaghetti"
    assert said["populated"]["displayVersion"] == said["populated"]["current"] == "0.1.0"
    for channel, newest in (("stable", "0.2.0"), ("candidate", "0.3.0rc1")):
        information, is_current = said[channel]
        assert information["remote"]["value"] == newest
        assert not is_current
    assert said["current"][1]
    assert said["pip"]

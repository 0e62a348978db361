"""The plugin comes through OctoPrint's Plugin Manager, by upload and by address, and goes without leaving anything."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.webcam import Webcam
from tests.e2e.conftest import OCTOPRINT_VERSIONS, ROOT, eventually, octoprint_python
from tests.e2e.fresh_octoprint import (
    FileServer,
    ManagedOctoPrint,
    build_archives,
    collect_wheels,
    installed,
    without_the_plugin,
)

pytest.importorskip("build", reason="build is not installed; run scripts/test")

#: pip builds a wheel in an environment of its own, and compiles what it installs.
INSTALL_S = 240.0
#: What the plugin may bring beside itself, and what of it has a compiled part.
BROUGHT = {
    "octoprint-spaghetti",
    "grpcio",
    "protobuf",
    "apprise",
    "paho-mqtt",
    "requests-oauthlib",
    "oauthlib",
    "click",
    "tzdata",
}
COMPILED = {"grpcio", "protobuf"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return an sdist and a wheel of the checkout."""
    return build_archives(Path(sys.executable), tmp_path_factory.mktemp("built"))


@pytest.fixture
def website(archives: tuple[Path, Path], tmp_path: Path) -> Iterator[FileServer]:
    """Return a website with the sdist, and with lists of plugins and notices that name none."""
    place = tmp_path / "website"
    place.mkdir()
    shutil.copy(archives[0], place)
    for name in ("plugins.json", "notices.json"):
        (place / name).write_text("[]")
    with FileServer(place) as server:
        yield server


@pytest.fixture(params=OCTOPRINT_VERSIONS)
def managed(request: pytest.FixtureRequest, camera: Webcam, website: FileServer, tmp_path: Path) -> Iterator[ManagedOctoPrint]:
    """Return a running OctoPrint of each version that has never heard of the plugin."""
    version = request.param
    python = without_the_plugin(octoprint_python(version).parents[1], tmp_path / "environment")
    wheels = collect_wheels(python, ROOT / "scripts" / "locks" / f"octoprint-{version}.txt", tmp_path / "wheels")
    (tmp_path / "temporary").mkdir()
    with ManagedOctoPrint(python, tmp_path / "octoprint", camera.url, wheels, tmp_path / "temporary", website.url) as server:
        yield server


def test_the_wheel_holds_what_the_sdist_holds(archives: tuple[Path, Path]) -> None:
    """Templates, scripts, translations and the model are in both, and no test, no cache, no environment."""
    sdist, wheel = archives
    with tarfile.open(sdist) as tar, zipfile.ZipFile(wheel) as archive:
        source = {name.partition("/")[2] for name in tar.getnames() if not name.endswith("/")}
        built = set(archive.namelist())
    packaged = {name for name in built if name.startswith(("octoprint_spaghetti/", "inference_server/"))}
    assert packaged <= source
    for folder, suffix in (("static/js", ".js"), ("templates", ".jinja2"), ("static/css", ".css"), ("translations", ".mo")):
        files = list((ROOT / "octoprint_spaghetti" / folder).rglob(f"*{suffix}"))
        assert files
        assert {str(path.relative_to(ROOT)) for path in files} <= packaged
    assert {path for path in packaged if "__pycache__" in path or path.endswith(".pyc")} == set()
    assert "inference_server/models" in {path.rpartition("/")[0] for path in packaged}
    assert {"README.md", "LICENSE", "pyproject.toml"} <= source


@pytest.mark.timeout(900)
def test_it_comes_by_upload_and_by_address_and_leaves_nothing_behind(
    managed: ManagedOctoPrint,
    archives: tuple[Path, Path],
    website: FileServer,
    tmp_path: Path,
    browser_sees: Callable[[ManagedOctoPrint], None],
) -> None:
    """A wheel that is uploaded, then an sdist by its address: each works after a restart and is gone after the next."""
    sdist, wheel = archives
    before, files = installed(managed.python), belongings(managed)
    assert not managed.knows("spaghetti")

    managed.upload_plugin(wheel)
    await_installation(managed, 1)
    managed.restart()
    assert managed.plugin_status()["verdict"] == "off"
    assert managed.api("GET", "/api/setup/wizard").json()["spaghetti"]["required"]
    browser_sees(managed)
    check_what_came(before, installed(managed.python))

    managed.uninstall("spaghetti", cleanup=True)
    managed.restart()
    assert belongings(managed) - files == set()
    check_gone(managed)

    managed.install_from(f"{website.url}/{sdist.name}")
    await_installation(managed, 2)
    managed.restart()
    assert managed.plugin_status()["verdict"] == "off"

    managed.uninstall("spaghetti", cleanup=False)
    managed.restart()
    assert {name for name in belongings(managed) - files if not name.startswith("data/spaghetti")} == set()
    check_gone(managed)
    assert [name.name for name in (tmp_path / "temporary").iterdir() if "spaghetti" in name.name] == []
    assert [line for line in managed.log().splitlines() if " - ERROR - " in line or line.startswith("Traceback")] == []


@pytest.fixture
def browser_sees(request: pytest.FixtureRequest) -> Callable[[ManagedOctoPrint], None]:
    """Return a look with a real browser: the wizard is offered and the lamp is shown. Nothing without a browser."""
    try:
        browser = request.getfixturevalue("browser")
    except pytest.skip.Exception:
        return lambda server: None
    from playwright.sync_api import expect

    from tests.e2e.browser import OctoPrintPage

    def look(server: ManagedOctoPrint) -> None:
        page = OctoPrintPage.of(browser, server)
        expect(page.page.locator("#wizard_plugin_spaghetti")).to_be_visible()
        expect(page.lamp).to_be_visible()
        page.close()
        assert page.errors == []

    return look


def await_installation(server: ManagedOctoPrint, count: int) -> None:
    """Wait until the Plugin Manager has installed the plugin for the ``count``-th time."""

    def said(words: str) -> int:
        return server.log().count(words)

    eventually(lambda: said("The plugin was installed successfully") >= count or said("ERROR"), INSTALL_S, "an installation")
    assert said("The plugin was installed successfully") == count, server.log()[-3000:]


def check_what_came(before: dict[str, tuple[str, bool]], after: dict[str, tuple[str, bool]]) -> None:
    """Nothing of OctoPrint's own was changed, and of what came only gRPC and protobuf are compiled."""
    assert {name: after.get(name) for name in before} == before
    new = {name: compiled for name, (_, compiled) in after.items() if name not in before}
    assert set(new) <= BROUGHT
    assert {name for name, compiled in new.items() if compiled} == COMPILED


def check_gone(server: ManagedOctoPrint) -> None:
    """Neither OctoPrint nor its process knows of the plugin any more, and nothing that it started runs."""
    assert not server.knows("spaghetti")
    assert server.processes() == []
    libraries = Path(f"/proc/{server.pid}/maps").read_text()
    assert "cygrpc" not in libraries
    assert "octoprint_spaghetti" not in server.log().rpartition("Starting OctoPrint")[2]


def belongings(server: ManagedOctoPrint) -> set[str]:
    """Return the files below OctoPrint's folder by their names there, its logs and caches left out."""
    names = (str(path.relative_to(server.base)) for path in server.base.rglob("*") if path.is_file())
    passing = ("logs/", "generated/", "data/preemptive", "data/pluginmanager", "output.log", "config.", ".cache/")
    tools = (".rustup/",)  # pip asks rustc for its version, which makes itself at home
    return {name for name in names if not name.startswith((*passing, *tools))}

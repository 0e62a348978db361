"""An OctoPrint that has never heard of the plugin, with its Plugin Manager, and everything that pip may take within reach."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from demo.octoprint_server import OctoPrintServer

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).parents[2]
#: What a build in a copy of the checkout needs.
_PACKAGED = ("octoprint_spaghetti", "inference_server", "pyproject.toml", "setup.py", "README.md", "LICENSE")
#: What the plugin asks for, and what pip builds an archive with.
_WANTED = ("grpcio", "protobuf", "click", "apprise", "paho-mqtt", "setuptools", "wheel")
#: A download of some 10 MB, or none where pip has it.
_PIP_S = 300.0
#: Prints the names of all distributions that OctoPrint did not bring, pip's own left out.
_STRANGERS = """
import re
from importlib.metadata import distribution, distributions
from packaging.requirements import Requirement
canonical = lambda name: re.sub(r"[-_.]+", "-", name).lower()
installed = {canonical(one.metadata["Name"]): one for one in distributions()}
kept, waiting = {"pip", "setuptools", "wheel"}, ["octoprint"]
while waiting:
    name = waiting.pop()
    if name in kept or name not in installed:
        continue
    kept.add(name)
    wanted = map(Requirement, installed[name].requires or ())
    waiting += [canonical(one.name) for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
print("\\n".join(sorted(set(installed) - kept)))
"""
#: Prints what is installed, a name and a version in each line, with a star for what has a compiled part.
_INSTALLED = """
import re
from importlib.metadata import distributions
for one in distributions():
    compiled = any(str(file).endswith((".so", ".pyd")) for file in one.files or ())
    print(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version, "*" if compiled else "")
"""


def without_the_plugin(environment: Path, place: Path) -> Path:
    """Copy a virtual environment to ``place`` and remove from it all that OctoPrint did not bring; return its Python.

    The copy shares its files with the original: pip replaces files and writes into none.
    """
    shutil.copytree(environment, place, symlinks=True, copy_function=_link)
    python = place / "bin" / "python"
    strangers = subprocess.run([python, "-c", _STRANGERS], capture_output=True, text=True, check=True).stdout.split()
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "uninstall", "--yes", *strangers]
    if strangers:
        subprocess.run(command, check=True, timeout=_PIP_S, stdin=subprocess.DEVNULL)
    return python


def installed(python: Path) -> dict[str, tuple[str, bool]]:
    """Return the version of each distribution, and whether it has a compiled part."""
    lines = subprocess.run([python, "-c", _INSTALLED], capture_output=True, text=True, check=True).stdout.splitlines()
    return {name: (version, bool(star)) for name, version, *star in map(str.split, lines)}


def collect_wheels(python: Path, lock: Path, place: Path) -> Path:
    """Fetch what an installation needs into ``place``, as the environment's own package index has it."""
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--dest", place, "--prefer-binary"]
    subprocess.run([*command, "--constraint", lock, *_WANTED], check=True, timeout=_PIP_S, stdin=subprocess.DEVNULL)
    return place


def build_archives(python: Path, place: Path) -> tuple[Path, Path]:
    """Build an sdist, and a wheel from it, as ``python -m build`` does, from a copy of the checkout; return both."""
    checkout = place / "checkout"
    checkout.mkdir(parents=True)
    for name in _PACKAGED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, checkout / name)
    command = [python, "-m", "build", "--no-isolation", "--outdir", str(place / "dist"), str(checkout)]
    subprocess.run(command, check=True, timeout=_PIP_S, capture_output=True)
    return next((place / "dist").glob("*.tar.gz")), next((place / "dist").glob("*.whl"))


class FileServer:
    """Serves a folder on loopback."""

    def __init__(self, folder: Path) -> None:
        handler = partial(_QuietHandler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="files")

    @property
    def url(self) -> str:
        """The address of the folder."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FileServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


class ManagedOctoPrint(OctoPrintServer):
    """An OctoPrint with its Plugin Manager, whose pip has a folder of wheels and nothing else."""

    def __init__(self, python: Path, base: Path, camera_url: str, wheels: Path, temporary: Path, lists_url: str) -> None:
        """Take lists of plugins and notices from ``lists_url``, wheels from ``wheels``; put what is passing into ``temporary``."""
        super().__init__(python, base, camera_url, {})
        base.mkdir()
        self._lists_url = lists_url
        self.folder = base  # not in the checkout, which holds the plugin
        self._given = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_CONFIG_FILE": os.devnull,
            "TMPDIR": str(temporary),
        }

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **self._given}

    def configuration(self) -> dict[str, Any]:
        config = super().configuration()
        config["plugins"]["_disabled"].remove("pluginmanager")
        lists = {"repository": f"{self._lists_url}/plugins.json", "notices": f"{self._lists_url}/notices.json"}
        config["plugins"]["pluginmanager"] = lists
        return config

    def restart(self) -> None:
        """Stop it and start it again with the same files."""
        self.stop()
        self.start()
        self.wait_ready()

    def knows(self, identifier: str) -> bool:
        """Return whether the Plugin Manager lists a plugin."""
        plugins = self.api("GET", "/plugin/pluginmanager/plugins").json()["plugins"]
        return any(plugin["key"] == identifier for plugin in plugins)

    def upload_plugin(self, archive: Path) -> None:
        """Let the Plugin Manager install an archive that is uploaded; returns before it is done."""
        with archive.open("rb") as stream:
            self.api("POST", "/plugin/pluginmanager/upload_file", files={"file": (archive.name, stream)})

    def install_from(self, url: str) -> None:
        """Let the Plugin Manager install an archive from an address; returns before it is done."""
        self.api("POST", "/api/plugin/pluginmanager", json={"command": "install", "url": url})

    def uninstall(self, identifier: str, *, cleanup: bool) -> None:
        """Let the Plugin Manager uninstall a plugin, with its data and settings for ``cleanup``; blocks until it has."""
        self.api("POST", "/api/plugin/pluginmanager", json={"command": "uninstall", "plugin": identifier, "cleanup": cleanup})

    def log(self) -> str:
        """Return what OctoPrint has logged so far."""
        return self.log_path.read_text(errors="replace")

    def processes(self) -> list[int]:
        """Return the ids of all processes that OctoPrint has started and that still run, its own left out."""
        groups = {int(path.name): _group(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
        return [pid for pid, group in groups.items() if group == self.pid and pid != self.pid]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _group(process: Path) -> int:
    """Return the process group, 0 of a process that has just ended."""
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except OSError:
        return 0

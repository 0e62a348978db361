"""What is noticed about the place we run in: planted readings, and a real copy of the package that is replaced while it runs."""

from __future__ import annotations

import ast
import logging
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from octoprint_spaghetti import parts
from octoprint_spaghetti.adapters.installation import Installation, version_on_disk
from octoprint_spaghetti.adapters.memory import read_memory
from octoprint_spaghetti.core.checkup import Facts, examine
from octoprint_spaghetti.core.memory import Reading
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.testing import FakeClock
from octoprint_spaghetti.upkeep import EVERY_S, Upkeep

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "octoprint_spaghetti"


class Place:
    """Readings and files to be changed by a test."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.reading = Reading(130.0, 500.0)
        self.replaced = False
        self.looks = 0
        self.upkeep = Upkeep(read=self.read, is_replaced=lambda: self.replaced, new_version=lambda: "9.9.9", monotonic=self.clock)

    def read(self) -> Reading:
        self.looks += 1
        return self.reading

    def later(self, printing: bool = True) -> tuple[str, ...]:
        self.clock.forward(EVERY_S)
        return self.upkeep.look(printing)


def test_nothing_is_remarked_where_all_is_well_and_nobody_looks_too_often() -> None:
    """A status is published with every picture; the computer is looked at every half minute."""
    place = Place()
    for _ in range(100):
        assert place.upkeep.look(True) == ()
        place.clock.forward(0.5)
    assert place.looks == 2


def test_each_remark_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The megabytes that are left change with each look; the line in the log is about the fact."""
    place = Place()
    with caplog.at_level(logging.WARNING):
        for left in (50.0, 45.0, 40.0):
            place.reading = Reading(130.0, left)
            assert f"{left:.0f} MB left" in place.later()[0]
        place.reading = Reading(130.0, 900.0)
        assert place.later() == ()
    assert len(caplog.records) == 1


def test_an_upgrade_in_mid_print_is_named_and_so_is_what_to_do() -> None:
    """While the print runs it can wait; after it OctoPrint wants to be restarted."""
    place = Place()
    assert place.later() == ()
    place.replaced = True
    assert "(0.1.0 to 9.9.9) while this print runs; the old version goes on watching." in place.later()[0]
    assert "the old version still runs; restart OctoPrint" in place.upkeep.look(False)[0]


@pytest.mark.parametrize(
    ("facts", "answer", "well"),
    [
        (Facts(Settings(), status={}, remarks=("Memory is short.",)), "Memory is short.", False),
        (Facts(Settings(), status={}), "Yes.", True),
        (Facts(Settings()), "Not known.", None),
    ],
    ids=["remarked", "nothing remarked", "from a shell"],
)
def test_the_doctor_tells_what_is_remarked(facts: Facts, answer: str, well: bool | None) -> None:
    """Only the running plugin looks at its computer; a shell cannot tell."""
    found = next(one for one in examine(facts) if "computer well" in one.question)
    assert (found.answer, found.well) == (answer, well)


def test_the_systems_own_numbers_are_read() -> None:
    """This process takes more than a megabyte and less than the computer; it is the system that says so."""
    if not Path("/proc/meminfo").exists():
        assert read_memory() == Reading()
        return
    reading = read_memory()
    assert reading.own_mb is not None and reading.available_mb is not None
    assert reading.own_mb > 1.0
    assert reading.available_mb > 1.0


def test_a_file_that_was_written_again_is_another_one(tmp_path: Path) -> None:
    """As pip does it: the new file takes the place of the old one. What was noticed stays noticed."""
    file = tmp_path / "part.py"
    file.write_text("old = True\n")
    module = type(sys)("octoprint_spaghetti.part")
    module.__file__ = str(file)
    installed = Installation({module.__name__: module})
    assert not installed.is_replaced()
    os.utime(file, (0, 0))
    assert installed.is_replaced()
    file.unlink()
    assert installed.is_replaced()


def test_a_module_that_is_loaded_later_belongs_to_what_runs() -> None:
    """What was imported after the start, before any upgrade, is watched too."""
    loaded: dict[str, type(sys)] = {}  # type: ignore[valid-type]
    installed = Installation(loaded)
    loaded["octoprint_spaghetti"] = sys.modules["octoprint_spaghetti"]
    assert not installed.is_replaced()
    assert list(installed._read) == [sys.modules["octoprint_spaghetti"].__file__]


@pytest.mark.parametrize(("content", "found"), [('x = 1\n__version__ = "0.2.0"\n', "0.2.0"), ("", ""), ('__version__ = "', "")])
def test_the_version_on_the_disk_is_read_without_running_it(tmp_path: Path, content: str, found: str) -> None:
    """In the middle of an upgrade the file may be empty, cut, or gone."""
    init = tmp_path / "__init__.py"
    assert version_on_disk(init) == ""
    init.write_text(content)
    assert version_on_disk(init) == found


def late_imports(file: Path) -> set[str]:
    """Return the modules of ours that functions of a file import."""
    functions = (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef))
    return {
        str(node.module)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("octoprint_spaghetti")
    }


def test_everything_that_is_imported_late_is_known_to_who_imports_it_before_a_print() -> None:
    """A late import that is not in the list would load new code into an old process after an upgrade."""
    in_octoprint = [PACKAGE / "plugin.py", PACKAGE / "parts.py", *PACKAGE.glob("*_api.py"), *(PACKAGE / "adapters").rglob("*.py")]
    late = set().union(*map(late_imports, in_octoprint))
    for_a_shell = {"octoprint_spaghetti.adapters.local"}
    assert late - for_a_shell == {*parts.LATE, "octoprint_spaghetti.adapters.triton"}


#: Runs beside a copy of the package: begins a print, is upgraded under its feet, and goes on with other settings.
UPGRADED = """
    import pathlib, shutil, sys
    sys.path.insert(0, sys.argv[1])
    from octoprint_spaghetti import parts, __file__ as init
    from octoprint_spaghetti.core.errors import SpaghettiError
    from octoprint_spaghetti.core.settings import Settings
    from octoprint_spaghetti.upkeep import Upkeep
    assert pathlib.Path(init).parents[1] == pathlib.Path(sys.argv[1]), init
    upkeep = Upkeep()
    url = "http://127.0.0.1:9/"
    begun = Settings(camera_source="snapshot", camera_url=url, detector=sys.argv[3], fallback=sys.argv[3] == "local")
    parts.build_parts(begun)
    print("before:", *upkeep.look(True))
    package = pathlib.Path(sys.argv[1], "octoprint_spaghetti")
    shutil.rmtree(package)
    pathlib.Path(sys.argv[2]).rename(package)
    print("after:", *upkeep.look(False), *upkeep.look(True))
    for changes in ({}, {"camera_source": "mjpeg"}, {"detector": "local"}, {"detector": "server", "fallback": False}):
        other = Settings(**{**dict(camera_source="snapshot", camera_url=url, fallback=True), **changes})
        try:
            parts.build_parts(other)
            print("built", changes)
        except (SpaghettiError, ImportError) as error:
            print("not built", changes, type(error).__name__, error)
"""


@pytest.mark.skipif(bool(parts.missing_here()), reason=parts.missing_here())
@pytest.mark.parametrize("began_with", ["server", "local"])
def test_a_package_that_is_replaced_while_it_runs_is_survived(tmp_path: Path, began_with: str) -> None:
    """The old version goes on, builds what other settings ask for of old code, and says that it was upgraded.

    Every file of the new version would end the process that imports it.
    """
    old, new = tmp_path / "site" / "octoprint_spaghetti", tmp_path / "newer"
    ignored = shutil.ignore_patterns("__pycache__", "static", "templates", "translations")
    for place in (old, new):
        shutil.copytree(PACKAGE, place, ignore=ignored)
    for file in new.rglob("*.py"):
        file.write_text("import os\nprint('new code ran', __name__, flush=True)\nos._exit(9)\n")
    (new / "__init__.py").write_text('__version__ = "9.9.9"\nimport os\nos._exit(9)\n')
    command = [sys.executable, "-P", "-c", textwrap.dedent(UPGRADED), str(tmp_path / "site"), str(new), began_with]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    before, after, *built = ran.stdout.splitlines()
    assert before == "before:"
    assert "restart OctoPrint" in after and "(0.1.0 to 9.9.9) while this print runs" in after
    refused = [line for line in built if line.startswith("not built")]
    assert len(built) == 4
    if began_with == "server":
        assert refused == []
    else:  # what was never loaded is not loaded now
        assert len(refused) == 1
        assert "restart OctoPrint before you switch to a server" in refused[0]

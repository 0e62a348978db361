"""Take the pictures of the documentation, and one of each page at three widths: ``python -m tests.e2e.screenshots FOLDER``.

A rendered print goes wrong before a real OctoPrint and a real Triton and is paused; about three minutes.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from playwright.sync_api import Browser, sync_playwright

from demo.frames import SceneFrames
from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.model_files import default_model
from inference_server.repository import assemble
from inference_server.scene import Scene
from inference_server.triton import TritonServer
from tests.e2e.browser import CHROMIUM_FLAGS, PHONE_WIDTH, OctoPrintPage, find_chromium

ROOT = Path(__file__).parents[2]
WIDTHS = (1400, 1024, PHONE_WIDTH)
#: Seconds for each frame of the scene, and the frames before and after the part comes loose.
_PACE_S, _GOOD, _FAILING = 1.0, 45, 150
#: Waiting for the pause, s.
_PAUSE_S = 180.0
_SETTINGS = {"interval": 1.0, "first_layers_interval": 1.0, "suspect_interval": 1.0, "warm_up": 5.0, "deadline": 5.0}
_READY_S = 120.0
#: The documentation's pictures, px.
_README_WH = (1080, 840)
#: Windows in which the longest settings page and the wizard fit, px, and the time in which OctoPrint's dialogs follow it, ms.
_SETTINGS_PX, _WIZARD_PX, _SETTLING_MS = 14_000, 1800, 600


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--octoprint", "version", default="1.11.8", show_default=True, help="OctoPrint's version.")
def main(folder: Path, version: str) -> None:
    """Write the pictures into FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    python = ROOT / ".venv" / f"octoprint-{version}" / "bin" / "python"
    with ExitStack() as parts:
        place = Path(parts.enter_context(TemporaryDirectory()))
        frames = parts.enter_context(closing(SceneFrames(Scene(7, frames=_GOOD + _FAILING, failure_at=_GOOD))))
        webcam = parts.enter_context(Webcam(frames, _PACE_S))
        triton = TritonServer(assemble(place / "models", profile="cpu", model=default_model(), cores=1), log=place / "triton.log")
        parts.callback(triton.stop)
        triton.start()
        triton.wait_ready(_READY_S)
        browser = parts.enter_context(sync_playwright()).chromium.launch(
            executable_path=find_chromium(), args=list(CHROMIUM_FLAGS)
        )
        parts.callback(browser.close)
        settings = {"spaghetti": {**_SETTINGS, "servers": [triton.target]}}
        server = parts.enter_context(OctoPrintServer(python, place / "octoprint", webcam.url, settings))
        frames.jpeg(0)
        webcam.play()
        server.upload_and_print("vase.gcode", print_lasting(minutes=20))
        _await_pause(server)
        _take_for_readme(browser, server, folder)
        for width in WIDTHS:
            _take(browser, server, width, folder)
        fresh = parts.enter_context(OctoPrintServer(python, place / "fresh", webcam.url, {}))
        for width in WIDTHS:
            _take_wizard(browser, fresh, width, folder)


def _await_pause(server: OctoPrintServer) -> None:
    end = time.monotonic() + _PAUSE_S
    while server.printer_state() != "Paused":
        if time.monotonic() > end:
            raise click.ClickException(f"the print was not paused within {_PAUSE_S:.0f} s: {server.plugin_status()['sentence']}")
        time.sleep(1.0)


def _take_for_readme(browser: Browser, server: OctoPrintServer, folder: Path) -> None:
    page = OctoPrintPage.of(browser, server, _README_WH[0])
    page.page.set_viewport_size({"width": _README_WH[0], "height": _README_WH[1]})
    page.show_tab()
    page.page.wait_for_selector("#tab_plugin_spaghetti .spaghetti_picture_loaded")
    page.page.evaluate("() => window.scrollTo(0, 0)")
    page.page.screenshot(path=folder / "tab.png")
    page.open_settings()
    page.run_test()
    page.page.screenshot(path=folder / "settings.png")
    _complain(page, _README_WH[0])


def _take(browser: Browser, server: OctoPrintServer, width: int, folder: Path) -> None:
    page = OctoPrintPage.of(browser, server, width)
    page.show_tab()
    page.page.wait_for_selector("#tab_plugin_spaghetti .spaghetti_picture_loaded")
    page.page.evaluate("() => window.scrollTo(0, 0)")
    page.page.screenshot(path=folder / f"tab-{width}.png")
    page.page.locator("#tab_plugin_spaghetti").screenshot(path=folder / f"tab-whole-{width}.png")
    page.page.locator("#tab_plugin_spaghetti .spaghetti_incidents [aria-expanded]").first.click()
    page.page.wait_for_selector("#tab_plugin_spaghetti .spaghetti_pictures .spaghetti_picture_loaded")
    page.page.locator("#tab_plugin_spaghetti .spaghetti_incidents").screenshot(path=folder / f"incidents-{width}.png")
    page.page.evaluate("() => window.scrollTo(0, 0)")
    page.lamp.click()
    page.page.wait_for_selector("#spaghetti_popover .spaghetti_picture_loaded")
    page.page.screenshot(path=folder / f"popover-{width}.png")
    page.page.keyboard.press("Escape")
    page.open_settings()
    page.run_test()
    page.page.evaluate("() => document.querySelectorAll('#settings_plugin_spaghetti details').forEach(one => (one.open = true))")
    page.page.screenshot(path=folder / f"settings-{width}.png")
    page.page.set_viewport_size({"width": width, "height": _SETTINGS_PX})  # a dialog is as high as the window at most
    page.page.wait_for_timeout(_SETTLING_MS)
    page.page.locator("#settings_plugin_spaghetti").screenshot(path=folder / f"settings-whole-{width}.png")
    _complain(page, width)


def _take_wizard(browser: Browser, server: OctoPrintServer, width: int, folder: Path) -> None:
    page = OctoPrintPage.of(browser, server, width)
    page.page.wait_for_selector("#wizard_plugin_spaghetti", state="visible")
    page.page.set_viewport_size({"width": width, "height": _WIZARD_PX})
    page.page.wait_for_timeout(_SETTLING_MS)
    page.page.locator("#wizard_dialog").screenshot(path=folder / f"wizard-{width}.png")
    _complain(page, width)


def _complain(page: OctoPrintPage, width: int) -> None:
    page.close()
    for error in page.errors:
        click.echo(f"{width} px: {error}", err=True)


if __name__ == "__main__":
    main()

"""OctoPrint's page in a real Chromium, in the words of the tests: open the settings, fill in a field, look at the lamp."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from demo.octoprint_server import OctoPrintServer

#: Names under which Linux distributions ship it.
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Nothing that talks to the internet, and no sandbox, which containers do not allow.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: OctoPrint's page needs 2 to 4 s on a PC that does nothing else.
PAGE_MS = 60_000
#: A step of the test may wait for the camera's and the frame's deadlines.
ANSWER_MS = 60_000
#: What is looked for comes at once, or with OctoPrint's next answer, which a busy machine may hold back for seconds.
expect.set_options(timeout=30_000)
#: OctoPrint's page is 940 px wide at least; plugins for phones and touch screens narrow it like this.
PHONE_LAYOUT = """
    .container, .octoprint-container { width: auto !important; margin: 0 6px !important; }
    .row, .row-fluid { margin: 0 !important; }
    .span3, .span4, .span8, .span9 { float: none !important; width: auto !important; margin: 0 !important; }
    #settings_dialog { left: 5px !important; right: 5px !important; width: auto !important; margin: 0 !important; }
    #settings_dialog_menu { display: none; }
"""
PHONE_WIDTH = 390


def find_chromium() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


@dataclass
class OctoPrintPage:
    """One logged-in browser window. ``errors`` collects what the browser's console and scripts complained of."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @classmethod
    def open(
        cls, browser: Browser, url: str, user: str, password: str, width: int = 1400, locale: str = "en-US"
    ) -> OctoPrintPage:
        """Log in and wait until the page can be used."""
        context = browser.new_context(viewport={"width": width, "height": 900}, locale=locale)
        context.set_default_timeout(PAGE_MS)
        log_in(context, url, user, password)
        opened = cls(context.new_page())
        opened._listen()
        opened.page.goto(url, wait_until="domcontentloaded")
        opened.page.wait_for_selector("#page-container-loading", state="hidden", timeout=PAGE_MS)
        if width <= PHONE_WIDTH:
            opened.page.add_style_tag(content=PHONE_LAYOUT)
        return opened

    @classmethod
    def of(cls, browser: Browser, octoprint: OctoPrintServer, width: int = 1400) -> OctoPrintPage:
        """Log in to the server as its administrator."""
        return cls.open(browser, octoprint.url, octoprint.login.user, octoprint.login.password, width)

    def close(self) -> None:
        """Close the window and forget its cookies."""
        self.page.context.close()

    # -- settings -------------------------------------------------------------------------------------------------------

    def open_settings(self) -> None:
        """Open the settings dialog at the plugin's page."""
        self.page.click("#navbar_show_settings")
        self.page.wait_for_selector("#settings_dialog", state="visible")
        self.page.evaluate("() => $('#settings_plugin_spaghetti_link a').tab('show')")
        self.page.wait_for_selector("#settings_plugin_spaghetti.active")

    def save_settings(self) -> None:
        """Press Save and wait until the dialog is gone."""
        self.page.click("#settings_dialog > .modal-footer button.btn-primary")
        self.page.wait_for_selector("#settings_dialog", state="hidden")

    def setting(self, name: str) -> Locator:
        """Return the row of a setting: label, input, sentence, and what is wrong."""
        return self.page.locator(f'[data-setting="{name}"]')

    def input(self, name: str) -> Locator:
        """Return the input of a setting."""
        return self.page.locator(f"#spaghetti_{name}")

    def problem(self, name: str) -> Locator:
        """Return what the page says is wrong with a setting."""
        return self.page.locator(f"#spaghetti_{name}_problem")

    def run_test(self) -> str:
        """Press the Test button and return the sentence that it ends with."""
        self.page.click("#spaghetti_test")
        expect(self.page.locator("#spaghetti_test")).to_be_enabled(timeout=ANSWER_MS)
        return self.page.locator(".spaghetti_answer").inner_text()

    def steps(self) -> list[str]:
        """Return the state of each step of the test: ``passed``, ``broken``, ``skipped`` or ``waiting``."""
        classes = self.page.locator(".spaghetti_step").evaluate_all("steps => steps.map(step => step.className)")
        return [str(name).rsplit("_", 1)[-1] for name in classes]

    # -- the watch ------------------------------------------------------------------------------------------------------

    @property
    def lamp(self) -> Locator:
        """The lamp in the navbar."""
        return self.page.locator("#spaghetti_lamp")

    @property
    def tab(self) -> Locator:
        """The plugin's tab."""
        return self.page.locator("#tab_plugin_spaghetti")

    def show_tab(self, name: str = "tab_plugin_spaghetti") -> None:
        """Show a tab, also when it hides in the drop-down."""
        self.page.evaluate("name => $(`#${name}_link a`).tab('show')", name)
        self.page.wait_for_selector(f"#{name}.active")

    def receive(self, message: dict[str, Any]) -> None:
        """Let the page act as if the server had pushed ``message``; from then on it hears nothing of the server's own."""
        self.page.wait_for_function("() => jQuery.active === 0")  # an answer on its way would bring the status of now
        self.page.evaluate(
            """message => {
                const model = ko.dataFor(document.querySelector('#tab_plugin_spaghetti'));
                model.heard = model.heard || model.onDataUpdaterPluginMessage;
                model.onDataUpdaterPluginMessage = () => {};
                model.heard('spaghetti', message);
            }""",
            message,
        )

    def await_statuses(self, count: int, milliseconds: float) -> None:
        """Wait until the server has pushed ``count`` further statuses."""
        self.page.evaluate(
            """count => {
                window.statusesToCome = count;
                ko.dataFor(document.querySelector('#tab_plugin_spaghetti')).status.subscribe(() => window.statusesToCome--);
            }""",
            count,
        )
        self.page.wait_for_function("() => window.statusesToCome <= 0", timeout=milliseconds)

    def overflow(self, selector: str) -> int:
        """Return by how many pixels an element or anything in it is wider than its room."""
        return int(self.page.locator(selector).evaluate("element => element.scrollWidth - element.clientWidth"))

    def draw_picture(
        self, url: str, detections: list[dict[str, Any]], camera: dict[str, bool]
    ) -> tuple[tuple[float, float, float, float], float]:
        """Draw a picture with the page's own binding; return its first box in fractions of what is seen, and width by height."""
        self.page.evaluate(
            """([url, detections, camera]) => {
                document.querySelector('#drawn')?.parentNode.remove();
                const room = document.body.appendChild(document.createElement('div'));
                room.style.cssText = 'position: fixed; left: 0; top: 0; width: 300px; z-index: 9999';
                room.innerHTML = '<div id="drawn" data-bind="spaghettiPicture: picture"></div>';
                ko.applyBindings({picture: {url, detections, camera, alt: ''}}, room.firstChild);
            }""",
            [url, detections, camera],
        )
        self.page.wait_for_selector("#drawn.spaghetti_picture_loaded")
        seen, box = self.page.locator("#drawn").bounding_box(), self.page.locator("#drawn .spaghetti_box").bounding_box()
        assert seen is not None and box is not None
        left, top = (box["x"] - seen["x"]) / seen["width"], (box["y"] - seen["y"]) / seen["height"]
        return (left, top, left + box["width"] / seen["width"], top + box["height"] / seen["height"]), seen["width"] / seen[
            "height"
        ]

    def pictures_loaded(self) -> int:
        """Return how often the page asked for the last picture."""
        return sum("/plugin/spaghetti/frame.jpg" in url for url in self.requests)

    # -- what went wrong ------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))


def log_in(context: BrowserContext, url: str, user: str, password: str) -> None:
    """Log the browser in, as the login page does."""
    context.request.get(f"{url}/login/", timeout=PAGE_MS)  # hands out the CSRF cookie
    token = next(cookie["value"] for cookie in context.cookies() if cookie["name"].startswith("csrf_token"))
    answer = context.request.post(
        f"{url}/api/login",
        data={"user": user, "pass": password, "remember": False},
        headers={"X-CSRF-Token": token},
        timeout=PAGE_MS,
    )
    assert answer.ok, f"the login answered {answer.status}"

"""The pages in German, in a real Chromium that asks for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Mode, Webcam
from octoprint_spaghetti.core.sentence import joined, say, with_parts
from tests.e2e.conftest import a_print
from tests.e2e.evidence import keep_incident
from tests.receiver import Receiver

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import ANSWER_MS, OctoPrintPage  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

#: A camera that fails is blind after 10 s, and each status takes half a second; a busy machine may take longer.
BLIND_MS = 60_000


@pytest.fixture
def german(browser: Browser, any_octoprint: OctoPrintServer) -> Iterator[OctoPrintPage]:
    """Return the page of each OctoPrint version as a browser gets it that asks for German."""
    login = any_octoprint.login
    page = OctoPrintPage.open(browser, any_octoprint.url, login.user, login.password, width=1024, locale="de-DE")
    yield page
    page.close()
    assert page.errors == []


def test_the_pages_speak_german_to_who_asks_for_it(german: OctoPrintPage) -> None:
    """Templates, scripts and the sentences of the settings are translated, in each OctoPrint version; nothing gets too wide."""
    expect(german.lamp).to_contain_text("Aus")
    german.show_tab()
    expect(german.tab).to_contain_text("Vorfälle")
    expect(german.tab).to_contain_text("Nichts druckt, also sieht niemand hin.")
    german.open_settings()
    expect(german.setting("interval")).to_contain_text("Zeit zwischen zwei Bildern eines ruhigen Drucks.")
    expect(german.setting("local_share")).to_contain_text("% eines Kerns")
    german.input("interval").fill("1000")
    expect(german.problem("interval")).to_have_text("Muss eine Zahl von 0.5 bis 60 s sein.")
    german.input("interval").fill("5")
    german.run_test()
    assert german.overflow("#settings_plugin_spaghetti") <= 0


def test_what_the_watch_says_is_german_while_it_prints(
    german: OctoPrintPage, any_octoprint: OctoPrintServer, camera: Webcam
) -> None:
    """The lamp's tooltip and the tab say in German how things are and why nobody sees the print; programs still read English."""
    with a_print(any_octoprint):
        german.show_tab()
        said = german.tab.locator(".spaghetti_sentence").first
        expect(said).to_have_text(re.compile(r"Aufwärmen: |Spaghetti in \d+ von \d+ Bildern der letzten"), timeout=ANSWER_MS)
        expect(german.lamp).to_have_attribute("title", re.compile(r"Der Druck wird angesehen|Belegstärke"), timeout=ANSWER_MS)
        camera.mode = Mode.HTTP500
        try:
            blind = re.compile(r"Blind\. Die Kamera hat mit Status 500 geantwortet; ")
            expect(german.lamp).to_have_attribute("title", blind, timeout=BLIND_MS)
            expect(said).to_have_text(re.compile("Die Kamera hat mit Status 500 geantwortet; "))
            expect(german.page.locator(".ui-pnotify-text")).to_contain_text("Die Kamera hat mit Status 500 geantwortet; ")
            assert any_octoprint.plugin_status()["sentence"].startswith("The camera answered with status 500; ")
        finally:
            camera.mode = Mode.OK
    expect(german.lamp).to_have_attribute("title", re.compile(r"Es läuft kein Druck\. Der letzte: \d+ % von .* bewacht"))


def test_what_the_server_refuses_is_refused_in_german(german: OctoPrintPage) -> None:
    """Refused settings, a refused test and the fire drill speak the language of the page that asked."""
    refused = german.page.evaluate(
        """async () => {
            const client = OctoPrint.plugins.spaghetti;
            const imported = await client.importSettings({settings: {interval: 1000, zones: [[[0, 0], [1, 1]]]}});
            const tested = await new Promise((done) => client.test({servers: "nowhere"}).fail((xhr) => done(xhr.responseJSON.error)));
            return [...imported.refused.map((one) => one.sentence), tested];
        }"""
    )
    assert refused == [
        "interval muss eine Zahl von 0.5 bis 60 s sein, nicht 1000",
        "zones: [[0, 0], [1, 1]] ist keine Liste von Ecken wie [[0, 0], [1, 0], [1, 1]] (eine Zone braucht mindestens drei Ecken)",
        "servers: 'nowhere' ist keine Adresse wie 192.0.2.7:8001 (Rechner:Port, ohne http://)",
    ]
    german.errors[:] = [error for error in german.errors if "400 (BAD REQUEST)" not in error]  # the browser tells of it too
    german.open_settings()
    german.page.click("#spaghetti_drill")
    drill = german.page.locator("#spaghetti_drill_said")
    expect(drill).to_contain_text(re.compile("Die Feuerwehrübung ist (bestanden|misslungen)"), timeout=2 * ANSWER_MS)
    expect(german.page.locator("#settings_plugin_spaghetti")).to_contain_text(re.compile(r"Knäuel\s+Wert [01]\.\d\d von "))


def test_an_incident_is_told_in_german_or_as_it_was_written(german: OctoPrintPage, any_octoprint: OctoPrintServer) -> None:
    """The list shows the explanation in German; an older version kept the English text alone, and that stays readable."""
    paused = say("The print is paused: %(why)s", why=say("Warming up: the print is looked at, nothing is judged yet."))
    kept = {"neu.gcode": paused, "alt.gcode": str(paused)}
    ids = [f"20310102T030405Z-22{number}" for number in range(len(kept))]
    for incident_id, (name, explanation) in zip(ids, kept.items()):
        keep_incident(any_octoprint, name, 1, incident_id, explanation)
    german.show_tab()
    new, old = (german.tab.locator(".spaghetti_incidents > li", has_text=name) for name in kept)
    expect(new).to_contain_text("Der Druck ist pausiert: Aufwärmen: Der Druck wird angesehen")
    expect(old).to_contain_text("The print is paused: Warming up: ")
    for incident_id in ids:
        any_octoprint.api("DELETE", f"/plugin/spaghetti/incidents/{incident_id}")


def test_parts_that_do_not_fit_leave_the_english_text(german: OctoPrintPage) -> None:
    """An incident's file may have been written by anybody, and a language pack may name a place that is none."""
    told = german.page.evaluate(
        """() => {
            const template = "The print is paused: %(why)s";
            const [fits, nested] = [{template, values: {why: "x"}}, {template, values: {why: {template: "%(no)s", values: {}}}}];
            const explained = (explanation_parts) => ({explanation: "Paused.", ...(explanation_parts ? {explanation_parts} : {})});
            return SpaghettiSentences.translate([null, fits, nested, {template: 1}, "x", {template: "%", values: {}}].map(explained))
                .map((one) => one.explanation);
        }"""
    )
    assert told == ["Paused.", "Der Druck ist pausiert: x", "Paused.", "Paused.", "x", "Paused."]


def test_octoprints_health_report_is_german(german: OctoPrintPage) -> None:
    """What the server found bad is listed in the page's language."""
    sentences = [joined((say("Is my print watched?"), say("No: watching is switched off in the settings.")))]
    html = german.page.evaluate(
        """context => {
            const models = OCTOPRINT_VIEWMODELS.map((model) => model.construct || model[0]);
            const ours = new (models.find((construct) => construct.name === "SpaghettiHealthViewModel"))();
            return ours.getAdditionalHealthCheckHandlers().spaghetti("warning", context).html;
        }""",
        with_parts({"sentences": sentences}),
    )
    assert html == "<ul><li>Wird mein Druck bewacht? Nein: Die Wache ist in den Einstellungen ausgeschaltet.</li></ul>"


def test_messages_speak_octoprints_default_language(any_octoprint: OctoPrintServer) -> None:
    """A phone gets the test and the drill in German where OctoPrint is German for all; no browser is asked."""
    with Receiver() as receiver:
        added = any_octoprint.api("POST", "/plugin/spaghetti/channels", json={"address": receiver.address("hook")}).json()
        channel = added["channels"][0]["id"]
        try:
            default_language(any_octoprint, "de")
            any_octoprint.api("POST", "/plugin/spaghetti/channels/test", json={"id": channel})
            any_octoprint.api("POST", "/plugin/spaghetti/drill", json={})
        finally:
            default_language(any_octoprint, "_default")
            any_octoprint.api("DELETE", f"/plugin/spaghetti/channels/{channel}")
        test, drill = (request.json for request in receiver.requests)
    assert test["title"] == "Test einer Nachricht"
    assert test["message"].startswith("So sieht eine Nachricht deines Druckers aus.")
    assert drill["title"].endswith("Feuerwehrübung")
    assert drill["message"].startswith("Feuerwehrübung, mit deinem Druck ist alles in Ordnung. Die Feuerwehrübung ist ")


def default_language(octoprint: OctoPrintServer, language: str) -> None:
    octoprint.api("POST", "/api/settings", json={"appearance": {"defaultLanguage": language}})

"""Every text has its translation, with the same places for values, and what OctoPrint loads is what was edited."""

from __future__ import annotations

import gettext
import re
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("babel", reason="Babel is not installed; run scripts/test")

from babel.messages.mofile import read_mo  # noqa: E402 - only after it is known that it can be imported

from scripts import translations  # noqa: E402

LANGUAGES = translations.languages()
_PLACE = re.compile(r"%\(\w+\)[+.\d]*[a-z]|%%")


def test_there_is_german() -> None:
    """English stands in the code; German beside it."""
    assert LANGUAGES == ["de"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    """What a person reads in the pages is there in each language; run scripts/translations.py after a text has changed."""
    known = {message.id: message.string for message in translations.read(language) if message.id}
    wanted = {message.id for message in translations.catalog() if message.id}
    assert sorted(text for text in wanted if not known.get(text)) == []
    assert sorted(set(known) - wanted) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_same_places_for_values(language: str) -> None:
    """A value that has no place, or a place that has no value, breaks the page in that language alone."""
    for message in translations.read(language):
        if message.id and message.string:
            assert sorted(_PLACE.findall(message.string)) == sorted(_PLACE.findall(message.id)), message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_loaded_is_what_was_edited(language: str) -> None:
    """The compiled file is as new as the text; scripts/translations.py compiles it."""
    shipped = gettext.GNUTranslations(BytesIO(translations.po_file(language).with_suffix(".mo").read_bytes()))
    for message in translations.read(language):
        if message.id and message.string:
            assert shipped.gettext(message.id) == message.string


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("octoprint", sorted(translations.ROOT.glob(".venv/octoprint-*")), ids=lambda path: path.name)
def test_no_word_of_octoprint_is_said_in_another_way(octoprint: Path, language: str) -> None:
    """OctoPrint throws all catalogues into one: another word for "Print" would stand on its own button. Reword the text then."""
    [file] = octoprint.glob(f"lib/python*/site-packages/octoprint/translations/{language}/LC_MESSAGES/messages.mo")
    with file.open("rb") as stream:
        theirs = {str(message.id): message.string for message in read_mo(stream) if message.id}
    ours = {message.id: message.string for message in translations.read(language) if message.id in theirs}
    assert ours == {text: theirs[text] for text in ours}


def test_no_text_of_the_templates_stands_outside_of_a_translation() -> None:
    """A word between two tags that no translator can reach would stay English for ever."""
    bare = {}
    for file in sorted((translations.PACKAGE / "templates").glob("*.jinja2")):
        text = re.sub(
            r"\{#.*?#\}|<!--.*?-->|\{\{.*?\}\}|\{%.*?%\}|data-bind=\"[^\"]*\"", "", file.read_text(encoding="utf-8"), flags=re.S
        )
        words = [found.strip() for found in re.findall(r">([^<>]*[A-Za-z]{2,}[^<>]*)<", text)]
        spoken = re.findall(r'(?:aria-label|title|alt)="([^"]*[A-Za-z][^"]*)"', text)
        bare[file.name] = [found for found in words + spoken if "&times;" not in found and "aria-describedby" not in found]
    assert {name: found for name, found in bare.items() if found} == {}

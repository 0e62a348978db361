"""Messages speak the language that OctoPrint has for all."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.sentence import say, translated
from octoprint_spaghetti.languages import speaker


@pytest.mark.parametrize("language", ["de", "de_AT"])
def test_a_known_language_is_spoken(language: str) -> None:
    """A region without words of its own speaks as the rest of its language does."""
    assert translated(say("Nothing is judged during %(work)s.", work=say("homing")), speaker(language)).endswith(
        "(Referenzfahrt)."
    )


@pytest.mark.parametrize("language", [None, "", "_default", "en", "tlh", "../de", "de\0"])
def test_everything_else_is_english(language: str | None) -> None:
    """No default language, one that nobody has translated, and nonsense in a settings file."""
    assert translated(say("The light has just changed."), speaker(language)) == "The light has just changed."


def test_nothing_is_said_as_nothing() -> None:
    """A catalogue's own heading stands under the empty text, and must never be read out."""
    assert speaker("de")("") == ""

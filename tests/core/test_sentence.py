"""Sentences: English text for everybody, and what it takes to say the same in another language."""

from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from octoprint_spaghetti.core.errors import CameraError, SettingRefused
from octoprint_spaghetti.core.sentence import Sentence, from_parts, joined, mapped, say, translated, with_parts

GERMAN = {
    "%(camera)s is %(state)s.": "%(camera)s ist %(state)s.",
    "blind": "blind wie ein Maulwurf",
    "Nothing prints.": "Nichts druckt.",
    "%(share).0f %% of %(time)s": "von %(time)s %(share).0f %%",
    "%% of a core": "%% eines Kerns",
    "%(low)g to %(high)g": "%(niedrig)g bis %(high)g",
}


def german(template: str) -> str:
    return GERMAN.get(template, template)


def test_a_sentence_is_english_text_to_everybody() -> None:
    """Logs, records and programs need not know that there are other languages."""
    sentence = say("%(camera)s is %(state)s.", camera="Bed", state=say("blind"))
    assert sentence == "Bed is blind."
    assert json.dumps({"sentence": sentence}) == '{"sentence": "Bed is blind."}'
    assert hash(sentence) == hash("Bed is blind.")
    assert logging.LogRecord("", 0, "", 0, "%s", (sentence,), None).getMessage() == "Bed is blind."


def test_a_sentence_is_said_in_another_language_with_its_values() -> None:
    """Values that are sentences are translated too; what came from outside stays as it is."""
    assert (
        translated(say("%(camera)s is %(state)s.", camera="blind", state=say("blind")), german)
        == "blind ist blind wie ein Maulwurf."
    )
    assert translated(say("%(share).0f %% of %(time)s", share=97.2, time="2 h"), german) == "von 2 h 97 %"


def test_text_that_nobody_translated_is_said_in_english() -> None:
    """A new sentence in an old language pack, and plain text, are still read."""
    assert translated(say("Look at %(file)s.", file="a"), german) == "Look at a."
    assert translated("Nothing prints.", german) == "Nothing prints."


def test_a_translation_that_does_not_fit_is_not_used() -> None:
    """A language pack with another name for a place must not end the watch."""
    assert translated(say("%(low)g to %(high)g", low=1, high=2.5), german) == "1 to 2.5"


def test_stored_text_without_places_is_translated_again() -> None:
    """What came out of a file as plain text is its own template; a percent sign in it stays one."""
    assert translated(Sentence("Nothing prints."), german) == "Nichts druckt."
    assert translated(Sentence("% of a core"), german) == "% eines Kerns"


def test_sentences_are_joined_and_translated_one_by_one() -> None:
    """Empty ones leave no gap, and what stands between may be a percent sign."""
    both = joined((say("Nothing prints."), "", say("%(camera)s is %(state)s.", camera="Bed", state="off")))
    assert both == "Nothing prints. Bed is off."
    assert translated(both, german) == "Nichts druckt. Bed ist off."
    assert joined(("a", "b"), " % ") == "a % b"
    assert translated(joined(("a", "b"), " % "), german) == "a % b"
    assert joined(()) == ""
    assert translated(joined(()), lambda template: pytest.fail("nothing was to be looked up")) == ""


def test_the_browser_gets_the_parts_beside_the_text() -> None:
    """Whoever does not know them reads the English as before; plain texts have none."""
    content = {
        "sentence": say("%(camera)s is %(state)s.", camera="Bed", state=say("blind")),
        "id": "x",
        "links": ({"found": say("blind")},),
    }
    told = json.loads(json.dumps(with_parts(content)))
    assert told["sentence"] == "Bed is blind."
    assert told["sentence_parts"] == {
        "template": "%(camera)s is %(state)s.",
        "values": {"camera": "Bed", "state": {"template": "blind", "values": {}}},
    }
    assert told["id"] == "x"
    assert "id_parts" not in told
    assert told["links"][0]["found_parts"]["template"] == "blind"


def test_a_list_of_sentences_has_a_list_of_parts() -> None:
    """Plain text among them is its own part."""
    told = with_parts({"sentences": [say("blind"), "plain"]})
    assert told["sentences_parts"] == [{"template": "blind", "values": {}}, "plain"]


def test_numbers_that_no_json_holds_become_text() -> None:
    """One infinity would make the whole status unreadable for a browser."""
    assert (
        json.loads(json.dumps(with_parts({"a": say("%(n)s", n=float("inf"))}), allow_nan=False))["a_parts"]["values"]["n"]
        == "inf"
    )


@example("% 1000 %%", "%1000")
@given(st.text(), st.one_of(st.text(), st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6).map(lambda value: round(value, 3))))
def test_what_was_taken_apart_is_put_together_again(text: str, value: str | float) -> None:
    """A child process and a file pass sentences on as JSON."""
    sentence = joined((say("%(one)s and %(other)s", one=value, other=Sentence(text)), text))
    told = json.loads(json.dumps(with_parts({"said": sentence})))
    again = from_parts(told["said_parts"], told["said"])
    assert again == sentence
    assert with_parts({"said": again}) == with_parts({"said": sentence})


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(None, id="none, as in what an older version wrote"),
        pytest.param("text", id="no object"),
        pytest.param({}, id="no template"),
        pytest.param({"template": "%(a)s", "values": {}}, id="a value is missing"),
        pytest.param({"template": "%(a)d", "values": {"a": "x"}}, id="a value does not fit"),
        pytest.param({"template": "%", "values": {}}, id="no format"),
        pytest.param({"template": "%(a)999999999s", "values": {"a": "x"}}, id="a column that would fill the memory"),
        pytest.param({"template": 3, "values": {}}, id="a template that is none"),
        pytest.param({"template": "a", "values": []}, id="values that are none"),
    ],
)
def test_parts_that_are_none_leave_the_english_text(parts: object) -> None:
    """An incident may have been written by an older version, or by a stranger."""
    assert from_parts(parts, "It failed.") == "It failed."


def test_secrets_are_taken_out_of_the_values_alone() -> None:
    """A redacted sentence can still be translated."""
    sentence = mapped(
        say("%(camera)s is %(state)s.", camera="secret", state=say("blind")), lambda text: text.replace("secret", "...")
    )
    assert translated(sentence, german) == "... ist blind wie ein Maulwurf."
    assert mapped("a secret", lambda text: text.replace("secret", "...")) == "a ..."


def test_an_error_and_a_path_are_taken_as_their_text() -> None:
    """JSON knows neither; an error of ours stays a sentence inside of another."""
    inner = CameraError(say("blind"))
    outer = say("%(camera)s is %(state)s.", camera=OSError("gone"), state=inner)
    assert json.loads(json.dumps(with_parts({"a": outer})))["a"] == "gone is blind."
    assert translated(outer, german) == "gone ist blind wie ein Maulwurf."


def test_an_error_gives_its_sentence_back() -> None:
    """``str(error)`` is the way by which sentences travel; other errors are as they were."""
    assert translated(str(CameraError(say("Nothing prints."))), german) == "Nichts druckt."
    assert translated(str(SettingRefused("interval", say("Nothing prints."))), german) == "Nichts druckt."
    assert str(CameraError("plain")) == "plain"
    assert str(CameraError()) == ""


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda sentence: pickle.loads(pickle.dumps(sentence))])
def test_a_copy_is_as_good(copied: object) -> None:
    """Whoever copies a status or an event's payload loses nothing."""
    sentence = say("%(camera)s is %(state)s.", camera="Bed", state=say("blind"))
    assert translated(copied(sentence), german) == "Bed ist blind wie ein Maulwurf."  # type: ignore[operator]

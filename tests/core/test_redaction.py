"""No secret leaves the house in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.redaction import HIDDEN, redacted

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"metadata authorization: Bearer {SECRET}",
        f"GET /snapshot?token={SECRET}&x=1",
        f"rtsp://admin:{SECRET}@192.0.2.7/stream",
        f"rtsp://admin:p@{SECRET}@192.0.2.7/stream",
        f"further camera admin:{SECRET}@192.0.2.9/snap.jpg",
        f"broker ha:{SECRET}@nas.local",
        f"GET /snapshot.cgi?user=admin&pwd={SECRET}",
        f"mqtt_password: {SECRET}",
        f'{{"apikey": "{SECRET}"}}',
        f"X-Api-Key: {SECRET}",
        f"Authorization: Basic {SECRET}",
    ],
)
def test_what_looks_like_a_credential_is_hidden_even_when_nobody_knows_it(text: str) -> None:
    """A log line of another plugin may hold a secret that we were never told."""
    hidden = redacted(text, ())
    assert SECRET not in hidden
    assert HIDDEN in hidden


@given(st.text(max_size=50), st.text(alphabet="abcdefghijk0123456789", min_size=4, max_size=30), st.text(max_size=50))
def test_a_known_secret_is_hidden_wherever_it_stands(before: str, secret: str, after: str) -> None:
    """In the middle of a word, twice, or in a URL: it is gone."""
    if secret in HIDDEN:
        return
    assert secret not in redacted(before + secret + after + secret, [secret]).replace(HIDDEN, "")


def test_a_secret_that_holds_another_goes_whole() -> None:
    """The longer one is hidden first, so that no rest of it stays."""
    assert redacted("abcd-efgh", ["abcd", "abcd-efgh"]) == HIDDEN


@pytest.mark.parametrize("text", ["The token was refused; check it.", "http://192.0.2.7/snapshot?x=1", "3 of 4 series agree"])
def test_a_plain_sentence_stays_as_it_is(text: str) -> None:
    """Sentences that only speak of secrets are readable."""
    assert redacted(text, ["", "abc"]) == text

"""How the REST routes answer: never from a cache, and with all that a browser needs to say it in its own language."""

from __future__ import annotations

from typing import Any

import flask

from octoprint_spaghetti.core.sentence import with_parts


def fresh(response: flask.Response) -> flask.Response:
    """Return the response with the order not to keep it."""
    response.headers["Cache-Control"] = "no-store"
    return response


def told(content: Any) -> flask.Response:
    """Return plain JSON types as a response, each sentence among them with the parts that it is translated from."""
    return fresh(flask.jsonify(with_parts(content)))


def refused(setting: str, sentence: str) -> flask.Response:
    """Return status 400 with the sentence that says why a setting was not stored."""
    return flask.make_response(told({"error": sentence, "setting": setting}), 400)

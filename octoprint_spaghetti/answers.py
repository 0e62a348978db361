"""How the REST routes answer: never from a cache."""

from __future__ import annotations

import flask


def fresh(response: flask.Response) -> flask.Response:
    """Return the response with the order not to keep it."""
    response.headers["Cache-Control"] = "no-store"
    return response

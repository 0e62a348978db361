"""What the REST routes are given."""

from __future__ import annotations

from typing import Any

import flask


def given_json() -> Any:
    """Return the JSON of the request's body, or None when it is none, or nested deeper than Python reads."""
    try:
        return flask.request.get_json(silent=True)
    except RecursionError:
        return None

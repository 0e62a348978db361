"""Takes secrets out of text before it leaves the house: those that are known, and those that look like one."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "[hidden]"

#: Shorter ones would tear words apart and protect nothing.
_SHORTEST = 4
#: What follows the name of a secret, or stands where an address holds one.
_SHAPES = (
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}"),
    re.compile(
        r"(?i)((?:x-api-key|api[_-]?key|apikey|token|password|passwd|pwd|secret|authorization)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;}&]+"
    ),
    re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/\"']+(?=@)"),
    re.compile(r"(\b[\w.+-]+:)(?!//)[^\s/\"'@]+(?=@[\w\[])"),
)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without any of the ``secrets``, and without what looks like a credential.

    >>> redacted("Authorization: Bearer abcdef123456", ())
    'Authorization: [hidden] [hidden]'
    """
    for secret in sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for shape in _SHAPES:
        text = shape.sub(lambda found: found[1] + HIDDEN, text)
    return text

"""The languages of messages: they have one of their own, because nobody's browser asks for them.

The same catalogues serve the pages, where OctoPrint loads them.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from pathlib import Path

_CATALOGUES = Path(__file__).with_name("translations")
#: What OctoPrint stores where no language is set for all: then each page has its browser's, and messages are English.
_EACH_HAS_ITS_OWN = "_default"


def speaker(language: str | None) -> Callable[[str], str]:
    """Return what gives the template of ``language`` (``"de"``, ``"de_AT"``) for the English one; the same where there is none."""
    if not language or language == _EACH_HAS_ITS_OWN:
        return str
    known = gettext.translation("messages", _CATALOGUES, [language], fallback=True)
    return lambda template: known.gettext(template) if template else ""

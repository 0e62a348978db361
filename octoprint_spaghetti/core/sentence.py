"""What is said to a person: English text that remembers its template and values, so that it can be said in other languages.

The watch runs once and is read by many: each browser has a language of its own, messages have the one of OctoPrint, and logs,
records and programs get English. So a :class:`Sentence` is a ``str`` in English wherever it goes, and who shows it to a person
translates it at the very end: the pages by ``static/js/sentences.js``, messages by :func:`translated`.

No language is known in here, and no catalogue: ``scripts/translations.py`` collects the templates by looking for ``say``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Union

#: What a place in a template may be filled with; a Sentence is a ``str`` and is translated in its place.
Value = Union[str, float]

#: Beside the key ``sentence`` stands ``sentence_parts``, in JSON for browsers and in what is kept on the disk.
PARTS = "_parts"
_BRANCHES = (dict, list, tuple)
#: So many digits of a number go to the browser: more than any template shows.
_DIGITS = 4
#: What comes back in parts may have gone through other hands: sentences within sentences end here, and so do columns so wide
#: that a place of a few letters would fill the memory.
_DEEPEST = 8
_WIDE = re.compile(r"%[^a-zA-Z%]*(\([^)]*\))?[^a-zA-Z%]*[0-9]{3}")


class Sentence(str):
    """English text, with the ``template`` (``%(name)s`` for a place, ``%%`` for a percent sign) and ``values`` it was made of."""

    template: str
    values: Mapping[str, Value]

    def __new__(cls, text: str) -> Sentence:
        """Take a text without places; it is translated when a catalogue knows it."""
        return cls._of(text, text.replace("%", "%%"), {})

    @classmethod
    def _of(cls, text: str, template: str, values: Mapping[str, Value]) -> Sentence:
        made = super().__new__(cls, text)
        made.template, made.values = template, dict(values)
        return made


def say(template: str, /, **values: object) -> Sentence:
    """Return the sentence; ``template`` is a literal (translators find it), a format for ``values`` as in ``"%(ms).0f ms"``.

    A value that is neither text nor a number, such as an error or a path, is taken as its text. Raises :class:`KeyError`,
    :class:`TypeError` or :class:`ValueError` when a value is missing or does not fit the place.
    """
    plain = {name: value if isinstance(value, (str, int, float)) else str(value) for name, value in values.items()}
    return Sentence._of(template % plain, template, plain)


def joined(parts: Iterable[str], between: str = " ") -> Sentence:
    """Return the parts that are not empty as one, each of which is translated by itself."""
    values: dict[str, Value] = {f"part{number}": part for number, part in enumerate(filter(None, parts), 1)}
    return Sentence._of(
        between.join(map(str, values.values())), between.replace("%", "%%").join(f"%({name})s" for name in values), values
    )


def translated(text: str, look_up: Callable[[str], str]) -> str:
    """Return the text as a person reads it; ``look_up`` gives the template of a language for the English one.

    What does not fit, such as a translation with a place that the sentence does not fill, is said in English.
    """
    if not isinstance(text, Sentence) or not text:
        return text
    values = {name: translated(value, look_up) if isinstance(value, str) else value for name, value in text.values.items()}
    try:
        return look_up(text.template) % values
    except (KeyError, TypeError, ValueError):
        return str(text)


def with_parts(content: Any) -> Any:
    """Return plain JSON types, with ``<key>_parts`` beside each key of an object whose value is a Sentence or a list of such."""
    if isinstance(content, dict):
        told = {}
        for key, value in content.items():
            told[key] = with_parts(value) if isinstance(value, _BRANCHES) else value
            if _speaks(value):
                told[f"{key}{PARTS}"] = _parts(value)
        return told
    return [with_parts(part) for part in content] if isinstance(content, (list, tuple)) else content


def from_parts(parts: Any, text: str = "", depth: int = _DEEPEST) -> str:
    """Return the sentence again that :func:`with_parts` took apart, or ``text`` where ``parts`` are none that we wrote."""
    if not isinstance(parts, dict) or depth == 0:
        return text
    try:
        template = parts["template"]
        if _WIDE.search(template.replace("%%", "")):  # a percent sign that is meant as one has no width
            return text
        return say(template, **{name: _value(value, depth - 1) for name, value in parts["values"].items()})
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return text


def mapped(text: str, change: Callable[[str], str]) -> str:
    """Return the text with ``change`` applied to every word that did not come from us, so that it can still be translated."""
    if not isinstance(text, Sentence):
        return change(text)
    return say(
        text.template, **{name: mapped(value, change) if isinstance(value, str) else value for name, value in text.values.items()}
    )


def _speaks(value: Any) -> bool:
    return isinstance(value, Sentence) or (isinstance(value, (list, tuple)) and any(type(part) is Sentence for part in value))


def _parts(value: Any) -> Any:
    if isinstance(value, Sentence):
        return {"template": value.template, "values": {name: _parts(part) for name, part in value.values.items()}}
    if isinstance(value, (list, tuple)):
        return [_parts(part) for part in value]
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else str(value)
    return value


def _value(part: Any, depth: int) -> Value:
    return from_parts(part, depth=depth) if isinstance(part, dict) else part

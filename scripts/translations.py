#!/usr/bin/env python3
"""Bring the translations up to date: ``scripts/translations.py`` after a text has changed, then fill in what is empty.

Collects every text of the templates, the scripts and the plugin class, the sentences of the settings, and whatever the code
says by ``say`` of ``core/sentence.py``, into ``octoprint_spaghetti/translations/<language>/LC_MESSAGES/messages.po``, and
compiles those into the ``messages.mo`` that OctoPrint loads. Needs Babel and Jinja2, which the environment of the tests has.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "octoprint_spaghetti"
TRANSLATIONS = PACKAGE / "translations"
_METHODS = [("*.py", "python"), ("templates/*.jinja2", "jinja2.ext:babel_extract"), ("static/js/*.js", "javascript")]
#: A file that is made anew without a change stays the same, byte for byte.
_NO_DATE = datetime(2026, 1, 1, tzinfo=timezone.utc)
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}


def catalog(language: str | None = None) -> Catalog:
    """Return all texts of the product, untranslated, in an order that does not change from run to run."""
    found = Catalog(
        locale=language,
        domain="messages",
        header_comment="# Texts of octoprint-spaghetti. AGPL-3.0-or-later, as the project.",
        project="octoprint-spaghetti",
        version="1",
        msgid_bugs_address="the issues of the project",
        last_translator="The octoprint-spaghetti authors",
        language_team="The octoprint-spaghetti authors",
        creation_date=_NO_DATE,
        revision_date=_NO_DATE,
        fuzzy=False,
    )
    for message, place in sorted(_texts()):
        found.add(message, locations=[(place, 0)] if place else [])
    return found


def _texts() -> Iterator[tuple[str, str]]:
    for file, _line, message, _comments, _context in extract_from_dir(PACKAGE, _METHODS, keywords=_KEYWORDS):
        for one in message if isinstance(message, tuple) else (message,):
            if one.strip():
                yield one, f"octoprint_spaghetti/{file}"
    for path in sorted(PACKAGE.rglob("*.py")):
        for template in said(path):
            yield template, path.relative_to(ROOT).as_posix()
    for text in _described():
        yield text.replace("%", "%%"), "octoprint_spaghetti/core"  # as the templates ask for it


def said(path: Path) -> Iterator[str]:
    """Yield the templates of all sentences that a file says. Raises :class:`ValueError` for one that is no literal."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
            template = node.args[0] if node.args else None
            if isinstance(template, ast.Constant) and isinstance(template.value, str):
                yield template.value
            elif path.name != "sentence.py":  # which builds sentences again from what was stored
                raise ValueError(f"{path.name}:{node.lineno}: say() takes a literal, or no translator finds it")


def _described() -> Iterator[str]:
    """Yield the sentences, units and words of settings and numbers of the judge that are asked for by name."""
    sys.path.insert(0, str(ROOT))
    from octoprint_spaghetti.settings_page import described_numbers, described_settings

    for about in (*described_settings().values(), *described_numbers()):
        yield about["sentence"]
        if about.get("unit"):
            yield about["unit"]
    yield from described_settings()["action"]["words"]


def languages() -> list[str]:
    """Return the languages that there are translations for."""
    return sorted(folder.name for folder in TRANSLATIONS.iterdir() if (folder / "LC_MESSAGES" / "messages.po").is_file())


def po_file(language: str) -> Path:
    """Return where the texts of a language are edited."""
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    """Return the texts of a language."""
    with po_file(language).open("rb") as file:
        return read_po(file, locale=language)


def compiled(language: str) -> bytes:
    """Return what ``messages.mo`` of a language holds."""
    target = BytesIO()
    write_mo(target, read(language))
    return target.getvalue()


def update(language: str) -> None:
    """Take new texts into a language, drop those that are gone, and compile it."""
    known = {message.id: message.string for message in read(language)}
    texts = catalog(language)
    for message in texts:
        if message.id:
            message.string = known.get(message.id, "")
    with po_file(language).open("wb") as file:
        write_po(file, texts, width=130, include_lineno=False)
    po_file(language).with_suffix(".mo").write_bytes(compiled(language))


if __name__ == "__main__":
    for name in languages():
        update(name)
        missing = sum(1 for message in read(name) if message.id and not message.string)
        sys.stdout.write(f"{name}: {missing} texts wait to be translated\n")

"""One bearer token per printer, kept in the very file that the gateway's nginx reads.

A token is ``NAME.SECRET``: the printer's name, so that nginx can look up one line, and 256 random bits. The file holds the
name and the MD5 digest of the whole token, the one hash that stock nginx can compute (``secure_link_md5``). MD5 is broken
for collisions, where an attacker chooses both texts. To find a text for a given digest still takes 2^123 tries (Sasaki and
Aoki, Eurocrypt 2009), and to guess 256 random bits more than that, so a stolen file opens nothing.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

FILE = "tokens.map"
SECRET_BYTES = 32
LONGEST_NAME = 40
#: Lower case only: nginx's ``map`` does not tell upper from lower case.
_NAME = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{LONGEST_NAME - 1}}}")
_LINE = re.compile(r'"@(?P<printer>[^"]+)" "(?P<digest>[A-Za-z0-9_-]{22})"; # added (?P<added_at>\S+)')
_HEAD = "# Written by spaghetti-server token; do not edit. Printer, digest of its token, when it was made.\n"


class TokenError(ValueError):
    """A token cannot be made, found or stored; the message says what to do."""


@dataclass(frozen=True)
class Token:
    """What is kept of a token: whose it is, ``digest`` (MD5, base64url), ``added_at`` (UTC, ISO 8601)."""

    printer: str
    digest: str
    added_at: str


class TokenFile:
    """The tokens in ``folder/tokens.map``; a change is there wholly or not at all, whenever the power fails."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder; it is made, for its owner alone, with the first token."""
        self.path = folder / FILE

    def tokens(self) -> list[Token]:
        """Return all tokens by name; raises :class:`TokenError` when the file is not one of ours."""
        try:
            text = self.path.read_text(encoding="ascii")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise TokenError(f"{self.path} cannot be read ({error}).") from error
        return [self._parsed(number, line) for number, line in enumerate(text.splitlines(), 1) if line and line[0] != "#"]

    def add(self, printer: str, *, replace: bool = False, now: datetime | None = None) -> str:
        """Make a token and return it; only its digest is kept, so this is the one time it can be seen.

        ``replace`` gives a printer a new one in place of the old. Raises :class:`TokenError` for a name that cannot be one,
        or that has a token already.
        """
        check_name(printer)
        with self._alone():
            kept = [token for token in self.tokens() if token.printer != printer]
            if len(kept) < len(self.tokens()) and not replace:
                raise TokenError(f"{printer} has a token already; --replace makes a new one and ends the old.")
            token = f"{printer}.{secrets.token_urlsafe(SECRET_BYTES)}"
            added_at = (now or datetime.now(timezone.utc)).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._write([*kept, Token(printer, digest(token), added_at)])
        return token

    def revoke(self, printer: str) -> None:
        """Forget a printer's token; raises :class:`TokenError` when there is none."""
        with self._alone():
            tokens = self.tokens()
            kept = [token for token in tokens if token.printer != printer]
            if len(kept) == len(tokens):
                known = ", ".join(token.printer for token in tokens) or "none"
                raise TokenError(f"No printer named {printer!r} has a token; those that have one: {known}.")
            self._write(kept)

    def make(self) -> None:
        """Write an empty file when there is none: nginx wants to include one."""
        with self._alone():
            if not self.path.exists():
                self._write([])

    def _parsed(self, number: int, line: str) -> Token:
        found = _LINE.fullmatch(line)
        if found is None:
            raise TokenError(f"{self.path}, line {number} is no token; restore the file from a backup, or remove that line.")
        return Token(**found.groupdict())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other writer out, also in another process."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.path.parent / f".{FILE}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise TokenError(f"{self.path} cannot be written ({error}); check the folder's owner and space.") from error

    def _write(self, tokens: list[Token]) -> None:
        """Replace the file in one step, readable by its owner alone."""
        lines = [f'"@{token.printer}" "{token.digest}"; # added {token.added_at}\n' for token in sorted(tokens, key=_by_name)]
        handle, draft = tempfile.mkstemp(dir=self.path.parent, prefix=f".{FILE}-")  # mkstemp: mode 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.writelines([_HEAD, *lines])
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self.path)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise
        _sync_folder(self.path.parent)


def check_name(printer: str) -> None:
    """Raise :class:`TokenError` when ``printer`` cannot be a printer's name."""
    if not _NAME.fullmatch(printer):
        raise TokenError(
            f"{printer!r} cannot be a printer's name: 1 to {LONGEST_NAME} lower-case letters, digits and hyphens, "
            "a letter or digit first, such as prusa-1."
        )


def digest(token: str) -> str:
    """Return what is kept of a token: MD5 as base64url without padding, the form of nginx's ``secure_link``."""
    return (
        base64.urlsafe_b64encode(hashlib.md5(token.encode("ascii"), usedforsecurity=False).digest()).rstrip(b"=").decode("ascii")
    )


def _by_name(token: Token) -> str:
    return token.printer


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

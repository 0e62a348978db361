"""``spaghetti-server fetch-model``: a detector from the network, which is used only when its bytes are those that were promised.

A transfer that breaks goes on where it stopped, in this run or in the next; what arrives under its own name is whole and right.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import requests

from inference_server.model_files import checksum, write_checksum
from inference_server.work_folder import default_work

#: Seconds to connect, and between two pieces of the file.
TIMEOUT_S = (10.0, 30.0)
#: Breaks in a row, each with nothing new, after which it is given up, and the pause before the next try.
MOST_TRIES, PAUSE_S = 5, 1.0
PIECE_BYTES = 1 << 16
#: No detector is nearly that large; a wrong address must not fill the disk.
MOST_BYTES = 1 << 30
_SUFFIXES = (".onnx", ".plan")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FetchFailed(RuntimeError):
    """The file could not be had, or is not the one that was promised; the message says what to do."""


@dataclass(frozen=True)
class Fetched:
    """What lies where now: ``bytes`` in all, of which ``resumed_from`` were there from an earlier run."""

    file: str
    bytes: int
    sha256: str
    resumed_from: int


def fetch(url: str, sha256: str, folder: Path, allow_http: bool = False, pause_s: float = PAUSE_S) -> Fetched:
    """Download ``url`` into ``folder``, unless it is there, and return what lies there; its checksum is written beside it.

    Raises :class:`FetchFailed`; what had arrived by then stays in ``<name>.part`` for the next run, unless it was wrong.
    """
    wanted = _checked_sha256(sha256)
    file = folder / file_name(url, allow_http)
    if file.is_file() and checksum(file) == wanted:
        write_checksum(file, wanted)
        return Fetched(str(file), file.stat().st_size, wanted, file.stat().st_size)
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{wanted[:12]}.part")  # parts of two versions are never mixed
    resumed_from = part.stat().st_size if part.is_file() else 0
    _transfer(url, part, allow_http, pause_s)
    found = checksum(part)
    if found != wanted:
        part.unlink()
        raise FetchFailed(
            f"{url} is not the file that was promised: its sha256 is {found}, not {wanted}. It was deleted; check both, and try again."
        )
    part.replace(file)
    write_checksum(file, wanted)
    return Fetched(str(file), file.stat().st_size, wanted, resumed_from)


def file_name(url: str, allow_http: bool) -> str:
    """Return the name under which ``url`` is kept; raises :class:`FetchFailed` when it is no address of a detector."""
    parts = urlsplit(url)
    _check_scheme(url, allow_http)
    name = unquote(parts.path).rpartition("/")[2]
    if not name.endswith(_SUFFIXES) or name.startswith(".") or "\x00" in name:
        raise FetchFailed(f"{url} does not end in the name of a detector (*.onnx or *.plan).")
    return name


def _check_scheme(url: str, allow_http: bool) -> None:
    scheme = urlsplit(url).scheme
    if scheme not in ("https", "http"):
        raise FetchFailed(f"{url} is no address on the web; it must begin with https://")
    if scheme == "http" and not allow_http:
        raise FetchFailed(f"{url} would be fetched without encryption; use https://, or say --allow-http.")


def _checked_sha256(text: str) -> str:
    found = text.strip().lower()
    if not _SHA256.fullmatch(found):
        raise FetchFailed(f"--sha256 takes the 64 hexadecimal digits that sha256sum prints, not {text!r}.")
    return found


def _transfer(url: str, part: Path, allow_http: bool, pause_s: float) -> None:
    """Fetch what is missing of ``part``, again and again as long as each try brings something."""
    vain = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            _append(url, part, allow_http)
            return
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            vain = 0 if part.is_file() and part.stat().st_size > before else vain + 1
            if vain >= MOST_TRIES:
                raise FetchFailed(f"{url} cannot be reached or breaks off again and again ({error}); try again later.") from error
            time.sleep(pause_s)


def _append(url: str, part: Path, allow_http: bool) -> None:
    have = part.stat().st_size if part.is_file() else 0
    # identity: the sha256 is that of the file, not of what a server made of it on the way.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        for passed in (*response.history, response):
            _check_scheme(passed.url, allow_http)
        if response.status_code == requests.codes.requested_range_not_satisfiable and have:
            return  # all of it is there already; the sha256 will tell
        if not response.ok:
            raise FetchFailed(f"{url} answers {response.status_code} {response.reason}; check the address.")
        goes_on = response.status_code == requests.codes.partial_content
        with part.open("ab" if goes_on else "wb") as file:
            for piece in _bounded(response, have if goes_on else 0):
                file.write(piece)
        _check_length(response, part.stat().st_size - (have if goes_on else 0))


def _bounded(response: requests.Response, have: int) -> Iterator[bytes]:
    for piece in response.iter_content(PIECE_BYTES):
        have += len(piece)
        if have > MOST_BYTES:
            raise FetchFailed(f"{response.url} is larger than {MOST_BYTES >> 20} MB, so it is no detector; check the address.")
        yield piece


def _check_length(response: requests.Response, got: int) -> None:
    """A connection that ends early is an error in HTTP, but not to every version of the library below."""
    promised = response.headers.get("Content-Length")
    if promised is not None and promised.isdigit() and got < int(promised):
        raise requests.ConnectionError(f"{got} of {promised} bytes came")


@click.command()
@click.argument("url")
@click.option("--sha256", required=True, help="Its checksum, as published beside it.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="Folder for it; default: in ~/.cache.")
@click.option("--allow-http", is_flag=True, help="Fetch it without encryption; the checksum still protects the file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(url: str, sha256: str, folder: Path | None, allow_http: bool, as_json: bool) -> None:
    """Download a detector and check it against its sha256; a transfer that broke goes on where it stopped."""
    try:
        fetched = fetch(url, sha256, folder or default_work() / "models", allow_http)
    except (FetchFailed, requests.RequestException) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(asdict(fetched)))
    else:
        click.echo(f"{fetched.file}: {fetched.bytes} bytes, whole. Serve it with  spaghetti-server serve --model {fetched.file}")

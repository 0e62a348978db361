"""Fetching a detector from a real HTTP server that breaks off, lies, forgets and redirects."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from inference_server.fetch_model import PIECE_BYTES, FetchFailed, command, fetch, file_name
from inference_server.model_files import verify

CONTENT = bytes(range(256)) * 1000  # almost four pieces
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Shop:
    """A web server's mood: ``breaks`` are the bytes after which each of the next answers ends, ``ranges`` what was asked."""

    content: bytes = CONTENT
    breaks: list[int] = field(default_factory=list)
    knows_ranges: bool = True
    redirect: str | None = None
    ranges: list[str | None] = field(default_factory=list)
    address: str = ""


def handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/gone.onnx":
                self.send_error(404)
                return
            if shop.redirect:
                self.send_response(302)
                self.send_header("Location", shop.redirect)
                self.end_headers()
                return
            asked = self.headers.get("Range")
            shop.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and shop.knows_ranges else 0
            if start >= len(shop.content):
                self.send_error(416)
                return
            body = shop.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: shop.breaks.pop(0)] if shop.breaks else body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Return a web server on loopback that has one detector."""
    mood = Shop()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(mood)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        mood.address = f"http://127.0.0.1:{server.server_address[1]}/models/spaghetti.onnx"
        yield mood
        server.shutdown()
        thread.join(10)


def test_what_arrives_is_whole_and_has_its_checksum_beside_it(shop: Shop, tmp_path: Path) -> None:
    """The same note as beside the shipped detector, so that `serve` checks it again."""
    fetched = fetch(shop.address, SHA256, tmp_path, allow_http=True)
    assert Path(fetched.file).read_bytes() == CONTENT
    assert (fetched.bytes, fetched.resumed_from) == (len(CONTENT), 0)
    verify(Path(fetched.file))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spaghetti.onnx", "spaghetti.onnx.sha256"]


def test_a_transfer_that_breaks_goes_on_where_it_stopped(shop: Shop, tmp_path: Path) -> None:
    """As often as it takes, as long as each try brings something; at most the piece that broke is fetched again."""
    shop.breaks = [PIECE_BYTES + 9, 0, PIECE_BYTES, 0]
    fetch(shop.address, SHA256, tmp_path, allow_http=True, pause_s=0)
    assert shop.ranges == [None, "bytes=65536-", "bytes=65536-", "bytes=131072-", "bytes=131072-"]
    assert (tmp_path / "spaghetti.onnx").read_bytes() == CONTENT


def test_the_next_run_goes_on_where_the_last_one_gave_up(shop: Shop, tmp_path: Path) -> None:
    """Five tries in a row that bring nothing end a run; what had come stays."""
    shop.breaks = [PIECE_BYTES, 0, 0, 0, 0, 0]
    with pytest.raises(FetchFailed, match="breaks off again and again.*try again later"):
        fetch(shop.address, SHA256, tmp_path, allow_http=True, pause_s=0)
    assert not (tmp_path / "spaghetti.onnx").exists()
    assert fetch(shop.address, SHA256, tmp_path, allow_http=True).resumed_from == PIECE_BYTES


def test_a_server_that_knows_no_ranges_sends_it_all_again(shop: Shop, tmp_path: Path) -> None:
    """The part is begun anew instead of being continued with the wrong bytes."""
    shop.breaks, shop.knows_ranges = [100_000], False
    fetch(shop.address, SHA256, tmp_path, allow_http=True, pause_s=0)
    assert (tmp_path / "spaghetti.onnx").read_bytes() == CONTENT


def test_a_part_that_was_complete_is_only_checked(shop: Shop, tmp_path: Path) -> None:
    """Killed between the last byte and the check: the server has nothing to add."""
    (tmp_path / f"spaghetti.onnx.{SHA256[:12]}.part").write_bytes(CONTENT)
    assert fetch(shop.address, SHA256, tmp_path, allow_http=True).resumed_from == len(CONTENT)


def test_what_is_there_is_not_fetched_again(shop: Shop, tmp_path: Path) -> None:
    """A container that starts again asks nobody."""
    fetch(shop.address, SHA256, tmp_path, allow_http=True)
    fetch(shop.address, SHA256, tmp_path, allow_http=True)
    assert len(shop.ranges) == 1


def test_another_file_than_promised_is_deleted(shop: Shop, tmp_path: Path) -> None:
    """Nothing of it stays that a later run could go on from, and an older good file is left alone."""
    fetch(shop.address, SHA256, tmp_path, allow_http=True)
    shop.content = CONTENT[::-1]
    with pytest.raises(FetchFailed, match="not the file that was promised"):
        fetch(shop.address, hashlib.sha256(b"new").hexdigest(), tmp_path, allow_http=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spaghetti.onnx", "spaghetti.onnx.sha256"]
    assert (tmp_path / "spaghetti.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://models.example/a.onnx", "without encryption"),
        ("file:///etc/a.onnx", "no address on the web"),
        ("https://models.example/a.html", "does not end in the name of a detector"),
        ("https://models.example/", "does not end in the name of a detector"),
        ("https://models.example/.onnx", "does not end in the name of a detector"),
    ],
)
def test_an_address_that_is_none_of_a_detector_is_refused(url: str, says: str) -> None:
    """Before anything is sent."""
    with pytest.raises(FetchFailed, match=says):
        file_name(url, allow_http=False)


def test_a_name_cannot_lead_out_of_its_folder() -> None:
    """Escaped slashes are slashes: what comes after the last one is the name."""
    assert file_name("https://models.example/%2e%2e%2f%2e%2e%2fevil.onnx?x=/y.txt", allow_http=False) == "evil.onnx"


def test_a_redirect_to_another_kind_of_address_is_refused(shop: Shop, tmp_path: Path) -> None:
    """The sentence names where it would have gone."""
    shop.redirect = "ftp://127.0.0.1/spaghetti.onnx"
    done = CliRunner().invoke(command, [shop.address, "--sha256", SHA256, "--to", str(tmp_path), "--allow-http"])
    assert done.exit_code == 1
    assert "ftp://127.0.0.1/spaghetti.onnx" in done.output


def test_the_command_says_what_lies_where(shop: Shop, tmp_path: Path) -> None:
    """One JSON document for programs; without encryption it has to be said."""
    arguments = [shop.address, "--sha256", SHA256.upper(), "--to", str(tmp_path), "--json"]
    refused = CliRunner().invoke(command, arguments)
    assert (refused.exit_code, "--allow-http" in refused.output) == (1, True)
    done = CliRunner().invoke(command, [*arguments, "--allow-http"])
    assert json.loads(done.output) == {
        "file": str(tmp_path / "spaghetti.onnx"),
        "bytes": len(CONTENT),
        "sha256": SHA256,
        "resumed_from": 0,
    }


@pytest.mark.parametrize(
    ("path", "sha256", "says"),
    [("gone.onnx", SHA256, "404"), ("models/a.onnx", "abc", "64 hexadecimal digits")],
    ids=["no such file", "no such checksum"],
)
def test_wrong_use_is_a_sentence(shop: Shop, tmp_path: Path, path: str, sha256: str, says: str) -> None:
    """What the server or we did not like is quoted."""
    with pytest.raises(FetchFailed, match=says):
        fetch(shop.address.replace("models/spaghetti.onnx", path), sha256, tmp_path, allow_http=True)

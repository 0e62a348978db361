"""One token per printer: made once, kept as a digest, written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from inference_server.cli import main
from inference_server.tokens import TokenError, TokenFile, check_name, digest

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "gateway")


def test_a_token_is_shown_once_and_only_its_digest_kept(tokens: TokenFile) -> None:
    """The file knows the printer, the digest and the day; the secret, of more than 128 bits, stands nowhere in it."""
    token = tokens.add("prusa-1", now=NOON)
    name, secret = token.split(".")
    assert name == "prusa-1"
    assert len(secret) * 6 >= 256
    assert secret not in tokens.path.read_text()
    assert [(kept.printer, kept.digest, kept.added_at) for kept in tokens.tokens()] == [
        ("prusa-1", digest(token), "2026-11-21T12:00:00Z")
    ]


def test_only_the_owner_can_read_the_file(tokens: TokenFile) -> None:
    """Mode 0600, in a folder of mode 0700."""
    tokens.add("prusa-1")
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    assert tokens.path.parent.stat().st_mode & 0o777 == 0o700


def test_two_tokens_are_never_the_same(tokens: TokenFile) -> None:
    """Another printer, or the same one again, gets another secret."""
    made = [tokens.add("a"), tokens.add("b"), tokens.add("a", replace=True)]
    assert len({token.split(".")[1] for token in made}) == 3


def test_a_second_token_for_a_printer_must_be_asked_for(tokens: TokenFile) -> None:
    """Without --replace nothing changes; with it, the old digest is gone."""
    old = tokens.add("prusa-1")
    with pytest.raises(TokenError, match="has a token already; --replace"):
        tokens.add("prusa-1")
    assert tokens.tokens()[0].digest == digest(old)
    new = tokens.add("prusa-1", replace=True)
    assert [token.digest for token in tokens.tokens()] == [digest(new)]


def test_a_revoked_token_is_gone_and_the_others_stay(tokens: TokenFile) -> None:
    """Revoking takes one line away; a printer that has none is named together with those that have one."""
    tokens.add("a")
    tokens.add("b")
    tokens.revoke("a")
    assert [token.printer for token in tokens.tokens()] == ["b"]
    with pytest.raises(TokenError, match="No printer named 'a' has a token; those that have one: b"):
        tokens.revoke("a")


@pytest.mark.parametrize("name", ["", "-a", "Prusa", "mk4 left", "a.b", "a" * 41, "ä", 'a"', "a;", "a\n", "../a", "$printer"])
def test_a_name_that_nginx_could_misread_is_refused(tokens: TokenFile, name: str) -> None:
    """The sentence says what a name may be, with an example, and nothing is written."""
    with pytest.raises(TokenError, match=r"lower-case letters, digits and hyphens.*prusa-1"):
        tokens.add(name)
    assert not tokens.path.exists()


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True))
def test_every_other_name_is_taken(name: str) -> None:
    """Also words that mean something to nginx, such as default and include."""
    check_name(name)


def test_a_damaged_file_is_told_by_its_line(tokens: TokenFile) -> None:
    """Nothing is guessed, and nothing overwritten: adding to a file that cannot be read fails too."""
    tokens.add("a")
    tokens.path.write_text(tokens.path.read_text() + "default prusa;\n")
    with pytest.raises(TokenError, match="line 3 is no token"):
        tokens.add("b")
    assert "default prusa;" in tokens.path.read_text()


def test_two_writers_lose_nothing(tokens: TokenFile) -> None:
    """Twenty tokens added by four threads at once are twenty tokens."""
    threads = [
        threading.Thread(target=lambda part=part: [tokens.add(f"p{part}-{number}") for number in range(5)]) for part in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert len(tokens.tokens()) == 20


def test_a_writer_that_is_killed_at_any_moment_leaves_a_whole_file(tokens: TokenFile) -> None:
    """Whoever reads during and after twelve kills finds the first token and no half line."""
    first = tokens.add("first")
    program = (
        "import sys; from pathlib import Path; from inference_server.tokens import TokenFile\n"
        f"file = TokenFile(Path({str(tokens.path.parent)!r}))\n"
        "print('go', flush=True)\n"
        "while True: file.add('other', replace=True)"
    )
    for attempt in range(12):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.003 * attempt)
            os.kill(writer.pid, signal.SIGKILL)
        kept = {token.printer: token.digest for token in tokens.tokens()}
        assert kept["first"] == digest(first)
        assert set(kept) <= {"first", "other"}
    tokens.add("after")  # the lock of a dead writer holds nobody up


def test_a_full_or_foreign_folder_is_told(tmp_path: Path) -> None:
    """Where nothing can be written the sentence names the file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenError, match="tokens.map cannot be (read|written)"):
        TokenFile(tmp_path / "file" / "below").add("a")


def test_the_verbs_speak_json(tmp_path: Path) -> None:
    """add, list and revoke print one document each; list tells no digest and revoke no token."""
    run = lambda *words: CliRunner().invoke(main, ["token", *words, "--home", str(tmp_path), "--json"])  # noqa: E731
    added = json.loads(run("add", "prusa-1").stdout)
    assert added["token"].startswith("prusa-1.")
    assert added["gateway_reloaded"] is False
    listed = json.loads(run("list").stdout)["tokens"]
    assert [sorted(token) for token in listed] == [["added_at", "printer"]]
    revoked = run("revoke", "prusa-1")
    assert json.loads(revoked.stdout) == {"printer": "prusa-1", "gateway_reloaded": False}


def test_the_verbs_tell_people_what_to_do(tmp_path: Path) -> None:
    """The token alone is on standard output, so that it can be piped; what to do with it is beside it."""
    run = lambda *words: CliRunner().invoke(main, ["token", *words, "--home", str(tmp_path)])  # noqa: E731
    assert "spaghetti-server token add NAME" in run("list").stderr
    added = run("add", "prusa-1")
    assert re.fullmatch(r"prusa-1\.[\w-]{43}\n", added.stdout)
    assert "not shown again" in added.stderr
    again = run("add", "prusa-1")
    assert (again.exit_code, "--replace" in again.stderr) == (1, True)
    assert run("revoke", "prusa-1").stdout.startswith("prusa-1 has no token any more.")

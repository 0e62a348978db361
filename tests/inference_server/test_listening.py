"""Where a server may listen, and what a gateway's key must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_server.listening import HostNotHere, KeyUnusable, check_host, is_loopback, read_key


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.1.5", False),
        ("printer.example", False),
    ],
)
def test_who_can_reach_an_address(host: str, loopback: bool) -> None:
    """What is not certainly this machine alone counts as public."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_an_address_of_this_machine_will_do(host: str) -> None:
    """Loopback and all networks are here on every machine."""
    check_host(host)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("203.0.113.5", "203.0.113.5 is not an address of this machine.*127.0.0.1.*0.0.0.0"),
        ("no-such-host.invalid", "no-such-host.invalid is no address and no name"),
        ("1.2.3", "not an address|no address"),
    ],
)
def test_an_address_of_another_machine_is_told_with_what_to_use(host: str, says: str) -> None:
    """People take the address to listen on for the one that may call."""
    with pytest.raises(HostNotHere, match=says):
        check_host(host)


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "key"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_key_is_read_without_the_end_of_its_line(tmp_path: Path) -> None:
    """As `openssl rand -base64 24` writes it, and as Kubernetes mounts it for a user that is not root (0440)."""
    for mode in (0o600, 0o440):
        (tmp_path / str(mode)).mkdir()
        assert read_key(key_file(tmp_path / str(mode), "q0f8Jr+YbJ0r8vM4nWmWcA==\n", mode)) == "q0f8Jr+YbJ0r8vM4nWmWcA=="


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("", 0o600, "holds no key.*openssl"),
        ("short", 0o600, "holds no key"),
        ("two words of a longer key", 0o600, "holds no key"),
        ("q0f8Jr+YbJ0r8vM4nWmWcA==", 0o644, "chmod 600"),
    ],
)
def test_a_key_that_anybody_guesses_or_reads_is_refused(tmp_path: Path, text: str, mode: int, says: str) -> None:
    """The message says how to make one."""
    with pytest.raises(KeyUnusable, match=says):
        read_key(key_file(tmp_path, text, mode))

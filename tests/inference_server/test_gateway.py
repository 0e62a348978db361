"""nginx's configuration: what it says, what must never get into it, and that nginx takes it."""

from __future__ import annotations

import os
import re
import ssl
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner

from inference_server import certificate
from inference_server.certificate import CertificateError
from inference_server.cli import main
from inference_server.gateway import FRAME_METHODS, OTHER_METHODS, REFUSALS, Gateway, GatewayError, render
from inference_server.nginx import GatewayServer, NginxMissing, check, find_nginx, prepare, reload, running
from inference_server.tokens import TokenFile
from inference_server.triton import KEY_HEADER, free_port

NOW = datetime.now(timezone.utc)
KINDS = {
    "as it comes": {},
    "streams": {"streams": True},
    "every network": {"host": "0.0.0.0"},
    "IPv6": {"host": "::1", "triton": ("[::1]:8001",)},
    "replicas and a key": {"triton": ("127.0.0.1:8001", "triton-2:8001"), "triton_key": "c2VjcmV0/+=="},
    "certificate challenges": {"acme_port": 8080},
}


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """Return a gateway that has a certificate and no printers yet."""
    gateway = Gateway(tmp_path / "gateway", port=free_port("127.0.0.1"))
    certificate.make(("127.0.0.1",), gateway.certificate_file, gateway.key_file)
    return gateway


@pytest.fixture(scope="module")
def nginx() -> Path:
    try:
        return find_nginx()
    except NginxMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("kind", KINDS)
def test_nginx_takes_every_kind_of_configuration(gateway: Gateway, nginx: Path, kind: str) -> None:
    """nginx -t is content with 2,000 printers, and with none."""
    options = {**KINDS[kind]}
    if options.get("triton") and "triton-2:8001" in options["triton"]:
        options["triton"] = ("127.0.0.1:8001", "127.0.0.2:8001")  # nginx looks names up when it starts
    built = Gateway(gateway.home, **options)  # type: ignore[arg-type]
    prepare(built, nginx)
    assert built.conf.stat().st_mode & 0o777 == 0o600
    lines = [f'"@printer-{number}-in-the-long-hall" "{"A" * 22}"; # added 2026-11-21T12:00:00Z\n' for number in range(2000)]
    (gateway.home / "tokens.map").write_text("".join(lines))
    check(gateway.home, nginx)


@pytest.mark.parametrize("name", ["default", "include", "hostnames", "volatile", "a" * 40, "0"])
def test_a_printer_may_be_called_what_means_something_to_nginx(gateway: Gateway, nginx: Path, name: str) -> None:
    """Names are keys with a sign before them, so that none is a word of nginx's."""
    TokenFile(gateway.home).add(name)
    prepare(gateway, nginx)


def test_only_what_printers_need_is_passed_on(gateway: Gateway) -> None:
    """Each location that reaches Triton is one method, spelt out, behind the token and a limit."""
    text = render(Gateway(gateway.home, streams=True))
    passing = re.findall(r"location = (\S+) \{(.*?)\n    \}", text, re.DOTALL)
    methods = {path.rsplit("/", 1)[1] for path, body in passing if "grpc_pass" in body}
    assert methods == {*FRAME_METHODS, *OTHER_METHODS}
    assert text.count("grpc_pass") == len(methods)
    for _, body in passing:
        assert 'if ($printer = "") { return 401; }' in body
        assert "limit_req zone=" in body


def test_streams_are_an_exception(gateway: Gateway) -> None:
    """Without --streams their method is answered by nginx itself, as one that does not exist."""
    assert "return 405;" in render(gateway)
    assert "return 405;" not in render(Gateway(gateway.home, streams=True))


def test_every_refusal_has_a_code_of_its_own(gateway: Gateway) -> None:
    """A printer can tell a wrong token from a flood, a dead server from a slow one."""
    assert len({refusal.grpc for refusal in REFUSALS}) == len(REFUSALS)
    text = render(gateway)
    for refusal in REFUSALS:
        assert f"error_page {refusal.http} = {refusal.name};" in text
        assert f'add_header grpc-message "{refusal.message}" always;' in text


def test_tritons_key_is_added_and_not_shown(gateway: Gateway) -> None:
    """It stands in the rendered file alone, and is no part of what is printed of the settings."""
    locked = Gateway(gateway.home, triton_key="a-secret-of-24-characters")
    assert f'grpc_set_header {KEY_HEADER} "a-secret-of-24-characters";' in render(locked)
    assert "a-secret" not in repr(locked)


@pytest.mark.parametrize(
    "changes",
    [
        {"triton": ("127.0.0.1:8001; return 200",)},
        {"triton": ("$host:8001",)},
        {"host": "0.0.0.0 }"},
        {"triton_key": 'a"; proxy_pass http://evil; #'},
        {"triton_key": "two words"},
        {"home": Path("/tmp/with space")},
        {"home": Path("relative")},
        {"certificate": Path("/tmp/a;b.crt")},
        {"key": Path("/tmp/$uri.key")},
    ],
)
def test_nothing_can_be_smuggled_into_the_configuration(gateway: Gateway, changes: dict[str, object]) -> None:
    """What nginx could read as more than a value is refused with a sentence."""
    with pytest.raises(GatewayError, match=r"is no address|may hold|needs an absolute path"):
        render(Gateway(**{"home": gateway.home, **changes}))  # type: ignore[arg-type]


def test_without_a_certificate_it_says_how_to_get_one(tmp_path: Path, nginx: Path) -> None:
    """The sentence names the file, the options and the verb."""
    with pytest.raises(GatewayError, match="gateway certificate --name"):
        prepare(Gateway(tmp_path), nginx)


def test_what_nginx_refuses_is_told_in_its_words(gateway: Gateway, nginx: Path) -> None:
    """A key that does not belong to the certificate is found before anything is stopped."""
    other = gateway.home / "other.key"
    certificate.make(("127.0.0.1",), gateway.home / "other.crt", other)
    with pytest.raises(GatewayError, match="nginx refuses the configuration.*key values mismatch"):
        prepare(Gateway(gateway.home, key=other), nginx)


def test_a_port_in_use_is_told(gateway: Gateway, nginx: Path) -> None:
    """The second gateway on a port ends with nginx's reason in its log, and leaves nothing running."""
    with GatewayServer(gateway, binary=nginx, log=gateway.home / "log"):
        second = Gateway(gateway.home.parent / "second", port=gateway.port)
        certificate.make(("127.0.0.1",), second.certificate_file, second.key_file)
        log = second.home / "log"
        with pytest.raises(GatewayError, match="does not listen on .*it ended"):
            GatewayServer(second, binary=nginx, log=log).start()
        assert running(second.home) is None
    assert "Address already in use" in log.read_text()


def test_one_folder_has_one_gateway(gateway: Gateway, nginx: Path) -> None:
    """A second one would fight over pid file and log; it is told who is there."""
    first = GatewayServer(gateway, binary=nginx, log=gateway.home / "log")
    with first, pytest.raises(GatewayError, match="runs already"):
        GatewayServer(gateway, binary=nginx).start()
    assert running(gateway.home) is None


def test_a_pid_file_that_a_crash_left_behind_fools_nobody(gateway: Gateway, nginx: Path) -> None:
    """Its number may belong to another program by now, which gets no signal."""
    prepare(gateway, nginx)
    (gateway.home / "run" / "nginx.pid").write_text("1\n")
    assert running(gateway.home) is None
    assert reload(gateway.home, nginx) is False


def test_a_long_log_is_begun_anew(gateway: Gateway, nginx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one is kept beside it, once, and nginx writes into the new one."""
    monkeypatch.setattr("inference_server.nginx.LARGEST_LOG_BYTES", 10)
    with GatewayServer(gateway, binary=nginx, log=gateway.home / "log") as server:
        gateway.access_log.write_text("twenty bytes of calls\n")
        server.keep_house()
        assert gateway.access_log.with_name("access.log.1").read_text().startswith("twenty")


def test_a_certificate_is_good_for_names_and_addresses(tmp_path: Path) -> None:
    """Both stand in it as what they are; the key is its owner's alone."""
    made = certificate.make(("farm.example.org", "192.0.2.7", "::1"), tmp_path / "a.crt", tmp_path / "a.key", now=NOW)
    assert set(made.names) == {"farm.example.org", "192.0.2.7", "::1"}
    assert made.days_left(NOW) == certificate.DAYS - 1 or made.days_left(NOW) == certificate.DAYS
    assert made.days_left(NOW + timedelta(days=certificate.DAYS + 2)) < 0
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600


def test_what_is_no_certificate_or_no_name_is_told(tmp_path: Path) -> None:
    """The sentence says what is wrong with which file or name."""
    (tmp_path / "a.crt").write_text("hello")
    with pytest.raises(CertificateError, match="a.crt is no certificate"):
        certificate.read(tmp_path / "a.crt")
    with pytest.raises(CertificateError, match="no host name"):
        certificate.make(("müller.example",), tmp_path / "b.crt", tmp_path / "b.key")
    with pytest.raises(CertificateError, match="--name"):
        certificate.make((), tmp_path / "b.crt", tmp_path / "b.key")


def test_the_verbs_prepare_a_gateway(tmp_path: Path, nginx: Path) -> None:
    """certificate and check tell people what there is and what to do next; a certificate is not replaced by accident."""
    run = lambda *words: CliRunner().invoke(main, ["gateway", *words, "--home", str(tmp_path)])  # noqa: E731
    made = run("certificate", "--name", "192.0.2.7")
    assert "is good for 192.0.2.7 until" in made.stdout
    assert "--replace" in run("certificate", "--name", "192.0.2.7").stderr
    checked = run("check", "--host", "0.0.0.0")
    assert "none yet: spaghetti-server token add NAME" in checked.stdout
    assert "(without a key)" in checked.stdout
    refused = run("reload")
    assert (refused.exit_code, "No gateway of" in refused.stderr) == (1, True)


def test_a_certificate_that_is_a_link_stays_one(tmp_path: Path, nginx: Path) -> None:
    """ACME clients renew by pointing the link elsewhere: nginx is told the link's name, and a changed target is noticed."""
    for name in ("old", "new"):
        certificate.make(("127.0.0.1",), tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
    os.utime(tmp_path / "new.crt", (0, 0))
    for ending in ("crt", "key"):
        (tmp_path / f"live.{ending}").symlink_to(tmp_path / f"old.{ending}")
    home, live = tmp_path / "gateway", {"certificate": tmp_path / "live.crt", "key": tmp_path / "live.key"}
    words = [f"--{name}={path}" for name, path in live.items()]
    assert CliRunner().invoke(main, ["gateway", "check", "--home", str(home), *words]).exit_code == 0
    assert f"ssl_certificate {tmp_path / 'live.crt'};" in (home / "nginx.conf").read_text()
    with GatewayServer(Gateway(home, port=free_port("127.0.0.1"), **live), binary=nginx, log=home / "log") as server:
        before = ssl.get_server_certificate(("127.0.0.1", server.gateway.port), timeout=10.0)
        for ending in ("crt", "key"):
            (tmp_path / f"live.{ending}").unlink()
            (tmp_path / f"live.{ending}").symlink_to(tmp_path / f"new.{ending}")
        server.keep_house()
        end = time.monotonic() + 60.0
        while time.monotonic() < end:
            if ssl.get_server_certificate(("127.0.0.1", server.gateway.port), timeout=10.0) != before:
                return
            time.sleep(0.05)
    pytest.fail("the renewed certificate was not served")

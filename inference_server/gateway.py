"""The gateway that may face the internet: nginx's configuration, from a few settings.

nginx ends TLS, knows the printers by their tokens, lets five methods through, counts, and speaks to Triton with a key that
no printer is told. What it refuses it says in gRPC's own status codes, because that is what a printer's client reads.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from inference_server.triton import KEY_HEADER

SERVICE = "/inference.GRPCInferenceService/"
STREAM = "ModelStreamInfer"
FRAME_METHODS = ("ModelInfer", STREAM)
#: What else a printer's client asks; everything beside these and the frames is refused.
OTHER_METHODS = ("ServerLive", "ServerReady", "ModelReady", "ModelMetadata")

_PLAIN = re.compile(r"[A-Za-z0-9.:_\[\]-]+")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9.:_+/=-]+")
_UNPLAIN_IN_PATH = re.compile(r"[\s\"'$;{}#\\]")

#: One JPEG and some hundred bytes around it; a 1080p webcam sends 150 to 300 kB.
LARGEST_CALL = "2m"
#: A printer sends one frame in 5 s, or two in 1 s at the most; the burst lets several cameras and a Test button through.
CALLS_PER_S = 5
BURST = 20
OPEN_CALLS = 8
#: nginx cannot count the frames of a stream, only its bytes and how often one is opened; 8 MB are 8 minutes at 80 kB in 5 s.
STREAM_VOLUME = "8m"
STREAMS_PER_MIN = 6
STREAM_BURST = 4
#: An open stream without a frame for this long is closed; a printer waits 60 s between two at the most.
STREAM_SILENCE_S = 90
#: Reloading takes a moment too, and together a revoked token's stream is to end within 5 s.
REVOKED_STREAMS_S = 4
CONNECTIONS = 4096


class GatewayError(RuntimeError):
    """The gateway cannot run like this; the message says what to do."""


@dataclass(frozen=True)
class Gateway:
    """What nginx is told. ``home`` holds tokens, certificate, logs and the rendered configuration.

    ``triton`` the addresses of equal servers; ``triton_key`` what they expect (empty: nothing), a text without quotes;
    ``calls_per_s``, ``burst`` and ``open_calls`` are each printer's; ``streams`` lets ModelStreamInfer through, which
    nginx can limit by bytes alone; ``acme_port`` (None: none) answers certificate challenges over plain HTTP.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 8443
    triton: tuple[str, ...] = ("127.0.0.1:8001",)
    triton_key: str = field(default="", repr=False)
    certificate: Path | None = None
    key: Path | None = None
    calls_per_s: int = CALLS_PER_S
    burst: int = BURST
    open_calls: int = OPEN_CALLS
    streams: bool = False
    stream_volume: str = STREAM_VOLUME
    acme_port: int | None = None

    @property
    def conf(self) -> Path:
        """The file that nginx reads."""
        return self.home / "nginx.conf"

    @property
    def access_log(self) -> Path:
        """One line for each call."""
        return self.home / "logs" / "access.log"

    @property
    def certificate_log(self) -> Path:
        """A line now and then that says when the certificate ends."""
        return self.home / "logs" / "certificate.log"

    @property
    def certificate_file(self) -> Path:
        """The certificate, with the chain that signed it."""
        return self.certificate or self.home / "tls" / "server.crt"

    @property
    def key_file(self) -> Path:
        """The certificate's private key."""
        return self.key or self.home / "tls" / "server.key"


@dataclass(frozen=True)
class Refusal:
    """An HTTP status of nginx's own, and what a gRPC client reads in its place."""

    http: str
    grpc: int
    message: str

    @property
    def name(self) -> str:
        """The named location that answers it."""
        return "@" + "_".join(self.http.split())


#: gRPC codes: 3 INVALID_ARGUMENT, 4 DEADLINE_EXCEEDED, 7 PERMISSION_DENIED, 8 RESOURCE_EXHAUSTED, 12 UNIMPLEMENTED,
#: 14 UNAVAILABLE, 16 UNAUTHENTICATED. "rate limited" is what the printer's client looks for.
REFUSALS = (
    Refusal("401", 16, "the token is missing, wrong or revoked"),
    Refusal("403", 7, "the gateway does not let this method through"),
    Refusal("413", 3, "the picture is larger than the gateway takes"),
    Refusal("429", 8, "rate limited by the gateway"),
    Refusal("405", 12, "the gateway takes single calls and no streams"),
    Refusal("502 503", 14, "the gateway runs and Triton behind it does not answer"),
    Refusal("504", 4, "Triton behind the gateway took too long"),
)


class _Template(string.Template):
    """nginx's own variables begin with a dollar, so ours begin with a percent sign."""

    delimiter = "%"


def render(gateway: Gateway) -> str:
    """Return nginx's configuration; raises :class:`GatewayError` for what would change its meaning."""
    for path in (gateway.home, gateway.certificate_file, gateway.key_file):
        _check_path(path)
    methods = (*FRAME_METHODS, *OTHER_METHODS)
    template = (resources.files("inference_server") / "gateway.conf").read_text(encoding="utf-8")
    return _Template(template).substitute(
        home=gateway.home,
        access_log=gateway.access_log,
        listen=_address(gateway.host, gateway.port),
        certificate=gateway.certificate_file,
        key=gateway.key_file,
        upstream=_lines(4, (f"server {_checked(address)} max_fails=2 fail_timeout=5s;" for address in gateway.triton)),
        triton_key=_lines(4, _key_header(gateway.triton_key)),
        service=SERVICE,
        methods=_lines(4, (f"{SERVICE}{method} {method};" for method in methods)),
        calls="\n".join(_call(gateway, method) for method in methods if method != STREAM),
        stream=_lines(6, _stream(gateway) if gateway.streams else ["return 405;"]),
        largest_call=LARGEST_CALL,
        calls_per_s=gateway.calls_per_s,
        streams_per_min=STREAMS_PER_MIN,
        error_pages=_lines(4, (f"error_page {refusal.http} = {refusal.name};" for refusal in REFUSALS)),
        refusals="\n".join(map(_refusal, REFUSALS)),
        revoked_streams_s=REVOKED_STREAMS_S,
        connections=CONNECTIONS,
        open_files=2 * CONNECTIONS + 64,  # a connection to the printer and one to Triton, and what nginx itself opens
        acme=_acme(gateway),
    )


def _key_header(key: str) -> list[str]:
    if not key:
        return []
    if not _PLAIN_KEY.fullmatch(key):
        raise GatewayError(
            "Triton's key may hold letters, digits and . : _ + / = - alone; make one with: openssl rand -base64 24"
        )
    return [f'grpc_set_header {KEY_HEADER} "{key}";']


def _call(gateway: Gateway, method: str) -> str:
    return f"""    location = {SERVICE}{method} {{
      if ($printer = "") {{ return 401; }}
      limit_req zone=calls burst={gateway.burst} nodelay;
      limit_conn open {gateway.open_calls};
      grpc_pass grpc://triton;
    }}"""


def _stream(gateway: Gateway) -> list[str]:
    return [
        f"limit_req zone=opened burst={STREAM_BURST} nodelay;",
        f"limit_conn open {gateway.open_calls};",
        f"client_max_body_size {gateway.stream_volume};",
        f"client_body_timeout {STREAM_SILENCE_S}s;",
        f"grpc_read_timeout {STREAM_SILENCE_S}s;",
        "grpc_pass grpc://triton;",
    ]


def _refusal(refusal: Refusal) -> str:
    """Answer with HTTP 204 and the status in the headers: what gRPC calls a response of trailers only."""
    return f"""    location {refusal.name} {{
      internal;
      default_type application/grpc;
      add_header grpc-status {refusal.grpc} always;
      add_header grpc-message "{refusal.message}" always;
      return 204;
    }}"""


def _acme(gateway: Gateway) -> str:
    if gateway.acme_port is None:
        return ""
    return f"""
  server {{
    listen {_address(gateway.host, gateway.acme_port)};
    location /.well-known/acme-challenge/ {{ root {gateway.home}/acme; }}
    location / {{ return 404; }}
  }}"""


def _lines(indent: int, lines: Iterable[str]) -> str:
    return "\n".join(" " * indent + line for line in lines)


def _address(host: str, port: int) -> str:
    """Return host:port as nginx wants it; a name is left to nginx, which looks it up when it starts."""
    return f"[{host}]:{port}" if ":" in host else f"{_checked(host)}:{port}"


def _checked(text: str) -> str:
    """Return an address as it is; raises :class:`GatewayError` when nginx could read more into it."""
    if not _PLAIN.fullmatch(text):
        raise GatewayError(f"{text!r} is no address: letters, digits and . : _ - [ ] alone, such as 192.0.2.7:8001.")
    return text


def _check_path(path: Path) -> None:
    if not path.is_absolute() or _UNPLAIN_IN_PATH.search(str(path)):
        raise GatewayError(f"{path} cannot be used: nginx needs an absolute path without spaces, quotes or $ ; {{ }} in it.")

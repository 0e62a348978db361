"""The gateway's certificate: one made here for a name or address, and when any certificate ends."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: Who installs a certificate by hand on each Pi wants to do so seldom; browsers, which demand shorter ones, never see this one.
DAYS = 825
#: A clock of a Pi without a battery may be behind when it starts.
CLOCK_SKEW = timedelta(days=1)
#: Certificates that renew themselves do so a month before they end, so one this near to its end will not.
WARN_DAYS = 21


class CertificateError(ValueError):
    """A certificate cannot be made or read; the message says what to do."""


@dataclass(frozen=True)
class Certificate:
    """What a person may want to know of one: the names and addresses it is good for, and its last moment (UTC)."""

    names: tuple[str, ...]
    ends_at: datetime

    def days_left(self, now: datetime) -> int:
        """Return whole days until it ends, negative when it has ended."""
        return (self.ends_at - now).days


def warning(days_left: int) -> str | None:
    """Return what to tell of a certificate with so many whole days left, None while it is far from its end."""
    if days_left >= WARN_DAYS:
        return None
    if days_left < 0:
        return "the certificate has ended; printers refuse the gateway until it is renewed."
    return f"the certificate ends in {days_left} days; printers will refuse the gateway then. Renew it."


def make(names: tuple[str, ...], certificate: Path, key: Path, days: int = DAYS, now: datetime | None = None) -> Certificate:
    """Write a self-signed certificate for these names and addresses, and its key, which only its owner may read.

    A printer trusts it once the file is named in its settings as the server's certificate. Raises :class:`CertificateError`
    when there are no names, or the files cannot be written.
    """
    if not names:
        raise CertificateError("A certificate needs the name or address that printers will call, such as --name 192.0.2.7.")
    private = ec.generate_private_key(ec.SECP256R1())
    start = now or datetime.now(timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - CLOCK_SKEW)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    secret = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        for file, content, mode in ((key, secret, 0o600), (certificate, signed.public_bytes(serialization.Encoding.PEM), 0o644)):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(file, content, mode)
    except OSError as error:
        raise CertificateError(f"{error.filename} cannot be written ({error.strerror}).") from error
    return read(certificate)


def read(file: Path) -> Certificate:
    """Return what the first certificate in a PEM file says; raises :class:`CertificateError` when there is none."""
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise CertificateError(
            f"There is no certificate at {file} ({error.strerror}); name one with --certificate and --key, or make one: "
            "spaghetti-server gateway certificate --name ADDRESS."
        ) from error
    return parse(pem, str(file))


def parse(pem: bytes, where: str) -> Certificate:
    """Return what the first certificate in PEM text says; raises :class:`CertificateError`, which says ``where`` it is from."""
    try:
        found = x509.load_pem_x509_certificate(pem)
        alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise CertificateError(f"{where} is no certificate that a printer could verify ({error}).") from error
    names = [*alternatives.get_values_for_type(x509.DNSName), *map(str, alternatives.get_values_for_type(x509.IPAddress))]
    return Certificate(tuple(names), found.not_valid_after_utc)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise CertificateError(f"{name!r} is no host name; write others in their ASCII form (xn--...).") from error


def _write(file: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step; it is never readable by more than ``mode`` says."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(content)
    draft.replace(file)

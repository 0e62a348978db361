"""Cameras over HTTP: an address that answers one JPEG, or an MJPEG stream of which one picture is taken.

The stream is opened for each picture and closed behind it: held open it would carry thirty pictures for each that is looked
at, and a camera that serves one viewer would be taken from its owner.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from octoprint_spaghetti.adapters.cameras.bounded_reads import TOO_SLOW, BoundedReads, TooLate
from octoprint_spaghetti.core.camera_address import CameraAddress, camera_address
from octoprint_spaghetti.core.errors import CameraError, CameraMissing, CameraTooSlow, CameraUnreachable, PictureUnusable
from octoprint_spaghetti.core.jpeg import MOST_BYTES, check_jpeg, too_large
from octoprint_spaghetti.core.multipart import Parts
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Frame

#: Seconds to connect, and seconds that a camera may be silent; the whole is bounded by ``BoundedReads``.
_TIMEOUTS_S = (3.0, 5.0)
#: Bytes a read waits for: a stream's next picture must not be waited for to have this one whole.
_CHUNK = 1024
#: http to https, and a name to another; more is a login that sends in circles.
_MOST_REDIRECTS = 3


class SnapshotCamera:
    """Reads one JPEG from an address."""

    def __init__(self, url: str, certificate: str = "", *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Read from ``url``, verifying https with the CA file ``certificate`` or the system's; raises :class:`CameraMissing`."""
        self._address = camera_address(url, "http", "https")
        self._monotonic = monotonic
        self._reads = BoundedReads(monotonic)
        self._auth = _digest(self._address)
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc of whoever runs OctoPrint
        self._session.max_redirects = _MOST_REDIRECTS
        self._session.verify = certificate or True
        self._session.headers["Accept-Encoding"] = "identity"

    def capture(self) -> Frame:
        """Return one picture; blocks for ``WHOLE_PICTURE_S`` at most. Raises :class:`CameraError`."""
        captured_at = self._monotonic()
        answers: list[requests.Response] = []
        try:
            jpeg = self._reads.run(lambda too_late: self._fetch(answers, too_late))
        except CameraTooSlow:
            for answer in answers:
                _cut(answer)
            raise
        return Frame(check_jpeg(jpeg), captured_at, self._address.host)

    def close(self) -> None:
        """Hang up."""
        self._reads.close()
        self._session.close()

    def _fetch(self, answers: list[requests.Response], too_late: TooLate) -> bytes:
        try:
            with self._asked() as response:
                answers.append(response)
                return self._picture(response, too_late)
        except (requests.RequestException, OSError) as error:
            raise _translated(error, self._address.host) from error
        except ValueError as error:  # of urllib3 about a host that can be none, of requests about a password beyond Latin-1
            raise CameraUnreachable(
                say(
                    "The address of the camera at %(host)s, or the password in it, cannot be sent; check both in the settings.",
                    host=self._address.host,
                )
            ) from error

    def _asked(self) -> requests.Response:
        """Return the answer to the request, headers read; a camera that wants Basic is asked again with it."""
        response = self._session.get(self._address.url, auth=self._auth, timeout=_TIMEOUTS_S, stream=True)
        if response.status_code == 401 and self._address.name and "basic" in response.headers.get("WWW-Authenticate", "").lower():
            response.close()
            self._auth = HTTPBasicAuth(self._address.name, self._address.password)
            response = self._session.get(self._address.url, auth=self._auth, timeout=_TIMEOUTS_S, stream=True)
        if response.status_code != 200:
            response.close()
            raise _refused(response.status_code, self._address)
        return response

    def _picture(self, response: requests.Response, too_late: TooLate) -> bytes:
        data = bytearray()
        for chunk in _chunks(response, too_late):
            data += chunk
            if len(data) > MOST_BYTES:
                raise PictureUnusable(too_large(len(data)))
        return bytes(data)


class MjpegCamera(SnapshotCamera):
    """Takes the first picture of an MJPEG stream."""

    def _picture(self, response: requests.Response, too_late: TooLate) -> bytes:
        if not response.headers.get("Content-Type", "").lower().startswith("multipart/"):
            return super()._picture(response, too_late)  # one picture is as good; for anything else there is a sentence
        parts = Parts()
        for chunk in _chunks(response, too_late):
            for picture in parts.feed(chunk):
                return picture
        raise PictureUnusable(say("The camera's stream ended before a whole picture came; check its cable or network."))


def _chunks(response: requests.Response, too_late: TooLate) -> Iterator[bytes]:
    for chunk in response.iter_content(_CHUNK):
        if too_late():
            raise CameraTooSlow(TOO_SLOW)
        yield chunk


def _cut(answer: requests.Response) -> None:
    """End a read on another thread that its own time-out does not: a camera that trickles would hold it for minutes.

    One that was closed already, after its time-out or at this moment, has no socket any more (urllib3 raises what it likes then).
    """
    with suppress(OSError, ValueError, AttributeError), socket.socket(fileno=os.dup(answer.raw.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _digest(address: CameraAddress) -> AuthBase | None:
    """Return how to log in at first: with Digest, which sends no password, nothing that a camera did not ask for."""
    return HTTPDigestAuth(address.name, address.password) if address.name else None


def _refused(status: int, address: CameraAddress) -> CameraError:
    """Return the error for an answer that is not 200."""
    if status in (401, 403) and address.name:
        return CameraUnreachable(
            say("The camera at %(host)s refuses the name and password; check them in its address.", host=address.host)
        )
    if status in (401, 403):
        return CameraUnreachable(
            say(
                "The camera at %(host)s wants a name and password; enter them in its address: http://name:password@...",
                host=address.host,
            )
        )
    if status == 404:
        return CameraUnreachable(
            say("The camera at %(host)s has nothing at this path (status 404); check its address.", host=address.host)
        )
    return CameraUnreachable(
        say(
            "The camera at %(host)s answered with status %(status)s; restart it, or check its address.",
            host=address.host,
            status=status,
        )
    )


def _translated(error: Exception, host: str) -> CameraError:
    """Return our error for one of requests or of the system; its own text may hold the address and is not repeated."""
    causes = tuple(_causes(error))
    if any(isinstance(cause, (requests.Timeout, socket.timeout)) for cause in causes):
        return CameraTooSlow(TOO_SLOW)
    if isinstance(error, requests.exceptions.SSLError):
        return CameraUnreachable(
            say(
                "The certificate of the camera at %(host)s is not trusted; enter the path of its CA certificate in the settings.",
                host=host,
            )
        )
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return PictureUnusable(say("The camera broke off in the middle of a picture; check its cable or network."))
    if isinstance(error, requests.TooManyRedirects):
        return CameraUnreachable(
            say("The camera at %(host)s redirects in circles; check its address, and whether it needs a login.", host=host)
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return CameraUnreachable(
            say("There is no camera named %(host)s in the network; check the host in its address.", host=host)
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return CameraUnreachable(say("Nothing listens at %(host)s; check the camera's address, and that it is on.", host=host))
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return CameraMissing(say("The certificate for the camera cannot be read; check its path in the settings."))
    return CameraUnreachable(say("The camera at %(host)s cannot be reached; check its address and network.", host=host))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it; urllib3 hides the system's error among its arguments."""
    for _ in range(10):
        if error is None:
            return
        yield error
        inner = [argument for argument in error.args if isinstance(argument, BaseException)]
        reason = getattr(error, "reason", None)
        error = inner[0] if inner else reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__

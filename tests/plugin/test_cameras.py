"""Cameras read without OctoPrint: over real HTTP from the demonstration's webcam and worse ones, over real RTSP with ffmpeg."""

from __future__ import annotations

import base64
import hashlib
import shutil
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from demo.webcam import Mode, Webcam
from octoprint_spaghetti.adapters.cameras import rtsp as rtsp_camera
from octoprint_spaghetti.adapters.cameras.bounded_reads import MOST_READERS, WHOLE_PICTURE_S, BoundedReads, TooLate
from octoprint_spaghetti.adapters.cameras.over_http import MjpegCamera, SnapshotCamera
from octoprint_spaghetti.adapters.cameras.rtsp import RtspCamera
from octoprint_spaghetti.core.errors import CameraError, CameraMissing, CameraTooSlow, CameraUnreachable, PictureUnusable
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.parts import build_camera
from octoprint_spaghetti.testing import FakeClock
from tests.pictures import Pictures, jpeg
from tests.rtsp_server import RtspCamera as RtspServer

ROOT = Path(__file__).parents[2]
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
KINDS = {"/snapshot": SnapshotCamera, "/stream": MjpegCamera}


@pytest.fixture
def webcam() -> Iterator[Webcam]:
    with Webcam(Pictures(3000), interval_s=0.1) as camera:
        camera.play()
        yield camera


@pytest.fixture
def opened() -> Iterator[Callable[..., object]]:
    """Return a function that remembers a camera, so that it is closed."""
    cameras: list[SnapshotCamera | RtspCamera] = []

    def remember(camera: SnapshotCamera | RtspCamera) -> SnapshotCamera | RtspCamera:
        cameras.append(camera)
        return camera

    yield remember
    for camera in cameras:
        camera.close()


@pytest.mark.parametrize("path", KINDS)
def test_a_picture_comes_as_the_camera_sent_it(webcam: Webcam, opened: Callable, path: str) -> None:
    """Byte for byte, from an address of one JPEG and from a stream; the next one is a new one."""
    clock = webcam.clock = FakeClock()
    webcam.play()
    camera = opened(KINDS[path](webcam.url + path))
    first = camera.capture()
    assert first.jpeg == jpeg(0)
    assert first.camera == webcam.url.removeprefix("http://")
    clock.forward(0.15)
    assert camera.capture().jpeg == jpeg(1)


@pytest.mark.parametrize(
    ("mode", "error", "said"),
    [
        pytest.param(Mode.HTTP500, CameraUnreachable, "status 500", id="status 500"),
        pytest.param(Mode.HTML200, PictureUnusable, "web page", id="a login page with status 200"),
        pytest.param(Mode.TRUNCATE, PictureUnusable, "broke off|cut off", id="half a picture"),
        pytest.param(Mode.STALL, CameraTooSlow, "hangs", id="half a picture and then nothing"),
        pytest.param(Mode.HUGE, PictureUnusable, "more than 10 MB", id="20 MB"),
        pytest.param(Mode.TRICKLE, CameraTooSlow, "more than 6 s", id="a trickle"),
        pytest.param(Mode.HANG, CameraTooSlow, "hangs", id="a camera that hangs"),
    ],
)
def test_a_camera_that_misbehaves_is_named_in_time(
    webcam: Webcam, opened: Callable, mode: Mode, error: type[CameraError], said: str
) -> None:
    """Each fault has its error and its sentence, and the camera that is well again delivers."""
    camera = opened(SnapshotCamera(f"{webcam.url}/snapshot"))
    webcam.mode = mode
    with pytest.raises(error, match=said):
        camera.capture()
    webcam.mode = Mode.OK
    assert camera.capture().jpeg[:2] == b"\xff\xd8"


@pytest.mark.parametrize("address", ["http://192.168.1..5/snap.jpg", "http://admin:5%E2%82%AC-geheim@{host}/snapshot"])
def test_an_address_that_cannot_be_sent_is_no_camera_that_hangs(receiver_of_basic: str, opened: Callable, address: str) -> None:
    """Two dots in a row; a password that no header can carry: said at once, without the password."""
    camera = opened(SnapshotCamera(address.format(host=receiver_of_basic)))
    with pytest.raises(CameraUnreachable, match="cannot be sent; check both") as refused:
        camera.capture()
    assert "geheim" not in str(refused.value)


@pytest.fixture
def receiver_of_basic() -> Iterator[str]:
    """Return host and port of a camera that asks for a login, by Basic."""

    class AsksForBasic(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), AsksForBasic)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_read_that_breaks_is_not_waited_for() -> None:
    """What nobody has thought of reaches the watch, which says so, at once and not as a camera that hangs."""

    def broken(too_late: TooLate) -> bytes:
        raise KeyError("unforeseen")

    with pytest.raises(KeyError, match="unforeseen"):
        BoundedReads(seconds=60.0).run(broken)


def test_reads_that_hang_do_not_pile_up() -> None:
    """However long a camera hangs, at most three threads wait for it, and each of ours is told that its time is up."""
    reads, healed, told = BoundedReads(seconds=0.05), threading.Event(), []
    others = set(threading.enumerate())

    def hang(too_late: TooLate) -> bytes:
        healed.wait(60.0)
        told.append(too_late())
        return b""

    for _ in range(MOST_READERS + 3):
        with pytest.raises(CameraTooSlow, match="hangs"):
            reads.run(hang)
    hanging = [thread for thread in set(threading.enumerate()) - others if thread.name == "spaghetti-camera"]
    assert len(hanging) <= MOST_READERS
    healed.set()
    for thread in hanging:
        thread.join(30.0)
    reads.close()
    assert told == [True] * MOST_READERS
    reads._seconds = 30.0
    assert reads.run(lambda too_late: b"well again") == b"well again"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("http://127.0.0.1:9/snapshot", "Nothing listens at 127.0.0.1:9", id="nothing listens"),
        pytest.param("http://spaghetti.invalid/snapshot", "no camera named spaghetti.invalid", id="no such name"),
    ],
)
def test_a_wrong_address_is_told(opened: Callable, url: str, said: str) -> None:
    """A closed port and an unknown name have sentences of their own."""
    with pytest.raises(CameraUnreachable, match=said):
        opened(SnapshotCamera(url)).capture()


def test_a_wrong_path_is_told(webcam: Webcam, opened: Callable) -> None:
    """Status 404 means the path."""
    with pytest.raises(CameraUnreachable, match="nothing at this path"):
        opened(SnapshotCamera(f"{webcam.url}/nonesuch")).capture()


def test_a_stream_set_as_a_snapshot_is_told(webcam: Webcam, opened: Callable) -> None:
    """It never ends; the sentence says to use the other kind, whichever of time and size runs out first."""
    with pytest.raises(CameraError, match="more than"):
        opened(SnapshotCamera(f"{webcam.url}/stream")).capture()


def test_one_jpeg_set_as_a_stream_is_taken(webcam: Webcam, opened: Callable) -> None:
    """Nobody has to know which of the two their camera's address is."""
    assert opened(MjpegCamera(f"{webcam.url}/snapshot")).capture().jpeg[:2] == b"\xff\xd8"


class Guarded(BaseHTTPRequestHandler):
    """A camera with a login of the kind ``scheme``; admin and g3h3im get in."""

    scheme = "basic"
    seen: list[str] = []

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        self.seen.append(given)
        if self.path == "/round":
            self._answer(302, ("Location", "/round"))
        elif self._may(given):
            picture = jpeg(1)
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)
        else:
            challenge = 'Digest realm="cam", nonce="n1", qop="auth"' if self.scheme == "digest" else 'Basic realm="cam"'
            self._answer(401, ("WWW-Authenticate", challenge))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Stay silent."""

    def _answer(self, status: int, header: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header(*header)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _may(self, given: str) -> bool:
        if self.scheme == "basic":
            return given == "Basic " + base64.b64encode(b"admin:g3h3im").decode()
        if not given.startswith("Digest "):
            return False
        fields = dict(part.strip().split("=", 1) for part in given[7:].split(","))
        field = {name: value.strip('"') for name, value in fields.items()}
        login = _md5("admin:cam:g3h3im")
        request = _md5(f"GET:{field['uri']}")
        return field["response"] == _md5(f"{login}:n1:{field['nc']}:{field['cnonce']}:auth:{request}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - what Digest is made of


@pytest.fixture
def guarded() -> Iterator[Callable[[str], str]]:
    """Return a function that starts such a camera and returns its host."""
    servers: list[ThreadingHTTPServer] = []

    def start(scheme: str, context: ssl.SSLContext | None = None) -> str:
        handler = type("Handler", (Guarded,), {"scheme": scheme, "seen": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        start.seen = handler.seen  # type: ignore[attr-defined]
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_a_login_is_done_as_the_camera_wants_it(guarded: Callable, opened: Callable, scheme: str) -> None:
    """Name and password before the host work with Basic and Digest; a Digest camera never gets the password itself."""
    camera = opened(SnapshotCamera(f"http://admin:g3h3im@{guarded(scheme)}/snap"))
    for _ in range(2):
        assert camera.capture().jpeg == jpeg(1)
    assert (scheme == "basic") == any(given.startswith("Basic") for given in guarded.seen)


@pytest.mark.parametrize(
    ("login", "said"),
    [pytest.param("", "wants a name and password", id="none"), pytest.param("admin:wr0ng@", "refuses", id="a wrong one")],
)
def test_a_missing_or_wrong_login_is_told_without_repeating_it(
    guarded: Callable, opened: Callable, login: str, said: str
) -> None:
    """The sentence says which of the two it is, and neither it nor what led to it holds the password."""
    with pytest.raises(CameraUnreachable, match=said) as caught:
        opened(SnapshotCamera(f"http://{login}{guarded('basic')}/snap?pwd=wr0ng")).capture()
    assert "wr0ng" not in str(caught.value)


def test_redirects_in_circles_are_told(guarded: Callable, opened: Callable) -> None:
    """A login that sends back and forth is no camera."""
    with pytest.raises(CameraUnreachable, match="in circles"):
        opened(SnapshotCamera(f"http://{guarded('basic')}/round")).capture()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_https_is_verified(guarded: Callable, opened: Callable, tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused; with its CA file the same camera delivers; a wrong path is told."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    url = f"https://admin:g3h3im@{guarded('basic', context)}/snap"
    with pytest.raises(CameraUnreachable, match="not trusted"):
        opened(SnapshotCamera(url)).capture()
    assert opened(SnapshotCamera(url, str(certificate))).capture().jpeg == jpeg(1)
    with pytest.raises(CameraMissing, match="cannot be read"):
        opened(SnapshotCamera(url, str(tmp_path / "nonesuch.pem"))).capture()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"camera_source": "mjpeg"}, "address is empty", id="no address"),
        pytest.param({"camera_source": "snapshot", "camera_url": "rtsp://cam/live"}, "must begin with http", id="another kind"),
        pytest.param({"camera_source": "rtsp", "camera_url": "http://cam/live"}, "must begin with rtsp", id="no RTSP"),
    ],
)
def test_a_choice_that_does_not_fit_is_told(settings: dict[str, str], said: str) -> None:
    """Before anything is asked."""
    with pytest.raises(CameraMissing, match=said):
        build_camera(Settings(**settings))


def test_without_ffmpeg_the_sentence_says_how_to_get_it() -> None:
    """RTSP needs a program that not every Pi has."""
    with pytest.raises(CameraMissing, match="sudo apt install ffmpeg"):
        RtspCamera("rtsp://cam/live", ffmpeg="nonesuch")


@pytest.mark.parametrize(
    ("complaint", "said"),
    [
        pytest.param("Unrecognized option 'fps_mode'.", "too old", id="an old one"),
        pytest.param("rtsp://admin:g3h3im@cam/live: no idea", "cannot be read", id="one that repeats the password"),
    ],
)
def test_an_ffmpeg_that_ends_at_once_is_told(opened: Callable, tmp_path: Path, complaint: str, said: str) -> None:
    """From its complaints what they mean, and never their own words."""
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\necho "{complaint}" >&2\nexit 1\n')
    program.chmod(0o755)
    with pytest.raises(CameraUnreachable, match=said) as caught:
        opened(RtspCamera("rtsp://admin:g3h3im@cam/live", ffmpeg=str(program))).capture()
    assert "g3h3im" not in str(caught.value)


@pytest.fixture(scope="module")
def rtsp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    with RtspServer(tmp_path_factory.mktemp("rtsp"), login="admin:g3h3im") as camera:
        yield camera


def _command_lines() -> str:
    """Return what every user of this computer can see of its processes."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue  # it has ended meanwhile
    return "\n".join(lines)


@needs_ffmpeg
def test_rtsp_gives_new_pictures_from_one_process(rtsp: RtspServer, opened: Callable) -> None:
    """Each picture is returned once and was never decoded by us; the password is in no process list."""
    camera = opened(RtspCamera(rtsp.url))
    first, second = _picture(camera), _picture(camera)
    assert first.jpeg != second.jpeg
    assert second.captured_at > first.captured_at
    assert "pipe:1" in _command_lines()
    assert "g3h3im" not in _command_lines()


def _picture(camera: RtspCamera) -> object:
    """Return a picture; on a busy machine the camera itself may send it later than it is asked, as the watch asks again too."""
    for _ in range(8):
        try:
            return camera.capture()
        except CameraError:
            time.sleep(1.0)
    return camera.capture()


@needs_ffmpeg
@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("rtsp://127.0.0.1:9/live", "Nothing listens at 127.0.0.1:9", id="nothing listens"),
        pytest.param("rtsp://spaghetti.invalid/live", "no camera named spaghetti.invalid", id="no such name"),
        pytest.param("rtsp://admin:wr0ng@{host}/live", "refuses the name and password", id="a wrong password"),
    ],
)
def test_rtsp_that_does_not_deliver_is_told(rtsp: RtspServer, opened: Callable, url: str, said: str) -> None:
    """From what ffmpeg says, in our words and without the password."""
    with pytest.raises(CameraUnreachable, match=said) as caught:
        opened(RtspCamera(url.format(host=rtsp.host))).capture()
    assert "wr0ng" not in str(caught.value)


@needs_ffmpeg
def test_closing_leaves_neither_process_nor_thread(rtsp: RtspServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a descriptor of either; and the camera can be opened again."""
    monkeypatch.setattr(rtsp_camera, "_JOIN_S", 30.0)
    before = _descriptors()
    camera = RtspCamera(rtsp.url)
    for _ in range(2):
        _picture(camera)
        stream = camera._stream
        assert stream is not None
        camera.close()
        assert stream._process.poll() is not None
        assert not stream._reader.is_alive()
    end = time.monotonic() + 30.0
    while _descriptors() > before and time.monotonic() < end:
        time.sleep(0.1)  # the camera of this test lives in the same process and notices last
    assert _descriptors() <= before


@needs_ffmpeg
def test_ffmpeg_does_not_outlive_octoprint(rtsp: RtspServer) -> None:
    """After SIGKILL of the process that reads it, it ends with the next picture that nobody takes."""
    script = f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from octoprint_spaghetti.adapters.cameras.rtsp import RtspCamera
        camera = RtspCamera({rtsp.url!r})
        for _ in range(5):
            try:
                camera.capture()
                break
            except Exception:
                continue
        print(camera._stream._process.pid, flush=True)
        time.sleep(60)
    """
    octoprint = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert octoprint.stdout is not None
        pid = int(octoprint.stdout.readline())
    finally:
        octoprint.kill()
        octoprint.wait()
    end = time.monotonic() + 3 * WHOLE_PICTURE_S
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _runs(pid)


def _descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def _runs(pid: int) -> bool:
    """Return whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

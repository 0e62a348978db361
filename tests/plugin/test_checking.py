"""``spaghetti check`` with a scripted detector: odd files, phones' files, folders of all sorts, boxed copies, the way out."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from inference_server import pixels
from octoprint_spaghetti import checking, cli, shell
from octoprint_spaghetti.checking import find_pictures, read_jpeg
from octoprint_spaghetti.core.errors import PictureUnusable, ServerOverloaded
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Answer, Frame
from octoprint_spaghetti.testing import FakeClock, FakeDetector, answer
from octoprint_spaghetti.unhurried import Unhurried
from tests.pictures import jpeg

HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100)
GIF = b"GIF89a\x20\x00\x20\x00\x00\x00\x00;"
#: What a Samsung appends: a name, notes, and at the very end the letters of its own end mark.
TRAILER = b"\x00\x00\x01\x0aMotionPhoto_Data\x00\x00\x00\x18ftypmp42\xff\xd9 film \x00\x12SEFT"


class Pointing(FakeDetector):
    """Sees one box, in the top left ninth of any picture, as the picture was delivered."""

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        self.looked.append(frame)
        return answer(0.9, box=Box(0.0, 0.0, 0.3, 0.3))


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Pointing:
    """Stand in for whoever looks."""
    pointing = Pointing()
    monkeypatch.setattr(cli, "detector_for", lambda *given: pointing)
    return pointing


def check(*arguments: Any) -> Result:
    """Run ``spaghetti check``; whatever happens, nobody gets a traceback."""
    result = CliRunner().invoke(cli.main, ["check", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def lines(result: Result) -> list[dict[str, Any]]:
    """Return the documents that ``--json`` prints."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def picture(ending: str, width: int = 64, height: int = 48) -> bytes:
    """Return a picture of noise as a file of the kind that belongs to ``ending``."""
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return bytes(cv2.imencode(ending, noise)[1].tobytes())


def claiming_png(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header claims so many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def tagged(data: bytes, orientation: int) -> bytes:
    """Return a JPEG whose EXIF says how it is to be turned; 6 is a phone held upright."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def with_thumbnail(data: bytes) -> bytes:
    """Return a JPEG with a whole smaller one in its header, as cameras write it."""
    small = b"Exif\0\0" + jpeg(1, 64, 48)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(small) + 2) + small + data[2:]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("b.png", b"", "empty", id="an empty file"),
        pytest.param("b.jpg", b"", "empty", id="an empty JPEG"),
        pytest.param("b.png", claiming_png(40_000, 40_000), "40000 x 40000", id="a header that claims too many pixels"),
        pytest.param("b.tif", picture(".tiff")[:200], "damaged TIFF", id="the first bytes of a TIFF"),
        pytest.param("b.png", picture(".png", 66_000, 20), "66000 x 20", id="a side too long for a JPEG"),
        pytest.param("b.jpg", b"nothing of the kind", "no picture", id="a text called .jpg"),
        pytest.param("b.jpg", b"<!DOCTYPE html>", "web page", id="a web page called .jpg"),
        pytest.param("b.jpg", HEIC, "save it as JPEG or PNG", id="a HEIC called .jpg"),
        pytest.param("b.jpg", jpeg()[:5000], "cut off", id="half a JPEG"),
    ],
)
def test_an_odd_file_is_refused_and_the_rest_is_looked_at(
    tmp_path: Path, detector: Pointing, name: str, content: bytes, said: str
) -> None:
    """The sentence is about a file, not about a camera; the file behind it gets its line."""
    for file, data in (("a.jpg", jpeg(0)), (name, content), ("c.jpg", jpeg(2))):
        (tmp_path / file).write_bytes(data)
    result = check("--json", tmp_path)
    refused = lines(result)[1]
    assert result.exit_code == 1
    assert [Path(line["file"]).name for line in lines(result)] == ["a.jpg", name, "c.jpg"]
    assert set(refused) == {"file", "error"}
    assert said in refused["error"]
    assert "camera" not in refused["error"].lower()


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is known beforehand: a disk image by accident does not fill the memory."""
    file = tmp_path / "disk.png"
    with file.open("wb") as stream:
        stream.truncate(1 << 32)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("it was read"))
    with pytest.raises(PictureUnusable, match="more than 160 MB"):
        read_jpeg(file)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PNG, BMP or GIF says in its header how large it is, and what the detector refuses need not be unpacked."""
    monkeypatch.setattr(checking, "_opencv", lambda: pytest.fail("it was decoded"))
    bmp = bytearray(picture(".bmp"))
    bmp[18:26] = struct.pack("<ii", 20_000, -20_000)
    for name, data in {"a.png": claiming_png(20_000, 20_000), "a.bmp": bytes(bmp)}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PictureUnusable, match="20000 x 20000"):
            read_jpeg(tmp_path / name)
    assert checking.MOST_PIXELS == pixels.MAX_PIXELS


@pytest.mark.parametrize("ending", [".png", ".webp", ".bmp", ".tiff", ".jp2"])
@pytest.mark.parametrize("name", ["a{ending}", "a", "a.jpg"], ids=["by its name", "without a name", "called .jpg"])
def test_what_opencv_reads_is_looked_at(tmp_path: Path, detector: Pointing, name: str, ending: str) -> None:
    """The content says what a file in a folder is; what is no JPEG becomes one."""
    (tmp_path / name.format(ending=ending)).write_bytes(picture(ending))
    assert check(tmp_path).exit_code == 0
    assert pixels.jpeg_size(detector.looked[0].jpeg) == (64, 48)


@pytest.mark.parametrize("name", ["a.jpeg", "a.jfif", "a.png", "IMG_0001"])
def test_a_jpeg_is_looked_at_as_it_is_whatever_it_is_called(tmp_path: Path, detector: Pointing, name: str) -> None:
    """No byte of it is changed."""
    (tmp_path / name).write_bytes(jpeg())
    assert check(tmp_path).exit_code == 0
    assert [frame.jpeg for frame in detector.looked] == [jpeg()]


@pytest.mark.parametrize("whole", [jpeg(), with_thumbnail(jpeg())], ids=["plain", "with a thumbnail"])
def test_what_a_phone_appends_to_its_picture_is_cut_off(tmp_path: Path, detector: Pointing, whole: bytes) -> None:
    """Notes and short films behind the end marker are no part of the picture."""
    (tmp_path / "a.jpg").write_bytes(whole + TRAILER)
    assert check(tmp_path).exit_code == 0
    assert [frame.jpeg for frame in detector.looked] == [whole]


def test_the_end_of_a_thumbnail_is_no_end_of_the_picture(tmp_path: Path, detector: Pointing) -> None:
    """A file that was cut off behind its header holds a whole picture, but not the one that is meant."""
    (tmp_path / "a.jpg").write_bytes(with_thumbnail(jpeg())[:9000])
    result = check("--json", tmp_path)
    assert result.exit_code == 2
    assert "cut off" in lines(result)[0]["error"]


def test_files_that_are_no_pictures_are_counted_at_the_end(tmp_path: Path, detector: Pointing) -> None:
    """The count is told beside the lines, with what to do about pictures that cannot be looked at; boxed copies do not count."""
    for name, data in {"a.jpg": jpeg(), "b.txt": b"notes", "c.heic": HEIC, "d.HEIC": HEIC, "e.gif": GIF}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "a.jpg.boxed.jpg").write_bytes(jpeg())
    result = check("--json", tmp_path)
    assert result.exit_code == 0
    assert len(lines(result)) == 1
    assert (
        result.stderr
        == "4 files were skipped as no picture to look at; of these 3 GIF or HEIC, to be saved as JPEG or PNG first.\n"
    )


def test_a_folder_of_a_phone_says_why_there_is_nothing_to_look_at(tmp_path: Path, detector: Pointing) -> None:
    """Nothing was looked at, and it is said what the one file is."""
    (tmp_path / "IMG_1.HEIC").write_bytes(HEIC)
    result = check(tmp_path)
    assert result.exit_code == 2
    assert "1 file was skipped as no picture to look at; of these 1 HEIC, to be saved as JPEG or PNG first." in result.stderr
    assert "There is no picture" in result.stderr


def test_a_named_heic_is_refused_with_what_to_do(tmp_path: Path, detector: Pointing) -> None:
    """Whatever is named is answered for in a line of its own."""
    (tmp_path / "a.heic").write_bytes(HEIC)
    assert "HEIC" in lines(check("--json", tmp_path / "a.heic"))[0]["error"]


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails is no traceback."""

    def failing(path: Path, pattern: str) -> list[Path]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "rglob", failing)
    with pytest.raises(PictureUnusable, match="Input/output error"):
        list(find_pictures([tmp_path]))


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_boxes_are_drawn_where_they_were_seen_whatever_the_orientation_tag_says(
    tmp_path: Path, detector: Pointing, orientation: int
) -> None:
    """The detector looks at the picture as it was delivered, and so does whoever looks at the copy."""
    (tmp_path / "a.jpg").write_bytes(tagged(jpeg(0, 640, 480), orientation))
    assert check(tmp_path, "--out", tmp_path / "boxed").exit_code == 0
    copy = cv2.imread(str(tmp_path / "boxed" / "a.jpg.boxed.jpg"))
    assert copy.shape == (480, 640, 3)
    corner = copy[144, 100:180].astype(int)  # the lower edge of the box: 0.3 of 480 rows, left of 0.3 of 640 columns
    assert (corner[:, 2] - corner[:, 1] > 80).all()


def test_a_copy_that_cannot_be_written_ends_the_run_with_its_cause(tmp_path: Path, detector: Pointing) -> None:
    """Copies were asked for: without them nothing is well."""
    (tmp_path / "a.jpg").write_bytes(jpeg())
    result = check(tmp_path / "a.jpg", "--out", "/proc")
    assert result.exit_code == 2
    assert "/proc cannot be written" in result.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """Piped into ``head``, the command ends without a word."""
    (tmp_path / "a.jpg").write_bytes(jpeg())
    program = "from octoprint_spaghetti import cli; from octoprint_spaghetti.testing import FakeDetector as Fake;"
    program += "cli.detector_for = lambda *given: Fake(); cli.main()"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, "check", str(tmp_path)],
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == b""


def test_a_model_for_a_server_is_refused(tmp_path: Path) -> None:
    """It would look with its own."""
    (tmp_path / "a.onnx").write_bytes(b"")
    result = check(tmp_path, "--server", "192.0.2.7:8001", "--model", tmp_path / "a.onnx")
    assert result.exit_code == 2
    assert "--server or --model" in result.stderr


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """Let a fake look, remember under which settings it was made, and remember answers nowhere else."""
    made: list[Settings] = []

    def build(settings: Settings) -> FakeDetector:
        made.append(settings)
        return FakeDetector()

    monkeypatch.setattr(shell, "build_detector", build)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


@pytest.fixture
def secured(tmp_path: Path) -> list[str]:
    """Return the options for a gateway: its address, its certificate, a file with a token."""
    (tmp_path / "ca.pem").write_text("a certificate")
    (tmp_path / "token").write_text("prusa-1.secret\n")
    return [
        "--server", "192.0.2.7:8443", "--certificate", str(tmp_path / "ca.pem"), "--token-file", str(tmp_path / "token"),
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["check", "replay"])
def test_a_gateway_is_asked_as_the_plugin_asks_it(
    tmp_path: Path, asked: list[Settings], secured: list[str], command: str
) -> None:
    """Encrypted, and with the token from its file, which no list of processes shows."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.jpg").write_bytes(jpeg())
    result = CliRunner().invoke(cli.main, [command, str(tmp_path / "pictures"), *secured])
    assert result.exit_code == 0, result.output
    (settings,) = asked
    assert (settings.detector, settings.servers, settings.tls) == ("server", ("192.0.2.7:8443",), True)
    assert (settings.certificate, settings.token) == (str(tmp_path / "ca.pem"), "prusa-1.secret")


class LimitedDetector(FakeDetector):
    """Answers five times a second, as a gateway lets it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self._from = clock()

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        if self._clock() < self._from:
            raise ServerOverloaded("rate limited by the gateway")
        self._from = self._clock() + 0.2
        return super().look(frame, roi)


def test_a_gateway_is_asked_as_often_as_it_lets_us() -> None:
    """A folder of pictures is looked at to its end, none of them refused; a server that never has time is given up."""
    clock = FakeClock()
    limited = LimitedDetector(clock)
    shell_asks = Unhurried(limited, clock.forward)
    for number in range(200):
        shell_asks.look(Frame(b"%d" % number, 0.0, "test"))
    assert [frame.jpeg for frame in limited.looked] == [b"%d" % number for number in range(200)]
    assert clock() - FakeClock()() < 60.0
    with pytest.raises(ServerOverloaded):
        Unhurried(FakeDetector(trouble=ServerOverloaded("busy")), clock.forward).look(Frame(b"", 0.0, "test"))


@pytest.mark.parametrize("command", ["check", "replay"])
@pytest.mark.parametrize("options", [["--tls"], ["--certificate", "token"], ["--token-file", "token"]])
def test_options_of_a_server_need_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Settings], command: str, options: list[str]
) -> None:
    """They are not passed over in silence."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("secret")
    result = CliRunner().invoke(cli.main, [command, str(tmp_path), *options])
    assert result.exit_code == 2
    assert "name it with --server" in result.stderr
    assert asked == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b"hunter2\nhunter3\n", "one line", id="two lines"),
        pytest.param("\u201chunter2\u201d".encode(), "quotes", id="typographic quotes"),
        pytest.param(b"\xffhunter2", "holds no token", id="no text"),
    ],
)
def test_a_file_without_a_token_is_refused_and_not_repeated(
    tmp_path: Path, asked: list[Settings], content: bytes, said: str
) -> None:
    """It may hold a secret nevertheless."""
    (tmp_path / "token").write_bytes(content)
    result = check(tmp_path, "--server", "192.0.2.7:8443", "--tls", "--token-file", tmp_path / "token")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "hunter" not in result.output
    assert asked == []

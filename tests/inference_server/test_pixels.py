"""From JPEG bytes to the detector's input: what goes through, what is refused, and what a region means."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from inference_server.pixels import MAX_PIXELS, BadPicture, Fractions, Prepared, checked_region, jpeg_size, parse_region
from inference_server.pixels import prepare as prepare_for

#: 16 x 16 pixels of pure red in CMYK, as a picture editor saves it.
CMYK_RED = base64.b64decode(
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAbEhQXFBEbFxYXHhwbIChCKyglJShROj0wQmBVZWRfVV1baniZgWpxkHNbXYW1hpCeo6utq2eAvMm6pseZqKuk/8AA"
    "FAgAEAAQBEMRAE0RAFkRAEsRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAAG/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA4EQwBNAFkASwAAPwCmTKZUwAAAD//Z"
)
SIDE = 416
RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)


def prepare(jpeg: bytes, roi: Fractions | None = None) -> Prepared:
    return prepare_for(jpeg, roi, size=SIDE)


def encoded(picture: np.ndarray, *parameters: int) -> bytes:
    return cv2.imencode(".jpg", picture, parameters)[1].tobytes()


def quarters(width: int = 640, height: int = 480) -> np.ndarray:
    """Return a picture whose quarters are red, green / blue, white."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = RED
    picture[: height // 2, width // 2 :] = GREEN
    picture[height // 2 :, : width // 2] = BLUE
    picture[height // 2 :, width // 2 :] = WHITE
    return picture


def sized(width: int, height: int) -> bytes:
    """Return a small JPEG whose header claims another size."""
    data = bytearray(encoded(quarters(64, 64)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("an HTML page", b"<html><body>401 Unauthorized</body></html>", "not a JPEG"),
        ("nothing", b"", "not a JPEG: 0 bytes"),
        ("a PNG", cv2.imencode(".png", quarters(32, 32))[1].tobytes(), "not a JPEG"),
        ("only the two first bytes", b"\xff\xd8", "cut off"),
        ("the first half of a file", encoded(quarters())[:3000], "cut off after 3000 bytes"),
        ("first and last bytes alone", b"\xff\xd8\xff\xd9", "without a size"),
        ("a header with a lie", sized(65_500, 65_500), "65500 x 65500"),
        ("no pixels", sized(0, 480), "without a size"),
    ],
)
def test_what_is_no_whole_picture_is_refused(name: str, data: bytes, says: str) -> None:
    """The reason names what came instead of a picture."""
    with pytest.raises(BadPicture, match=says):
        prepare(data)


def test_no_damage_ends_in_anything_but_a_picture_or_a_refusal() -> None:
    """A thousand files with a few bytes changed, cut out or doubled are decoded or refused, nothing else."""
    rng = np.random.default_rng(7)
    whole = np.frombuffer(encoded(quarters(160, 120)), np.uint8)
    refused = 0
    for _ in range(1000):
        data = whole.copy()
        for at in rng.integers(2, data.size, rng.integers(1, 6)):
            data[at] = rng.integers(0, 256)
        start, end = sorted(rng.integers(2, data.size, 2))
        damaged = {0: data, 1: np.delete(data, slice(start, end)), 2: np.concatenate([data[:end], data[start:]])}[
            int(rng.integers(3))
        ]
        try:
            assert prepare(damaged.tobytes()).image.shape == (3, SIDE, SIDE)
        except BadPicture:
            refused += 1
    assert 0 < refused < 1000


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3000), (320, 240), (1280, 720), (1920, 1080), (4000, 3000)])
def test_a_picture_of_any_size_fills_the_square(width: int, height: int) -> None:
    """The picture is stretched: its corners are the input's corners."""
    prepared = prepare(encoded(np.full((height, width, 3), 200, np.uint8)))
    assert prepared.image.shape == (3, SIDE, SIDE)
    assert prepared.image.dtype == np.uint8
    assert prepared.image.min() > 190
    assert prepared.window.tolist() == [0, 0, 1, 1]
    assert prepared.thumbnail.shape == (24, 32)


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1920, 1080), (3840, 2160)])
def test_colours_are_rgb_and_in_their_places(size: tuple[int, int]) -> None:
    """Red, green, blue and white quarters stay where they are, at each scale of decoding."""
    image = prepare(encoded(quarters(*size))).image
    near, far = SIDE // 4, 3 * SIDE // 4
    for (row, column), rgb in {(near, near): (255, 0, 0), (near, far): (0, 255, 0), (far, near): (0, 0, 255)}.items():
        assert np.abs(image[:, row, column].astype(int) - rgb).max() < 12
    assert image[:, far, far].min() > 243


def test_a_grey_picture_has_three_equal_channels() -> None:
    """A camera at night sends one channel; the detector gets three."""
    image = prepare(encoded(np.arange(160 * 120, dtype=np.uint32).reshape(120, 160).astype(np.uint8))).image
    assert (image[0] == image[1]).all()
    assert (image[1] == image[2]).all()


def test_a_progressive_picture_is_one_like_any_other() -> None:
    """Both ways to write the same picture give the same pixels, but for rounding."""
    baseline, progressive = encoded(quarters()), encoded(quarters(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert b"\xff\xc2" in progressive
    assert np.abs(prepare(baseline).image.astype(int) - prepare(progressive).image).max() <= 2


def test_a_cmyk_picture_is_converted() -> None:
    """Four channels of ink come out as red, green and blue light."""
    assert prepare(CMYK_RED).image[:, 200, 200].tolist() == pytest.approx([255, 0, 0], abs=30)


def test_the_rotation_tag_is_ignored() -> None:
    """Boxes are fractions of the picture as it was sent, whatever a viewer would make of its orientation."""
    plain = encoded(quarters())
    turned = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    tagged = plain[:2] + b"\xff\xe1" + (len(turned) + 2).to_bytes(2, "big") + turned + plain[2:]
    assert cv2.imdecode(np.frombuffer(tagged, np.uint8), cv2.IMREAD_COLOR).shape == (640, 480, 3), "the tag says: turn it"
    assert (prepare(tagged).image == prepare(plain).image).all()


def test_the_size_is_read_from_the_header_without_decoding() -> None:
    """Width and height come in this order, from bytes and from an array."""
    data = encoded(quarters(640, 480))
    assert jpeg_size(data) == jpeg_size(np.frombuffer(data, np.uint8)) == (640, 480)


def test_the_largest_picture_is_accepted_and_one_row_more_refused() -> None:
    """The limit is on pixels, so that a few kB cannot claim gigabytes."""
    assert jpeg_size(sized(8000, MAX_PIXELS // 8000)) == (8000, 5000)
    with pytest.raises(BadPicture, match="40 megapixels"):
        jpeg_size(sized(8000, MAX_PIXELS // 8000 + 1))


@pytest.mark.parametrize(
    ("roi", "rgb"), [((0, 0, 0.5, 0.5), (255, 0, 0)), ((0.5, 0, 1, 0.5), (0, 255, 0)), ((0, 0.5, 0.5, 1), (0, 0, 255))]
)
def test_a_region_is_that_part_of_the_picture(roi: tuple[float, float, float, float], rgb: tuple[int, int, int]) -> None:
    """The region alone fills the input, and the window says which one it is."""
    prepared = prepare(encoded(quarters(), cv2.IMWRITE_JPEG_QUALITY, 100), roi)
    assert np.abs(prepared.image[:, 8:-8, 8:-8].astype(int) - np.reshape(rgb, (3, 1, 1))).max() < 12
    assert prepared.window.tolist() == pytest.approx(roi)


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1920, 1080)])
def test_the_window_is_what_the_pixels_show(size: tuple[int, int]) -> None:
    """A region is widened to whole pixels of the decoded picture, and the window tells the truth about it."""
    asked = (0.1037, 0.2113, 0.4571, 0.8009)
    left, top, right, bottom = prepare(encoded(quarters(*size)), asked).window.tolist()
    assert left <= asked[0] + 1e-6 and top <= asked[1] + 1e-6
    assert right >= asked[2] - 1e-6 and bottom >= asked[3] - 1e-6
    pixel = 8 / min(size)  # at most eight times smaller while decoding
    assert np.abs(np.subtract((left, top, right, bottom), asked)).max() <= pixel


def test_a_region_is_seen_in_full_resolution() -> None:
    """Stripes of one pixel, lost in the whole picture at this size, are there in the region."""
    picture = np.zeros((1080, 1920, 3), np.uint8)
    picture[:, ::2] = 255
    data = encoded(picture, cv2.IMWRITE_JPEG_QUALITY, 95)
    assert prepare(data).image.std() < 20
    assert prepare(data, (0.4, 0.4, 0.6, 0.6)).image.std() > 60


@pytest.mark.parametrize(
    "text", ["", "0,0,1", "0,0,1,1,1", "a,b,c,d", "nan,0,1,1", "0,0,inf,1", "0.5,0,0.5,1", "0.9,0,0.1,1", "2,2,3,3", "0,0,0.01,1"]
)
def test_what_is_no_region_is_refused(text: str) -> None:
    """Four fractions with something between them, or a refusal."""
    with pytest.raises(BadPicture):
        parse_region(text)


def test_a_region_is_clipped_to_the_picture() -> None:
    """A box with a margin around it may reach over the edge."""
    assert checked_region((-0.5, 0.25, 0.5, 1.5)) == (0.0, 0.25, 0.5, 1.0)
    assert parse_region(" 0.1, 0.2,0.3 ,0.4") == (0.1, 0.2, 0.3, 0.4)


def test_the_scene_tells_dark_flat_and_blurred_from_good() -> None:
    """Brightness, contrast and sharpness each fall where a person would say so, and stay within 0 to 1."""
    rng = np.random.default_rng(1)
    busy = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    good, dark = prepare(encoded(busy)).scene, prepare(encoded(busy // 16)).scene
    blurred = prepare(encoded(cv2.GaussianBlur(busy, (31, 31), 0))).scene
    assert dark[0] < 0.1 < good[0]
    assert blurred[1] < good[1]
    assert blurred[2] < 0.1 < 0.5 < good[2]
    assert all(((scene >= 0) & (scene <= 1)).all() for scene in (good, dark, blurred))

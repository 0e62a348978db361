"""Make a picture look as another camera would have taken it: light, lens, sensor and JPEG. Numpy and OpenCV only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]  # (S, S, 3) RGB


def as_another_camera(rng: np.random.Generator, image: Image) -> Image:
    """Return ``image`` with random light, colour, focus, noise and compression, in the order light passes through a camera."""
    image = _light(rng, image)
    if rng.random() < 0.25:
        image = _focus(rng, image)
    if rng.random() < 0.25:
        image = _noise(rng, image)
    if rng.random() < 0.5:
        image = _jpeg(rng, image)
    return image


def _light(rng: np.random.Generator, image: Image) -> Image:
    """Change exposure, contrast, colour of the lamp, saturation; some cameras are grey (IR), some nights dark."""
    if rng.random() < 0.2:  # another filament, another bed, another lamp
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + rng.integers(-90, 91)) % 180
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    gain: NDArray[np.float64] = np.full(3, np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.4:
        gain = gain * np.exp(rng.normal(0, 0.12, 3))
    if rng.random() < 0.03:  # a coloured LED strip and nothing else
        gain = gain * rng.permutation([1.3, rng.uniform(0.1, 0.7), rng.uniform(0.05, 0.5)])
    if rng.random() < 0.1:
        gain = gain * rng.uniform(0.25, 0.6)  # dark
    elif rng.random() < 0.04:
        gain = gain * rng.uniform(1.4, 2.0)  # over-exposed
    gamma, offset = np.exp(rng.normal(0, 0.2)), rng.normal(0, 8)
    ramp = 255.0 * (np.arange(256) / 255.0) ** gamma
    table = np.clip(ramp[:, None] * gain[None] + offset, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, np.ascontiguousarray(table[None]))
    if rng.random() < 0.1:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        image = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.2:
        image = _vignette(rng, image)
    return image


def _vignette(rng: np.random.Generator, image: Image) -> Image:
    """Light one place more than the rest: IR lamps, a lens, a window at one side."""
    rows, columns = image.shape[:2]
    y, x = np.mgrid[0:8, 0:8] / 7.0
    centre = rng.uniform(0.1, 0.9, 2)
    shade = 1.15 - rng.uniform(0.3, 1.1) * np.hypot(x - centre[0], y - centre[1])
    wide = cv2.resize(np.clip(shade, 0.05, 1.3).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.clip(image * wide[..., None], 0, 255).astype(np.uint8)


def _focus(rng: np.random.Generator, image: Image) -> Image:
    """Blur: out of focus, moved, or scaled up from a coarser picture; or sharpen as cheap cameras do."""
    kind = rng.integers(4)
    rows, columns = image.shape[:2]
    if kind == 0:
        return cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.8)))
    if kind == 1:
        length, angle = int(rng.integers(3, 10)), rng.uniform(0, np.pi)
        kernel = np.zeros((length, length), dtype=np.float32)
        middle = (length - 1) / 2
        reach = middle * np.array([np.cos(angle), np.sin(angle)])
        low, high = np.round(middle - reach).astype(int).tolist(), np.round(middle + reach).astype(int).tolist()
        cv2.line(kernel, low, high, 1.0)
        return cv2.filter2D(image, -1, kernel / kernel.sum())
    if kind == 2:
        factor = rng.uniform(0.45, 0.9)
        small = cv2.resize(image, (int(columns * factor), int(rows * factor)), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(image, (0, 0), 1.2)
    amount = float(rng.uniform(0.3, 1.5))
    return cv2.addWeighted(image, 1 + amount, soft, -amount, 0)


def _noise(rng: np.random.Generator, image: Image) -> Image:
    """Add sensor noise, fine or blotchy."""
    rows, columns = image.shape[:2]
    coarse = int(rng.choice([1, 1, 2]))
    channels = int(rng.choice([1, 3]))
    grain = np.empty((rows // coarse, columns // coarse, channels), dtype=np.int16)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randn(grain, 0, float(rng.uniform(2, 18)))
    grain = cv2.resize(grain, (columns, rows), interpolation=cv2.INTER_NEAREST).reshape(rows, columns, channels)
    return np.clip(image.astype(np.int16) + grain, 0, 255).astype(np.uint8)


def _jpeg(rng: np.random.Generator, image: Image) -> Image:
    quality = int(rng.integers(15, 96))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)

"""Pictures for tests, made on the spot: a bed, a frame, a part, noise; nothing that is spaghetti."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np


@lru_cache(maxsize=64)
def jpeg(seed: int = 0, width: int = 640, height: int = 480, quality: int = 85) -> bytes:
    """Return a JPEG of a calm printer; each ``seed`` has its own sensor noise."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 70, np.uint8)
    cv2.rectangle(picture, (width // 8, height // 2), (width * 7 // 8, height * 9 // 10), (60, 50, 45), -1)
    cv2.rectangle(picture, (width * 2 // 5, height // 3), (width * 3 // 5, height * 3 // 4), (150, 90, 40), -1)
    noisy = np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


class Pictures:
    """A camera's frame source (see ``demo.frames``): calm pictures, each different from the last."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def jpeg(self, position: int) -> bytes:
        return jpeg(position % 50)

    def number(self, position: int) -> int:
        return position

    def close(self) -> None:
        """Hold nothing."""

"""A rendered print that goes wrong: seeded, drawn from numbers alone, with numpy and OpenCV.

A :class:`Scene` is what a webcam sees of one print: a part grows layer by layer, comes off the bed, and the nozzle
then extrudes loose strands that pile up to a tangle. :func:`paste_tangle` puts such a tangle into any picture, for a
fire drill. Nothing here is meant for training; it shows and tests the whole chain without anybody's pictures.
"""

from inference_server.scene.pasting import paste_tangle
from inference_server.scene.story import Scene

__all__ = ["Scene", "paste_tangle"]

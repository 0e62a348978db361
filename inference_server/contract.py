"""The tensors that cross the wire and those between the two steps of the ensemble, each name and shape once.

S is the side in pixels of the square that a model looks at, a multiple of 32: its file's name says it, and its graph.

``spaghetti`` (what a printer calls) = ``decode`` (JPEG bytes to pixels) then ``detector`` (pixels to answers).
All coordinates are fractions of the whole picture as the camera delivered it, origin at the top left.
"""

from __future__ import annotations

ENSEMBLE = "spaghetti"
DECODE = "decode"
DETECTOR = "detector"

#: Class names in the order of the ``classes`` output.
CLASS_NAMES = ("spaghetti",)

#: Boxes per answer; unused rows are zero and have confidence 0.
TOP_K = 20
#: A confidence below this is answered as exactly 0: less than one in twenty such boxes shows a tangle.
CONFIDENCE_FLOOR = 0.05
#: Pixels of the detector's input, each way, for which one cell of the coarse mask stands.
HEATMAP_STRIDE = 16
#: Rows and columns of the luma thumbnail.
THUMBNAIL_ROWS, THUMBNAIL_COLUMNS = 24, 32

# Between the printer and the ensemble.
JPEG = "JPEG"  # UINT8 [1, n]: one JPEG file
BOXES = "boxes"  # FP32 [1, TOP_K, 4]: left, top, right, bottom
CONFIDENCES = "confidences"  # FP32 [1, TOP_K]: 0 to 1, descending
CLASSES = "classes"  # INT32 [1, TOP_K]: index into CLASS_NAMES
FRAME_SCORE = "frame_score"  # FP32 [1, 1]: probability that the frame shows spaghetti
SCENE = "scene"  # FP32 [1, 3]: brightness, contrast, sharpness, each 0 to 1
THUMBNAIL = "thumbnail"  # UINT8 [1, 24, 32]: luma
HEATMAP = "heatmap"  # UINT8 [1, S/16, S/16]: 255 x probability that the cell of the looked-at region shows spaghetti

# Between decode and detector.
IMAGE = "image"  # UINT8 [n, 3, S, S]: RGB, the whole picture (or region) stretched to the square that the model looks at
WINDOW = "window"  # FP32 [n, 4]: which part of the picture `image` shows, left, top, right, bottom

#: Request parameter "l,t,r,b": look at this part of the picture only, in full resolution.
ROI = "roi"
#: Request parameter, true: draw a tangle into the picture before looking at it.
DRILL = "drill"

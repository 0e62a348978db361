"""Whether a picture can be judged at all. A scene that cannot is no evidence, for or against."""

from __future__ import annotations

from octoprint_spaghetti.core.words import Scene

#: Of 1,500 photographs and webcam frames of prints, the darkest had a mean luma of 0.05 and the brightest of 0.94; the flattest
#: a contrast of 0.14, the softest a sharpness of 0.08. The limits lie beyond them, so that a poor camera is not called blind.
DARKEST, BRIGHTEST, FLATTEST, SOFTEST = 0.04, 0.96, 0.06, 0.03


def problem(scene: Scene) -> str:
    """Return what keeps this picture from being judged, as a sentence, or an empty string."""
    if scene.brightness < DARKEST:
        return "The picture is too dark to see the print; switch a light on."
    if scene.brightness > BRIGHTEST:
        return "The picture is over-exposed; lower the camera's exposure or the light."
    if scene.contrast < FLATTEST:
        return "The camera sees a plain surface; something may cover it."
    if scene.sharpness < SOFTEST:
        return "The picture is blurred; clean or focus the camera."
    return ""

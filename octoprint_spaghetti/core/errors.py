"""Everything that can go wrong while watching, as one tree. Foreign errors are translated into it once, in ``adapters/``.

SpaghettiError                 its text is a sentence for the printer's owner: what is wrong and what to do
├── SettingRefused             a value that cannot be a setting
├── CameraError                no picture of the print
│   ├── CameraMissing          none chosen, or it cannot take snapshots
│   ├── CameraUnreachable      it does not answer, or with an error
│   ├── CameraTooSlow          it hangs or trickles past the deadline
│   └── PictureUnusable        what came is no whole JPEG, or too large
├── DetectorError              no answer about a picture
│   ├── ServerUnreachable      nothing answers at any address        (try again)
│   ├── ServerTooSlow          the frame's deadline passed           (try again)
│   ├── ServerOverloaded       it answers that it has too much to do (try again, later)
│   ├── ServerRefused          the token is missing, wrong or revoked
│   ├── ModelMissing           a Triton without our model, or one that is stopping (try the next address)
│   ├── PictureRefused         the server could not read this one picture
│   ├── AnswerInvalid          an answer that does not keep the contract
│   ├── LocalBusy              this computer's detector starts, rests or is late  (try again)
│   ├── LocalCrashed           this computer's detector ended or hung             (try again, later)
│   └── DetectorMissing        a library or a model file that is not installed
├── PrinterError               the printer did not do what it was told
├── ChannelError               a message did not get to where it should, or cannot
└── EvidenceError              an incident could not be written
"""

from __future__ import annotations

from typing import TypeVar

_Error = TypeVar("_Error", "CameraError", "DetectorError")


class SpaghettiError(Exception):
    """Base of all errors of this plugin; ``str(error)`` is a sentence that says what to do."""

    def __str__(self) -> str:
        """Return the sentence as it was given, so that it can still be translated."""
        return self.args[0] if len(self.args) == 1 and isinstance(self.args[0], str) else super().__str__()


def anew(error: _Error) -> _Error:
    """Return another error of the same kind and sentence: one that is raised again and again keeps all it was ever raised through."""
    return type(error)(*error.args)


class SettingRefused(SpaghettiError):
    """A settings value that is not of the right kind or out of range."""

    def __init__(self, name: str, message: str) -> None:
        """Remember which setting was refused; ``message`` says what it must be."""
        super().__init__(message)
        self.name = name


class CameraError(SpaghettiError):
    """There is no picture of the print."""


class CameraMissing(CameraError):
    """No camera is chosen, or the chosen one cannot take snapshots."""


class CameraUnreachable(CameraError):
    """The camera does not answer, or answers with an error."""


class CameraTooSlow(CameraError):
    """The camera did not deliver a whole picture before the deadline."""


class PictureUnusable(CameraError):
    """The camera delivered something that is not a whole JPEG of a sensible size."""


class DetectorError(SpaghettiError):
    """There is no answer about a picture."""


class ServerUnreachable(DetectorError):
    """Nothing answers at any configured address."""


class ServerTooSlow(DetectorError):
    """The answer did not come before the frame's deadline."""


class ServerOverloaded(DetectorError):
    """The server is up and says that it has too much to do."""


class ServerRefused(DetectorError):
    """The server does not accept the token, or does not allow the call."""


class ModelMissing(DetectorError):
    """The server does not have the model, or is being stopped."""


class PictureRefused(DetectorError):
    """The server could not read this one picture."""


class AnswerInvalid(DetectorError):
    """The answer does not keep the contract of tensor names, types, shapes and ranges."""


class LocalBusy(DetectorError):
    """The detector on this computer is starting, keeps to its share of the processor, or needs longer than the deadline."""


class LocalCrashed(DetectorError):
    """The process of the detector on this computer ended or hung; it is started again after a while."""


class DetectorMissing(DetectorError):
    """A library or a model file that the detector needs is not there."""


class PrinterError(SpaghettiError):
    """The printer did not do what it was told."""


class ChannelError(SpaghettiError):
    """A channel for messages, or the MQTT broker, cannot be used as it is set up."""


class EvidenceError(SpaghettiError):
    """An incident could not be written to disk."""

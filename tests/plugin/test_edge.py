"""The detector's process: real processes, the real model, and children that misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference_server import model_files, precision
from octoprint_spaghetti import edge_process
from octoprint_spaghetti.adapters import edge
from octoprint_spaghetti.adapters.edge import EdgeDetector, Limits, why_missing
from octoprint_spaghetti.adapters.local import LocalDetector
from octoprint_spaghetti.core.errors import AnswerInvalid, DetectorMissing, LocalBusy, LocalCrashed, PictureRefused
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Frame, ProtectionLevel
from tests.pictures import jpeg

pytestmark = pytest.mark.skipif(bool(why_missing()), reason=why_missing())

#: Two cores shared with Triton and a browser: nothing here is about speed.
PATIENT = Limits(start_s=60.0, hang_s=30.0)
ROOT = Path(__file__).parents[2]


def frame(seed: int = 0) -> Frame:
    return Frame(jpeg(seed), 0.0, "test")


@pytest.fixture
def start() -> Iterator[Callable[..., EdgeDetector]]:
    """Return a function that makes a detector; all are closed."""
    made: list[EdgeDetector] = []

    def make(deadline: float = 60.0, share: float = 1.0, **arguments: object) -> EdgeDetector:
        made.append(EdgeDetector(deadline=deadline, share=share, **{"limits": PATIENT, **arguments}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for detector in made:
        detector.close()


def child(behaviour: str) -> tuple[str, ...]:
    """Return the command of a process that greets as the real one does, and then behaves otherwise."""
    script = """
        import os, signal, socket, sys, time
        from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
        from octoprint_spaghetti.adapters.messages import Messages
        messages = Messages(socket.socket(fileno=0))
        hello = pb.ModelStreamInferResponse()
        hello.infer_response.model_name = "odd"
        messages.send(hello.SerializeToString(), None)
    """
    return (sys.executable, "-c", textwrap.dedent(script) + behaviour)


def _descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def is_gone(pid: int) -> bool:
    """Return whether no process has this id; a zombie still has."""
    return not Path(f"/proc/{pid}").exists()


def has_ended(pid: int) -> bool:
    """Return whether the process is gone, or a zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(true: Callable[[], object], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def test_it_says_the_same_as_the_detector_in_this_process(start: Callable[..., EdgeDetector]) -> None:
    """Same code, same model: equal scores, boxes, scene and heat map, for the whole picture and for a region."""
    model = str(model_files.default_model())  # by itself it takes the eight-bit one, whose scores differ a little
    detector, here = start(model=model), LocalDetector(model)
    for roi in (None, Box(0.25, 0.25, 0.75, 0.75)):
        apart, within = detector.look(frame(), roi), here.look(frame(), roi)
        assert (apart.score, apart.scene, apart.heatmap, apart.thumbnail) == (
            within.score,
            within.scene,
            within.heatmap,
            within.thumbnail,
        )
        assert apart.detections == within.detections
    assert detector.level is ProtectionLevel.LOCAL
    assert apart.detector.startswith("local spaghetti-")


def test_it_is_polite(start: Callable[..., EdgeDetector]) -> None:
    """Nice 10, a bound on its memory, no numpy in our own process for it, and no process before the first picture."""
    detector = start()
    assert detector.pid is None
    detector.look(frame())
    assert os.getpriority(os.PRIO_PROCESS, detector.pid or 0) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    limits = Path(f"/proc/{detector.pid}/limits").read_text()
    assert f"Max data size             {PATIENT.memory_mb << 20}" in limits


#: The child takes 0.4 s for a look, and claims a thousand.
COSTLY = """
while True:
    request = pb.ModelInferRequest.FromString(messages.receive(None))
    time.sleep(0.4)
    reply = pb.ModelStreamInferResponse(error_message="costly")
    reply.infer_response.id = request.id
    reply.infer_response.parameters["cpu_s"].double_param = 1000.0
    messages.send(reply.SerializeToString(), None)
"""


def test_bad_news_that_came_late_is_heard(
    start: Callable[..., EdgeDetector], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that says after the deadline why it cannot start, and ends, is not started over and over without a word."""
    monkeypatch.setattr(edge, "_FIRST_BACK_OFF_S", 60.0)
    script, given_up = tmp_path / "late.py", tmp_path / "given up"
    script.write_text(
        "import os, socket, time\n"
        "from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb\n"
        "from octoprint_spaghetti.adapters.messages import Messages\n"
        "messages = Messages(socket.socket(fileno=0))\n"
        f"while not os.path.exists({str(given_up)!r}): time.sleep(0.02)\n"
        "messages.send(pb.ModelStreamInferResponse(error_message='no library').SerializeToString(), None)\n"
    )
    detector = start(deadline=0.3, command=(sys.executable, str(script)))
    with pytest.raises(LocalBusy, match="still starting"):
        detector.look(frame())
    given_up.touch()
    first = detector._child
    assert first is not None and eventually(lambda: first._process.poll() is not None)
    detector._deadline = 60.0
    with pytest.raises(LocalCrashed, match="cannot be used: no library.*started again after 60 s"):
        detector.look(frame())
    with pytest.raises(LocalCrashed, match="no library"):
        detector.look(frame())


def test_it_keeps_to_its_share(start: Callable[..., EdgeDetector]) -> None:
    """A hundredth of a core: the next look may begin after 99 times what this one took, and a little early is waited for.

    No more processor time is believed than there was time.
    """
    slept: list[float] = []
    detector = start(share=0.01, deadline=3600.0, command=child(COSTLY), sleep=slept.append)
    detector.check()
    began = time.monotonic()
    with pytest.raises(PictureRefused, match="costly"):
        detector.look(frame())
    took = time.monotonic() - began
    assert 33.0 < detector.earliest_s <= 99.0 * took
    with pytest.raises(PictureRefused):
        detector.look(frame())
    assert len(slept) == 1
    assert 20.0 < slept[0] <= 99.0 * took


def test_what_it_needs_is_not_loaded_into_octoprint() -> None:
    """numpy, OpenCV and ONNX Runtime are 60 MB that belong into the process that uses them."""
    script = "import octoprint_spaghetti.adapters.edge, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert not {"numpy", "cv2", "onnxruntime"} & set(loaded)


def test_a_picture_that_comes_much_too_early_is_named(start: Callable[..., EdgeDetector]) -> None:
    """When waiting for the share would cost most of the deadline, the sentence says what to change."""
    detector = start(share=0.01, deadline=30.0, command=child(COSTLY))
    detector.check()
    with pytest.raises(PictureRefused):
        detector.look(frame())
    with pytest.raises(LocalBusy, match="rests for .* 1 % of a core"):
        detector.look(frame())


def test_a_broken_picture_is_refused_alone(start: Callable[..., EdgeDetector]) -> None:
    """The sentence says that it was the picture; the same process answers the next one."""
    detector = start()
    with pytest.raises(PictureRefused, match="could not read"):
        detector.look(Frame(b"\xff\xd8" + bytes(1000) + b"\xff\xd9", 0.0, "test"))
    pid = detector.pid
    assert 0.0 <= detector.look(frame()).score <= 1.0
    assert detector.pid == pid


def test_it_is_the_first_to_go_when_the_kernel_must_choose(start: Callable[..., EdgeDetector]) -> None:
    """When memory runs out the print goes on: the kernel ends our process before OctoPrint."""
    detector = start()
    detector.look(frame())
    assert int(Path(f"/proc/{detector.pid}/oom_score").read_text()) > int(Path("/proc/self/oom_score").read_text())


def test_it_rests_while_memory_is_short(start: Callable[..., EdgeDetector]) -> None:
    """It goes when little is left, is not brought back by what its own going gave, and looks again when there is enough."""
    left = [500.0]
    detector = start(available_mb=lambda: left[0])
    detector.look(frame())
    pid = detector.pid
    assert pid is not None
    for available_mb in (50.0, 150.0):
        left[0] = available_mb
        with pytest.raises(LocalBusy, match="memory is short"):
            detector.look(frame())
        assert is_gone(pid)
        assert detector.pid is None
    left[0] = 300.0
    assert 0.0 <= detector.look(frame()).score <= 1.0


def test_a_small_computer_looks_again_with_what_it_can_have(start: Callable[..., EdgeDetector]) -> None:
    """512 MB less what the system keeps: 280 MB are never left there beside OctoPrint."""
    left = [200.0]
    detector = start(available_mb=lambda: left[0], total_mb=lambda: 440.0)
    for available_mb in (50.0, 50.0 + 65.0):
        left[0] = available_mb
        with pytest.raises(LocalBusy, match="memory is short"):
            detector.look(frame())
    left[0] = 180.0
    assert 0.0 <= detector.look(frame()).score <= 1.0


def test_a_process_that_is_not_asked_goes_too_when_memory_is_short(start: Callable[..., EdgeDetector]) -> None:
    """While the server looks nobody asks it; whoever asks the server says so."""
    left: list[float | None] = [None]
    detector = start(available_mb=lambda: left[0])
    detector.check()
    detector.spare_memory()
    assert detector.pid is not None
    left[0] = 10.0
    detector.spare_memory()
    assert detector.pid is None


def test_a_killed_process_is_told_reaped_and_replaced(
    start: Callable[..., EdgeDetector], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGKILL one picture is lost, no zombie is left, and after the back-off another process answers."""
    monkeypatch.setattr(edge, "_FIRST_BACK_OFF_S", 60.0)
    ahead = [0.0]
    detector = start(monotonic=lambda: time.monotonic() + ahead[0])
    detector.look(frame())
    pid = detector.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(LocalCrashed, match="killed .is memory short"):
        detector.look(frame())
    assert is_gone(pid)
    with pytest.raises(LocalCrashed, match="started again"):
        detector.look(frame())
    ahead[0] = 60.0
    assert 0.0 <= detector.look(frame()).score <= 1.0
    assert detector.pid != pid


def test_a_process_that_hangs_is_ended(start: Callable[..., EdgeDetector]) -> None:
    """A stopped process costs its pictures their deadline, and its life once it owes an answer for too long."""
    ahead = [0.0]
    detector = start(deadline=0.3, monotonic=lambda: time.monotonic() + ahead[0])
    detector.check()
    pid = detector.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(LocalBusy, match="deadline"):
        detector.look(frame())
    ahead[0] = PATIENT.hang_s
    with pytest.raises(LocalCrashed, match="hung"):
        detector.look(frame())
    assert is_gone(pid)


def test_a_late_answer_is_never_taken_for_that_of_another_picture(start: Callable[..., EdgeDetector], tmp_path: Path) -> None:
    """The answer that came after its picture's deadline is dropped, and the next picture gets its own."""
    given_up = tmp_path / "given up"
    slow_first = f"""
while True:
    request = pb.ModelInferRequest.FromString(messages.receive(None))
    while not os.path.exists({str(given_up)!r}):
        time.sleep(0.02)
    reply = pb.ModelStreamInferResponse(error_message="picture " + request.id)
    reply.infer_response.id = request.id
    messages.send(reply.SerializeToString(), None)
"""
    detector = start(deadline=0.5, command=child(slow_first))
    detector.check()
    with pytest.raises(LocalBusy):
        detector.look(frame())
    given_up.touch()
    detector._deadline = 60.0
    with pytest.raises(PictureRefused, match="picture 2"):
        detector.look(frame())


@pytest.mark.parametrize(
    ("behaviour", "goodbye_s", "said"),
    [
        pytest.param("sys.exit(3)", 60.0, r"ended \(status 3\)", id="it ends"),
        pytest.param("os.abort()", 60.0, "was ended by SIGABRT", id="it aborts"),
        pytest.param(
            "messages.receive(None); os.write(0, b'\\xff' * 64); time.sleep(60)", 0.5, "killed", id="a length that cannot be"
        ),
        pytest.param(
            "messages.receive(None); messages.send(b'\\xff' * 64, None); time.sleep(60)", 0.5, "killed", id="no message"
        ),
    ],
)
def test_a_process_that_misbehaves_is_told_in_a_sentence(
    start: Callable[..., EdgeDetector], monkeypatch: pytest.MonkeyPatch, behaviour: str, goodbye_s: float, said: str
) -> None:
    """Whatever it does, the error is ours, says how it ended, and nothing of it is left."""
    monkeypatch.setattr(edge, "_GOODBYE_S", goodbye_s)
    detector = start(command=child(behaviour))
    detector.check()
    pid = detector.pid
    with pytest.raises(LocalCrashed, match=said):
        detector.look(frame())
    assert pid is not None
    assert is_gone(pid)


def test_an_answer_without_tensors_is_refused(start: Callable[..., EdgeDetector]) -> None:
    """What comes from the process is checked as what comes from a server."""
    empty = (
        "\nwhile True:\n    messages.receive(None)\n    messages.send(pb.ModelStreamInferResponse().SerializeToString(), None)\n"
    )
    with pytest.raises(AnswerInvalid, match="local odd"):
        start(command=child(empty)).look(frame())


def test_a_program_that_is_not_there_is_told(start: Callable[..., EdgeDetector]) -> None:
    """Nothing to start is a crash like another."""
    with pytest.raises(LocalCrashed, match="could not be started.*started again after 1 s"):
        start(command=("/nonexistent",)).look(frame())


def test_a_model_that_cannot_be_loaded_is_told(start: Callable[..., EdgeDetector], tmp_path: Path) -> None:
    """The sentence names the file; while it is held back the same sentence is said again."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    detector = start(model=str(broken))
    for _ in range(2):
        with pytest.raises(LocalCrashed, match=r"cannot be used: .*broken\.onnx"):
            detector.look(frame())


def test_a_start_is_not_waited_for_beyond_the_deadline(start: Callable[..., EdgeDetector]) -> None:
    """The first picture of a slow computer is told that the detector starts; a later one finds it ready."""
    detector = start(deadline=0.001)
    with pytest.raises(LocalBusy, match="still starting"):
        detector.look(frame())
    detector.check()
    assert detector.pid is not None


def test_nothing_is_left_when_it_is_closed(start: Callable[..., EdgeDetector]) -> None:
    """Hung up on, the process goes; another look starts another one."""
    detector = start()
    detector.look(frame())
    first = detector.pid
    detector.close()
    assert first is not None
    assert is_gone(first)
    detector.look(frame())
    assert detector.pid not in (None, first)


def test_no_descriptor_is_left_however_often_it_is_started(start: Callable[..., EdgeDetector]) -> None:
    """Ten processes later no more are open than before the first one."""
    detector = start(command=child("messages.receive(None)"))
    before = _descriptors()
    for _ in range(10):
        detector.check()
        detector.close()
    assert _descriptors() <= before


def test_an_idle_process_ends_itself(start: Callable[..., EdgeDetector]) -> None:
    """Without a picture for the idle time its memory is given back, no zombie waits, and the next picture starts another one."""
    detector = start(limits=Limits(idle_s=0.2))
    detector.check()
    pid = detector.pid
    assert pid is not None
    assert eventually(lambda: is_gone(pid))
    detector._command = edge._command("", PATIENT)
    assert 0.0 <= detector.look(frame()).score <= 1.0
    assert detector.pid != pid


@pytest.mark.parametrize("stuck", [False, True], ids=["idle", "in the middle of a look"])
def test_it_does_not_outlive_octoprint(stuck: bool) -> None:
    """After SIGKILL of the process that started it, it is gone: by the end of its socket, or by its own alarm clock."""
    parent = f"""
        import sys, threading, time
        sys.path.insert(0, {str(ROOT)!r})
        from octoprint_spaghetti.adapters.edge import EdgeDetector, Limits
        from octoprint_spaghetti.core.words import Frame
        from tests.pictures import jpeg
        detector = EdgeDetector(deadline=60.0, share=1.0, limits=Limits(hang_s=20.0))
        detector.look(Frame(jpeg(0), 0.0, "test"))
        print(detector.pid, flush=True)
        while {stuck}:
            detector.look(Frame(jpeg(0, 4000, 3000), 0.0, "test"))
        time.sleep(60)
    """
    octoprint = subprocess.Popen([sys.executable, "-c", textwrap.dedent(parent)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert octoprint.stdout is not None
        pid = int(octoprint.stdout.readline())
        assert not is_gone(pid)
        time.sleep(0.5 if stuck else 0.0)
    finally:
        octoprint.kill()
        octoprint.wait()
    assert eventually(lambda: has_ended(pid))


def test_the_eight_bit_model_is_taken_where_it_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same calibrated model, for less processor time, but not on every processor; whichever is taken must be whole."""
    exact = [True]
    monkeypatch.setattr(precision, "sums_bytes_exactly", lambda: exact[0])
    plain, quantised = tmp_path / "spaghetti-nano-416-v9.onnx", tmp_path / "spaghetti-nano-416-v9-int8.onnx"
    verified: list[Path] = []
    monkeypatch.setattr(model_files, "default_model", lambda size: plain)
    monkeypatch.setattr(model_files, "verify", verified.append)
    plain.touch()
    assert edge_process._shipped("base") == plain
    quantised.touch()
    assert edge_process._shipped("base") == quantised
    exact[0] = False
    assert edge_process._shipped("base") == plain
    assert verified == [plain, quantised, plain]


@pytest.mark.parametrize(
    ("memory_mb", "longest_s", "size"), [(4000.0, 60.0, "base"), (900.0, 60.0, "nano"), (4000.0, 0.0, "nano")]
)
def test_a_small_or_slow_computer_looks_with_the_small_detector(memory_mb: float, longest_s: float, size: str) -> None:
    """The large one would be too late beside a dead server, or leave OctoPrint no memory; which one looks is said by its name."""
    found = edge_process.affordable(memory_mb, longest_s)
    assert found.path.stem.removesuffix("-int8") == model_files.default_model(size=size).stem
    assert edge_process._all_memory_mb() > 100.0


def test_a_computer_without_the_libraries_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is installed the sentence names the extra; on a 32-bit system it says that there is none."""
    monkeypatch.setattr(edge.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DetectorMissing, match=r"\[edge\]"):
        EdgeDetector(deadline=5.0, share=0.25)
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    assert "64-bit" in why_missing()

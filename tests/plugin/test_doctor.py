"""The diagnostic bundle: it answers the questions, and holds no secret."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from octoprint_spaghetti.adapters.traces import TraceFolder
from octoprint_spaghetti.cli import main
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Sighting
from octoprint_spaghetti.doctor import Patient, findings, write_bundle
from octoprint_spaghetti.testing import answer

SECRETS = ("token-hunter2", "discord://hunter3/hunter4", "mqtt-hunter5", "filed-hunter6", "octo-hunter7")


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """Return an installation that has printed, with secrets planted wherever one could be."""
    filed = tmp_path / "channel"
    filed.write_text("filed-hunter6\n")
    folder = tmp_path / "data"
    traces = TraceFolder(folder / "traces", 10)
    traces.begin("token-hunter2.gcode", 0.0, 1_800_000_000.0)
    traces.add(Sighting(5.0, answer(0.7)))
    traces.lost("refused token-hunter2 at 192.0.2.7:8001", 10.0)
    traces.end()
    incident = folder / "incidents" / "20270115T080000Z-000"
    incident.mkdir(parents=True)
    why, states = "Spaghetti in 30 of 30 pictures.", [{"state": "acted", "at": 1.0}]
    state = {"id": incident.name, "explanation": why, "states": states, "frames": []}
    (incident / "state.json").write_text(json.dumps(state))
    log = tmp_path / "octoprint.log"
    log.write_text(
        f"Bearer token-hunter2\nconnected with mqtt-hunter5\n{SECRETS[1]}\nfiled-hunter6 octo-hunter7\n"
        "camera hunter8-cam\nall else is well\n"
    )
    settings = Settings(
        camera_url="rtsp://me:hunter8-cam@192.0.2.9/live?key=hunter9",
        token=SECRETS[0],
        channels=(SECRETS[1], f"file:{filed}"),
        mqtt_password=SECRETS[2],
    )
    return Patient(settings, folder, (log,), status={"sentence": f"refused: {SECRETS[0]}"}, more_secrets=(SECRETS[4],))


def bundled(patient: Patient) -> dict[str, str]:
    stream = io.BytesIO()
    write_bundle(patient, stream)
    with zipfile.ZipFile(stream) as bundle:
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def test_no_planted_secret_is_anywhere_in_the_bundle(patient: Patient) -> None:
    """Settings, log, trace, status: each held one, none is in the bundle, and the rest of the log is."""
    texts = bundled(patient)
    for secret in (*SECRETS, "hunter3", "hunter4", "hunter8-cam", "hunter9"):
        assert not [name for name, text in texts.items() if secret in text], secret
    assert "all else is well" in texts["logs/octoprint.log"]
    assert json.loads(texts["settings.json"])["stored_secrets"] == ["camera_url", "channels", "mqtt_password", "token"]


def test_the_bundle_answers_the_questions_in_plain_words(patient: Patient) -> None:
    """At least ten questions, each with an answer; the last incident and the last print are among them."""
    answers = {found.question: found for found in findings(patient)}
    assert len(answers) >= 10
    assert "Spaghetti in 30 of 30 pictures." in answers["Why was my print paused?"].answer
    assert answers["Was the last print seen from beginning to end?"].well is False
    assert "1 pictures, 1 gaps" in answers["Was the last print seen from beginning to end?"].answer
    assert bundled(patient)["README.txt"].count("?") >= 10


@pytest.mark.parametrize(
    ("lost", "well"),
    [
        pytest.param([], True, id="all of it"),
        pytest.param([300], True, id="but for a picture that the camera lost"),
        pytest.param(range(300, 330), False, id="but for two minutes of an hour"),
        pytest.param([719], False, id="up to a gap that nobody saw the end of"),
    ],
)
def test_a_print_was_seen_when_next_to_nothing_of_it_was_not(tmp_path: Path, lost: Sequence[int], well: bool) -> None:
    """A warning for each lost picture would teach people to look away; while a print runs nobody reads the record of it."""
    traces = TraceFolder(tmp_path / "traces", 10)
    traces.begin("benchy.gcode", 0.0, 1_800_000_000.0)
    for number in range(720):
        if number in lost:
            traces.lost("The camera hangs.", 5.0 * number)
        else:
            traces.add(Sighting(5.0 * number, answer(0.1)))
    traces.end()
    question = "Was the last print seen from beginning to end?"
    told = {
        read: {one.question: one for one in findings(Patient(Settings(), tmp_path, reads_record=read))} for read in (True, False)
    }
    assert told[True][question].well is well
    assert ("The camera hangs." in told[True][question].answer) is (lost not in ([], [719]))
    assert told[False][question].well is None


@pytest.mark.parametrize(
    ("test", "question", "well"),
    [
        pytest.param(None, "Does the camera deliver?", None, id="not tried"),
        pytest.param([("camera", "It hangs.")], "Does the camera deliver?", False, id="camera broken"),
        pytest.param([("camera", "It hangs.")], "Does the server answer, and take our token?", False, id="never got there"),
        pytest.param([("camera", ""), ("connect", "")], "Does the server answer, and take our token?", True, id="connected"),
    ],
)
def test_the_steps_of_the_test_are_answers(tmp_path: Path, test: Any, question: str, well: bool | None) -> None:
    """What the Test button found out is told, and what it did not reach is not called well."""
    report = None if test is None else {"steps": [{"name": name, "ms": 7.0, "problem": problem} for name, problem in test]}
    answers = {found.question: found for found in findings(Patient(Settings(), tmp_path, test=report))}
    assert answers[question].well is well


def test_damaged_evidence_is_no_obstacle(tmp_path: Path) -> None:
    """An incident that was cut off, a trace of zeros, a log that is a folder: the bundle comes all the same."""
    (tmp_path / "incidents" / "one").mkdir(parents=True)
    (tmp_path / "incidents" / "one" / "state.json").write_text('{"id": "o')
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces" / "x.trace.jsonl").write_bytes(bytes(100))
    texts = bundled(Patient(Settings(), tmp_path, (tmp_path,)))
    assert texts["logs/" + tmp_path.name].startswith("cannot be read")


def stored(basedir: Path, **settings: Any) -> None:
    basedir.mkdir(parents=True, exist_ok=True)
    (basedir / "config.yaml").write_text(yaml.safe_dump({"plugins": {"spaghetti": settings}}))


def test_the_doctor_comes_to_a_shell(tmp_path: Path) -> None:
    """It reads what OctoPrint stored, says what is bad, and writes the bundle."""
    stored(tmp_path / "base", enabled=False, token="token-hunter2", interval=1e9)
    out = tmp_path / "bundle.zip"
    result = CliRunner().invoke(main, ["doctor", "--basedir", str(tmp_path / "base"), "--out", str(out)])
    assert result.exit_code == 1
    assert "[BAD] Is my print watched?" in result.output
    assert "interval must be a number" in result.output
    assert "token-hunter2" not in result.output
    assert zipfile.is_zipfile(out)


def test_a_wrong_folder_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Without a config.yaml the doctor says what to name."""
    result = CliRunner().invoke(main, ["doctor", "--basedir", str(tmp_path)])
    assert (result.exit_code, "--basedir" in result.output) == (2, True)


def test_the_doctor_speaks_json(tmp_path: Path) -> None:
    """One document for programs, with the status of each answer."""
    stored(tmp_path)
    result = CliRunner().invoke(main, ["doctor", "--basedir", str(tmp_path), "--json"])
    assert {found["well"] for found in json.loads(result.output)["findings"]} <= {True, False, None}
    assert result.exit_code == 0


def test_a_camera_password_is_known_in_every_form(tmp_path: Path) -> None:
    """As it stands in the address, as a camera's driver decodes it, and as a part of what is asked for."""
    address = "rtsp://me:pa%3Ass%40word@192.0.2.9/live?key=hunter9"
    secrets = Patient(Settings(camera_url=address), tmp_path).secrets()
    assert {address, "pa%3Ass%40word", "pa:ss@word", "key=hunter9"} <= set(secrets)

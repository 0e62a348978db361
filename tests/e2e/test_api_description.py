"""The REST routes against their own description: no failure of the server, no answer that is not described, no write for strangers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from tests.e2e.conftest import OCTOPRINT_VERSIONS, ROOT, octoprint_python
from tests.e2e.evidence import keep_incident
from tests.e2e.ports import free_port

DESCRIPTION = ROOT / "octoprint_spaghetti" / "static" / "openapi.json"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
#: What must not be tried with made-up values: addresses that messages would be sent to, and what takes half a minute each.
LEFT_OUT = ("/channels/test", "/drill", "/diagnostics.zip")
#: Requests take milliseconds; the whole run took 7 s.
RUN_S = 240.0


@pytest.mark.parametrize("version", OCTOPRINT_VERSIONS)
def test_every_route_answers_as_it_is_described(version: str, camera: Webcam, tmp_path: Path) -> None:
    """Schemathesis sends good and bad requests to every route; what comes back is described, and never a failure."""
    pytest.importorskip("schemathesis", reason="schemathesis is not installed; run scripts/test")
    settings = {"servers": [f"127.0.0.1:{free_port()}"], "deadline": 0.5}
    with OctoPrintServer(octoprint_python(version), tmp_path, camera.url, {"spaghetti": settings}) as octoprint:
        keep_incident(octoprint, "cup.gcode", pictures=1)
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(DESCRIPTION)]
        command += ["--url", f"{octoprint.url}/plugin/spaghetti", "-H", f"X-Api-Key: {octoprint.login.api_key}"]
        command += ["--checks", CHECKS, "--max-examples", "8", "--seed", "1", "--request-timeout", "20", "--no-color"]
        command += [part for path in LEFT_OUT for part in ("--exclude-path", path)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, cwd=tmp_path, check=False)
        assert ran.returncode == 0, ran.stdout[-6000:]


def test_no_stranger_writes_anything(octoprint: OctoPrintServer) -> None:
    """Without a login every route is refused, also to who sends the CSRF token that everybody gets."""
    paths = json.loads(DESCRIPTION.read_text())["paths"]
    with requests.Session() as stranger:
        stranger.trust_env = False
        stranger.get(f"{octoprint.url}/login/", timeout=10)
        token = next(cookie.value for cookie in stranger.cookies if cookie.name.startswith("csrf_token"))
        for path, ways in paths.items():
            for method in ways:
                url = f"{octoprint.url}/plugin/spaghetti{path.replace('{', '').replace('}', '')}"
                answer = stranger.request(method, url, json={}, headers={"X-CSRF-Token": token}, timeout=10)
                assert answer.status_code in (401, 403), f"{method} {path} answered {answer.status_code}"
                if method != "get":
                    assert stranger.request(method, url, json={}, timeout=10).status_code == 400  # no token, no further

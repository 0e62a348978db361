"""What spaghetti-server status makes of Triton's metrics and of the gateway's log."""

from __future__ import annotations

import http.server
import io
import json
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from inference_server.access_log import Call, by_printer, parsed, recent
from inference_server.cli import main
from inference_server.gateway import Gateway
from inference_server.status import report, tables
from inference_server.tokens import TokenFile
from inference_server.triton_metrics import MetricsMissing, load, snapshot

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc).timestamp()


def metrics(frames: int, *, refused: int = 0, batches: int | None = None, waiting: int = 0, gpu: float | None = None) -> str:
    """Return what Triton says after so many frames: each waited 1 ms and took 5 ms in both stages, 13 ms in all."""
    lines = [
        f'nv_inference_request_success{{model="spaghetti",version="1"}} {frames}',
        f'nv_inference_request_duration_us{{model="spaghetti",version="1"}} {13_000 * frames}',
        'nv_inference_request_failure{model="spaghetti",reason="REJECTED",version="1"} 0',
        f'nv_inference_request_failure{{model="decode",reason="REJECTED",version="1"}} {refused}',
    ]
    for model in ("decode", "detector"):
        lines += [
            f'nv_inference_count{{model="{model}",version="1"}} {frames}',
            f'nv_inference_exec_count{{model="{model}",version="1"}} {frames if batches is None else batches}',
            f'nv_inference_queue_duration_us{{model="{model}",version="1"}} {1_000 * frames}',
            f'nv_inference_compute_input_duration_us{{model="{model}",version="1"}} {500 * frames}',
            f'nv_inference_compute_infer_duration_us{{model="{model}",version="1"}} {4_000 * frames}',
            f'nv_inference_compute_output_duration_us{{model="{model}",version="1"}} {500 * frames}',
            f'nv_inference_pending_request_count{{model="{model}",version="1"}} {waiting}',
        ]
    if gpu is not None:
        lines.append(f'nv_gpu_utilization{{gpu_uuid="GPU-1"}} {gpu}')
    text = "".join(f"{line}\n" for line in lines)
    return "# TYPE nv_inference_count counter\n# TYPE nv_inference_request_success counter\n" + text


def test_rates_and_means_are_of_the_span_alone() -> None:
    """Twenty frames in four seconds are five a second, whatever was before."""
    found = load(snapshot(metrics(1000), 10.0), snapshot(metrics(1020, batches=1010, waiting=3), 14.0))
    assert (found.frames_per_s, found.frame_ms, found.refused_per_s, found.gpu) == (5.0, 13.0, 0.0, None)
    decode, detector = found.stages
    assert (decode.name, detector.name) == ("decode", "detector")
    assert (decode.frames_per_s, decode.queue_ms, decode.compute_ms, decode.batch, decode.pending) == (5.0, 1.0, 5.0, 2.0, 3)


def test_refused_frames_are_counted_where_they_are_refused() -> None:
    """Triton counts them at the step whose queue is full, not at the ensemble."""
    found = load(snapshot(metrics(0), 0.0), snapshot(metrics(10, refused=30), 10.0))
    assert (found.frames_per_s, found.refused_per_s) == (1.0, 3.0)


def test_a_quiet_server_has_no_times() -> None:
    """Nothing came, so nothing took any time: unknown, and not zero."""
    found = load(snapshot(metrics(7), 0.0), snapshot(metrics(7), 2.0))
    assert (found.frames_per_s, found.frame_ms) == (0.0, None)
    assert [(stage.queue_ms, stage.compute_ms, stage.batch) for stage in found.stages] == [(None, None, None)] * 2


def test_a_restarted_server_counts_from_zero() -> None:
    """Counters that go back are no negative rates."""
    found = load(snapshot(metrics(1000), 0.0), snapshot(metrics(10), 2.0))
    assert found.frames_per_s == 5.0


def test_a_gpu_is_told_where_there_is_one() -> None:
    """Utilisation from 0 to 1."""
    assert load(snapshot(metrics(0), 0.0), snapshot(metrics(1, gpu=0.25), 1.0)).gpu == 0.25


@pytest.mark.parametrize("text", ["<html>hello</html>", "up 1\n", ""], ids=["a web page", "other metrics", "nothing"])
def test_what_is_not_triton_is_told(text: str) -> None:
    """A wrong port is not a server without load."""
    with pytest.raises(MetricsMissing, match="What answers there"):
        snapshot(text, 0.0)


def line(second: int, printer: str, grpc: str = "0", call: str = "ModelInfer") -> str:
    at = datetime.fromtimestamp(NOON + second, timezone.utc).isoformat()
    return f"{at} printer={printer} call={call} http=200 grpc={grpc} bytes=80000 seconds=0.0{second} triton=0.01 from=192.0.2.9"


def test_each_printer_has_its_figures() -> None:
    """Answered, limited and failed calls are told apart; calls of nobody we know belong to no printer."""
    lines = [line(1, "mk4"), line(2, "mk4", "8"), line(3, "mk4", "14"), line(5, "prusa-1"), line(6, "-", "16")]
    mk4, prusa = by_printer(parsed(lines))
    assert (mk4.printer, mk4.calls, mk4.limited, mk4.failed, mk4.received_bytes) == ("mk4", 3, 1, 1, 240_000)
    assert (mk4.slowest_s, mk4.last_at, prusa.printer) == (0.03, NOON + 3, "prusa-1")


def test_half_a_line_is_no_call() -> None:
    """The tail of a long log begins somewhere, and nginx may be writing its last line."""
    whole = line(1, "mk4")
    assert [call.printer for call in parsed([whole[30:], whole, whole[:60], "", "junk"])] == ["mk4"]


def test_only_recent_calls_of_a_long_log_are_read(tmp_path: Path) -> None:
    """What is older is left out, and a log that is not there yet is an empty one."""
    log = tmp_path / "access.log"
    assert recent(log, 0.0) == []
    log.write_text("".join(f"{line(second, 'mk4')}\n" for second in range(10)))
    assert recent(log, NOON + 8) == [
        Call(NOON + second, "mk4", "ModelInfer", "0", 80_000, float(f"0.0{second}")) for second in (8, 9)
    ]


def shown(home: Path, now: float) -> str:
    measured = load(snapshot(metrics(0), 0.0), snapshot(metrics(20, refused=4, batches=10), 4.0))
    screen = io.StringIO()
    Console(file=screen, width=120).print(tables(report(measured, home, now), now))
    return screen.getvalue()


def test_a_person_sees_load_stages_and_printers(tmp_path: Path) -> None:
    """Printers that have a token and were not heard are named, and calls without one are counted."""
    log = Gateway(tmp_path).access_log
    log.parent.mkdir()
    log.write_text("".join(f"{text}\n" for text in (line(1, "mk4"), line(4, "mk4"), line(5, "-", "16"))))
    TokenFile(tmp_path).add("mk4")
    TokenFile(tmp_path).add("prusa-1")
    text = shown(tmp_path, NOON + 10)
    assert "5.0 frames/s answered in 13.0 ms, 1.0/s refused" in text
    for word in ("decode", "detector", "mk4", "6 s ago", "Not heard in that time: prusa-1", "1 calls had no valid token"):
        assert word in text


def test_without_a_gateway_it_says_where_printers_are_known(tmp_path: Path) -> None:
    """On a server without a gateway the load alone is shown."""
    assert "known where the gateway runs" in shown(tmp_path / "nothing", NOON)


@pytest.fixture
def triton_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve metrics that grow by ten frames with every look."""
    monkeypatch.setattr("inference_server.triton_metrics.TIMEOUT_S", 30.0)
    looks = iter(range(100))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = metrics(10 * next(looks)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join(5.0)


def test_the_verb_prints_json(triton_url: str, tmp_path: Path) -> None:
    """One document, with the load, the stages and the printers."""
    words = ["status", "--triton", triton_url, "--seconds", "0.1", "--home", str(tmp_path), "--json"]
    document = json.loads(CliRunner().invoke(main, words).stdout)
    assert document["load"]["frames_per_s"] > 0.0
    assert (document["printers"], document["silent"], document["strangers"]) == ([], [], 0)


def test_the_verb_prints_tables(triton_url: str, tmp_path: Path) -> None:
    """Without --json a person reads it."""
    words = ["status", "--triton", triton_url, "--seconds", "0.1", "--home", str(tmp_path)]
    assert "frames/s answered" in CliRunner().invoke(main, words).stdout


def test_a_server_that_is_away_is_told(tmp_path: Path) -> None:
    """One sentence with what to start, and exit status 1."""
    done = CliRunner().invoke(main, ["status", "--triton", "http://127.0.0.1:9/metrics", "--home", str(tmp_path)])
    assert (done.exit_code, "--metrics-port 8002" in done.stderr) == (1, True)

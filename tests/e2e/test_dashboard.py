"""The farm at a glance, asked for real: Prometheus scrapes Triton, the gateway's calls and a printer, and the dashboard has answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from inference_server import certificate, certificate_log
from inference_server.access_log import by_printer, recent
from inference_server.gateway import Gateway
from inference_server.model_files import default_model
from inference_server.nginx import GatewayServer, NginxMissing, find_nginx
from inference_server.repository import assemble
from inference_server.status import Report, looks
from inference_server.tokens import TokenFile
from inference_server.triton import TritonServer
from inference_server.triton_binary import TritonMissing, find_triton
from octoprint_spaghetti.adapters.triton import TritonDetector
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame, Protection, ProtectionLevel, Status, Verdict
from octoprint_spaghetti.metrics import CONTENT_TYPE, exposition
from tests.e2e.conftest import ROOT, eventually
from tests.e2e.ports import free_port
from tests.pictures import jpeg

ADDRESS = "127.0.0.1"
PANELS = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "farm.json").read_text(encoding="utf-8"))["panels"]
#: Questions without an answer on a server that has no GPU and where nothing is wrong.
MAY_BE_EMPTY = ("nv_gpu_", 'grpc="', 'grpc!~"')
PRINTING = Status(
    verdict=Verdict.WATCHING, protection=Protection(ProtectionLevel.UNPROTECTED, 0.0), evidence=0.1, failing_at=0.55, seen=0.9
)


class Farm:
    """What runs: addresses for the questions, and a printer that sends pictures while it is asked to."""

    def __init__(self, prometheus: str, triton_metrics: str, gateway: Gateway, detector: TritonDetector) -> None:
        self.prometheus = prometheus
        self.triton_metrics = triton_metrics
        self.gateway = gateway
        self.detector = detector

    def ask(self, question: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.prometheus}/api/v1/query", params={"query": question}, timeout=10.0).json()
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])

    def send(self, pictures: int) -> None:
        for seed in range(pictures):
            self.detector.look(Frame(jpeg(seed % 50), time.monotonic(), "test"))


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Return a farm of one printer, watched by a real Prometheus, after some seconds of pictures."""
    programs = {name: shutil.which(name) for name in ("prometheus", "mtail")}
    missing = [name for name, path in programs.items() if path is None]
    try:
        nginx, triton = find_nginx(), find_triton()
    except (NginxMissing, TritonMissing) as error:
        pytest.skip(str(error))
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("farm")
    ports = {name: free_port(ADDRESS) for name in ("gateway", "metrics", "mtail", "prometheus")}
    gateway = Gateway(folder / "gateway", port=ports["gateway"], triton=(f"{ADDRESS}:{free_port(ADDRESS)}",))
    certificate.make((ADDRESS,), gateway.certificate_file, gateway.key_file)
    token = TokenFile(gateway.home).add("mk4")
    repository = assemble(folder / "repository", profile="cpu", model=default_model(), cores=2)
    with ExitStack() as stack:
        server = TritonServer(
            repository,
            log=folder / "triton.log",
            binary=triton,
            grpc_port=int(gateway.triton[0].split(":")[1]),
            metrics_port=ports["metrics"],
        )
        stack.enter_context(server).wait_ready(90.0)
        gate = stack.enter_context(GatewayServer(gateway, binary=nginx, log=folder / "nginx.log"))
        gate.keep_house()
        plugin = stack.enter_context(a_printer())
        mtail = [
            programs["mtail"], "-logtostderr", "-address", ADDRESS, "-port", ports["mtail"],
            "-progs", ROOT / "deploy" / "compose" / "gateway.mtail", "-logs", gateway.access_log, "-logs", gateway.certificate_log,
        ]  # fmt: skip
        stack.enter_context(running(mtail, folder / "mtail.log"))
        configuration = prometheus_configuration(folder, ports, plugin)
        prometheus = [
            programs["prometheus"], f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={ADDRESS}:{ports['prometheus']}",
        ]  # fmt: skip
        stack.enter_context(running(prometheus, folder / "prometheus.log"))
        trusted = str(gateway.certificate_file)
        settings = Settings(
            servers=(f"{ADDRESS}:{gateway.port}",), tls=True, certificate=trusted, token=token, transport="unary", deadline=30.0
        )
        detector = TritonDetector(settings)
        stack.callback(detector.close)
        url = f"http://{ADDRESS}:{ports['prometheus']}"
        built = Farm(url, f"http://{ADDRESS}:{ports['metrics']}/metrics", gateway, detector)
        eventually(lambda: up(built) == {"triton", "gateway", "printer-mk4"}, 60.0, "Prometheus reaches all three")
        assert gate.certificate is not None
        certificate_log.note(gateway.certificate_log, gate.certificate, datetime.now(timezone.utc))  # as it does every minute
        for _ in range(8):
            built.send(3)
            time.sleep(0.5)
        yield built


def up(farm: Farm) -> set[str]:
    try:
        return {series["metric"]["job"] for series in farm.ask("up == 1")}
    except requests.RequestException:
        return set()


@contextmanager
def running(command: list[Any], log: Path) -> Iterator[None]:
    """Run a program until the end of the block."""
    with log.open("wb") as file, subprocess.Popen([str(word) for word in command], stdout=file, stderr=file) as program:
        try:
            yield
        finally:
            program.terminate()
            try:
                program.wait(10.0)
            except subprocess.TimeoutExpired:
                program.kill()


@contextmanager
def a_printer() -> Iterator[str]:
    """Serve the metrics of a plugin whose print is watched by nobody; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(exposition(PRINTING, "1.2.3").encode())

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((ADDRESS, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{ADDRESS}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10.0)


def prometheus_configuration(folder: Path, ports: dict[str, int], plugin: str) -> Path:
    """Write the shipped configuration with these addresses, and a scrape every second."""
    settings = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    del settings["scrape_config_files"]  # newer than Debian 12's Prometheus
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    jobs = {job["job_name"]: job for job in settings["scrape_configs"]}
    jobs["triton"]["static_configs"] = [{"targets": [f"{ADDRESS}:{ports['metrics']}"]}]
    jobs["gateway"]["static_configs"] = [{"targets": [f"{ADDRESS}:{ports['mtail']}"]}]
    printer = {"targets": [plugin], "labels": {"printer": "mk4"}}
    lamps = {"job_name": "printer-mk4", "metrics_path": "/plugin/spaghetti/metrics", "static_configs": [printer]}
    settings["scrape_configs"] = [jobs["triton"], jobs["gateway"], lamps]
    settings["rule_files"] = [str(ROOT / "deploy" / "prometheus" / "rules.yml")]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(settings))
    return file


QUESTIONS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel.get("targets", [])]


@pytest.mark.parametrize(("title", "question"), QUESTIONS, ids=[f"{at}-{title}" for at, (title, _) in enumerate(QUESTIONS)])
def test_each_question_of_the_dashboard_has_an_answer(farm: Farm, title: str, question: str) -> None:
    """Every metric and label that a panel asks for is one that Triton, the gateway's log or the plugin really has."""
    if any(text in question for text in MAY_BE_EMPTY):
        farm.ask(question)
    else:
        eventually(lambda: farm.ask(question), 60.0, f"{title}: {question}")


def test_the_printer_has_one_name_everywhere(farm: Farm) -> None:
    """What its token is called at the gateway and what its plugin's lamps are called can be joined."""
    joined = 'spaghetti_gateway_last_call_timestamp_seconds and on (printer) spaghetti_verdict{verdict="watching"} == 1'
    eventually(lambda: [series["metric"]["printer"] for series in farm.ask(joined)] == ["mk4"], 60.0, "mk4 is one printer")


def test_an_alarm_is_raised(farm: Farm) -> None:
    """A print that nobody looks at is pending at once; promtool tests the rest."""
    waiting = 'ALERTS{alertname="PrintUnprotected", printer="mk4"}'
    eventually(lambda: farm.ask(waiting), 60.0, "the alarm about the unprotected print")


def test_all_ways_to_count_calls_agree(farm: Farm) -> None:
    """mtail and spaghetti-server status read the same log and count the same calls."""

    def counted() -> tuple[float, int]:
        answers = farm.ask('sum(spaghetti_gateway_calls_total{printer="mk4"})')
        mtail = float(answers[0]["value"][1]) if answers else 0.0
        return mtail, by_printer(recent(farm.gateway.access_log, 0.0))[0].calls

    eventually(lambda: len(set(counted())) == 1, 60.0, f"both count the same: {counted()}")


def test_status_tells_load_and_printers(farm: Farm) -> None:
    """While a printer sends, a look of spaghetti-server status has frames, stages and that printer's name."""
    stop = threading.Event()
    sending = threading.Thread(target=lambda: [farm.send(1) or stop.wait(0.1) for _ in iter(stop.is_set, True)])
    sending.start()
    try:
        report = next(report for report in islice(looks(farm.triton_metrics, farm.gateway.home, 1.5), 20) if has_frames(report))
    finally:
        stop.set()
        sending.join(15.0)
    assert {stage.name: stage.compute_ms is not None for stage in report.load.stages} == {"decode": True, "detector": True}
    assert report.printers is not None
    assert [use.printer for use in report.printers] == ["mk4"]
    assert (report.silent, report.strangers, report.certificate_days) == ((), 0, certificate.DAYS - 1)


def has_frames(report: Report) -> bool:
    """Return whether frames went through every stage in the time of the look; a busy machine may have answered none."""
    return report.load.frames_per_s > 0.0 and all(stage.compute_ms is not None for stage in report.load.stages)


def test_the_end_of_the_certificate_is_known_everywhere(farm: Farm) -> None:
    """Prometheus has the moment that stands in the certificate which nginx shows, so that its alarm comes in time."""
    ends = certificate.read(farm.gateway.certificate_file).ends_at.timestamp()
    question = "spaghetti_gateway_certificate_ends_timestamp_seconds"
    eventually(lambda: [float(series["value"][1]) for series in farm.ask(question)] == [ends], 60.0, question)


def test_a_lamp_shows_the_verdict_of_the_moment(farm: Farm) -> None:
    """The number behind the lamps' colour is the one that stands for "watching"."""
    lamps = next(panel for panel in PANELS if panel["title"] == "Lamps")
    names = lamps["fieldConfig"]["defaults"]["mappings"][0]["options"]

    def shown() -> list[str]:
        return [names[series["value"][1]]["text"] for series in farm.ask(lamps["targets"][0]["expr"])]

    eventually(lambda: shown() == ["watching"], 60.0, "the lamp of a print that is watched")

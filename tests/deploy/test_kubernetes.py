"""The Kubernetes manifests: valid for the API, and closed, drained and pinned as the text beside them says."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from cloudcoil.models.keda.v1alpha1 import ScaledObject

from inference_server import serve
from inference_server.gateway_verbs import run as gateway_run
from inference_server.triton import (
    KILL_PATIENCE_S,
    LOOPBACK,
    TERM_PATIENCE_S,
    TritonMissing,
    TritonServer,
    find_triton,
    free_port,
)
from tests.e2e.conftest import model_repository

__all__ = ["model_repository"]  # a fixture of the end-to-end tests, used here too

MANIFESTS = Path(__file__).parents[2] / "deploy" / "kubernetes"
OVERLAYS = ("cpu", "gpu")
COMPONENTS = ("expose", "hpa", "keda")
KUBERNETES = "1.30"
#: Of other projects: their own definitions say what is valid.
FOREIGN = ("keda.sh/", "serving.kserve.io/")

Manifest = dict[str, Any]


def kustomize(folder: Path) -> list[Manifest]:
    """Return what ``kubectl kustomize`` makes of a folder, or skip."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed, so the overlays cannot be rendered")
    done = subprocess.run(
        ["kubectl", "kustomize", "--load-restrictor=LoadRestrictionsNone", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.fixture(params=[*OVERLAYS, *(f"{overlay}+{component}" for overlay in OVERLAYS for component in COMPONENTS)])
def rendered(request: pytest.FixtureRequest, tmp_path: Path) -> list[Manifest]:
    """Return the manifests of one overlay, alone or with one component."""
    overlay, _, component = request.param.partition("+")
    if not component:
        return kustomize(MANIFESTS / overlay)
    copy = tmp_path / "kubernetes"
    shutil.copytree(MANIFESTS, copy)
    (copy / "mine").mkdir()
    (copy / "mine" / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: [../{overlay}]\ncomponents: [../{component}]\n"
    )
    return kustomize(copy / "mine")


def plain() -> Iterator[tuple[str, Manifest]]:
    """Yield each manifest in the folder that is none of kustomize's own files, with its place."""
    for path in sorted(MANIFESTS.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            for document in yaml.safe_load_all(path.read_text()):
                yield f"{path.parent.name}/{path.name}:{document['kind']}", document


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    found = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def pod(manifest: Manifest) -> Manifest:
    spec: Manifest = manifest["spec"]["template"]["spec"]
    return spec


def pods(manifests: list[Manifest]) -> list[Manifest]:
    return [pod(m) for m in manifests if m["kind"] == "Deployment"]


def base(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((MANIFESTS / "base" / name).read_text()))


def inference_service() -> Manifest:
    found: Manifest = yaml.safe_load((MANIFESTS / "kserve" / "inferenceservice.yaml").read_text())
    return found


@pytest.mark.parametrize("manifest", [pytest.param(document, id=place) for place, document in plain()])
def test_each_manifest_is_valid(manifest: Manifest) -> None:
    """Kubernetes' own schema knows every field of every file; a misspelt one would be refused."""
    if not manifest["apiVersion"].startswith(FOREIGN):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_a_misspelt_field_is_noticed() -> None:
    """The check above can fail."""
    manifest = base("triton.yaml")[0]
    pod(manifest)["terminationGracePeriodSecond"] = 30
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_each_overlay_is_valid(rendered: list[Manifest]) -> None:
    """What kustomize makes of the patches is valid too."""
    for manifest in rendered:
        if not manifest["apiVersion"].startswith(FOREIGN):
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_each_image_names_its_version(rendered: list[Manifest]) -> None:
    """An image without a version, or the latest one, would change under a running farm."""
    for spec in pods(rendered):
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            _, _, tag = container["image"].rpartition(":")
            assert tag and "/" not in tag and tag != "latest", container["image"]


def test_no_secret_is_in_the_folder() -> None:
    """Keys, tokens and certificates are named; the person who deploys makes them."""
    assert not [place for place, manifest in plain() if manifest["kind"] == "Secret"]
    assert not list(MANIFESTS.rglob("*.pem"))


def test_every_container_is_confined(rendered: list[Manifest]) -> None:
    """Not root, no new rights, nothing writable but what is mounted for it, no key to the cluster."""
    for spec in pods(rendered):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, container["name"]


def test_only_the_gateway_gets_an_address_outside_and_only_for_named_networks(rendered: list[Manifest]) -> None:
    """Nothing is public by default; the component that makes it so names the networks that may come in."""
    for service in (m for m in rendered if m["kind"] == "Service"):
        if service["spec"].get("type", "ClusterIP") == "ClusterIP":
            continue
        assert service["metadata"]["name"] == "gateway"
        assert service["spec"]["loadBalancerSourceRanges"]
        assert "0.0.0.0/0" not in service["spec"]["loadBalancerSourceRanges"]
        assert [port["port"] for port in service["spec"]["ports"]] == [8443]


def test_nobody_talks_to_triton_but_the_gateway_and_prometheus() -> None:
    """Every pod is closed first; frames come from the gateway, and the metrics' port is for the namespace monitoring alone."""
    policies = base("network.yaml")
    assert named(policies, "NetworkPolicy", "nobody")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    triton = named(policies, "NetworkPolicy", "triton")["spec"]
    assert triton["egress"] == []
    doors = {rule["ports"][0]["port"]: next(iter(rule["from"][0])) for rule in triton["ingress"]}
    assert doors == {8001: "podSelector", 8002: "namespaceSelector"}
    gateway = named(policies, "NetworkPolicy", "gateway")["spec"]
    assert [rule["ports"][0]["port"] for rule in gateway["ingress"]] == [8443]


def test_a_pod_has_time_to_leave(rendered: list[Manifest]) -> None:
    """The grace covers preStop, Triton's own end and the time until what is stuck is killed."""
    spec = pod(named(rendered, "Deployment", "triton"))
    asleep = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1])
    probe = spec["containers"][0]["readinessProbe"]
    assert spec["terminationGracePeriodSeconds"] >= asleep + TERM_PATIENCE_S + KILL_PATIENCE_S
    assert asleep >= probe["periodSeconds"] * probe["failureThreshold"]


def test_a_restart_leaves_a_replica_in_service(rendered: list[Manifest]) -> None:
    """Neither a new version nor a drained node takes the last replica."""
    for name in ("triton", "gateway"):
        deployment = named(rendered, "Deployment", name)
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert named(rendered, "PodDisruptionBudget", name)["spec"]["minAvailable"] == 1
        assert deployment["spec"].get("replicas", 2) >= 2


def test_the_replicas_can_be_found_one_by_one() -> None:
    """The headless service names every pod to clients that balance by themselves."""
    assert named(base("triton.yaml"), "Service", "triton-replicas")["spec"]["clusterIP"] == "None"


def test_a_gpu_is_asked_for_and_insisted_on() -> None:
    """The overlay for GPUs takes one per replica, goes where GPUs are, and never serves on the CPU in secret."""
    triton = pod(named(kustomize(MANIFESTS / "gpu"), "Deployment", "triton"))
    container = triton["containers"][0]
    assert "--require-gpu" in container["args"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert triton["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert triton["tolerations"][0]["key"] == "nvidia.com/gpu"
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] > 1800  # engine.BUILD_TIMEOUT_S


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_commands_are_the_programs_own(overlay: str) -> None:
    """Each option in the manifests is one that `spaghetti-server` knows, so a renamed one is noticed here."""
    manifests = kustomize(MANIFESTS / overlay)
    served = pod(named(manifests, "Deployment", "triton"))["containers"][0]
    assert served["command"] == ["spaghetti-server", "serve"]
    assert_known(serve.command, served["args"])
    passed = pod(named(manifests, "Deployment", "gateway"))["containers"][0]
    assert passed["command"] == ["spaghetti-server", "gateway", "run"]
    assert_known(gateway_run, passed["args"])


def test_the_inference_service_runs_the_same_command() -> None:
    """KServe's variant starts the same program with options that it knows."""
    container = inference_service()["spec"]["predictor"]["containers"][0]
    assert container["command"] == ["spaghetti-server", "serve"]
    assert_known(serve.command, container["args"])


def assert_known(command: Any, args: list[str]) -> None:
    help_text = CliRunner().invoke(command, ["--help"]).output
    for arg in args:
        assert f"{arg.partition('=')[0]} " in help_text.replace(",", " ").replace("\n", " "), arg


def test_scaling_takes_the_number_of_replicas_over() -> None:
    """With an autoscaler the Deployment names no number, which each `kubectl apply` would otherwise set back; and it never says none."""
    for component, kind in (("keda", "ScaledObject"), ("hpa", "HorizontalPodAutoscaler")):
        patch = yaml.safe_load((MANIFESTS / component / "kustomization.yaml").read_text())["patches"][0]
        assert yaml.safe_load(patch["patch"]) == [{"op": "remove", "path": "/spec/replicas"}]
        spec = next(m for place, m in plain() if place.startswith(component) and m["kind"] == kind)["spec"]
        assert spec.get("minReplicaCount", spec.get("minReplicas")) >= 2


def test_kedas_definition_knows_every_field() -> None:
    """KEDA's own model, made from its definition, gives back what it was given: it dropped nothing as unknown."""
    manifest = yaml.safe_load((MANIFESTS / "keda" / "scaledobject.yaml").read_text())
    assert ScaledObject.model_validate(manifest).model_dump(by_alias=True, exclude_unset=True, mode="json") == manifest
    manifest["spec"]["polingInterval"] = 15
    assert ScaledObject.model_validate(manifest).model_dump(by_alias=True, exclude_unset=True, mode="json") != manifest


@pytest.fixture(scope="module")
def locked(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:  # noqa: F811
    """Return a real Triton as the manifests start it: with metrics, and locked with a key."""
    try:
        binary = find_triton()
    except TritonMissing as missing:
        pytest.skip(str(missing))
    log = tmp_path_factory.mktemp("locked") / "triton.log"
    with TritonServer(model_repository, log=log, binary=binary, metrics_port=free_port(LOOPBACK), key=16 * "k") as server:
        server.wait_ready(90.0)
        yield server


@pytest.mark.e2e
def test_the_query_asks_for_metrics_that_triton_has(locked: TritonServer) -> None:
    """Each metric and each model that KEDA's query names is one that the real server publishes."""
    query = yaml.safe_load((MANIFESTS / "keda" / "scaledobject.yaml").read_text())["spec"]["triggers"][0]["metadata"]["query"]
    with urllib.request.urlopen(f"http://{LOOPBACK}:{locked.addresses.metrics_port}/metrics", timeout=30.0) as response:
        published = response.read().decode()
    assert re.findall(r"nv_\w+", query)
    for metric in re.findall(r"nv_\w+", query):
        for model in ("decode", "detector"):
            assert re.search(rf'^{metric}\{{[^}}]*model="{model}"', published, re.MULTILINE), f"{metric} of {model}"


@pytest.mark.e2e
def test_the_probe_is_answered_without_the_key_and_frames_are_not(locked: TritonServer) -> None:
    """The real server answers gRPC's own health question, which the probes ask, with SERVING; who looks at pictures needs the key."""
    with grpc.insecure_channel(locked.target) as channel:
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=30.0) == b"\x08\x01"
        with pytest.raises(grpc.RpcError, match="restricted"):
            channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(b"", timeout=30.0)


def test_kserves_definition_knows_every_field() -> None:
    """KServe's own model of a predictor has each field; what is in the pod is valid for Kubernetes."""
    predictor = inference_service()["spec"]["predictor"]
    own = {"minReplicas", "maxReplicas"}
    as_pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    kubernetes_validate.validate(
        {**as_pod, "spec": {k: v for k, v in predictor.items() if k not in own}}, KUBERNETES, strict=True
    )
    found = importlib.util.find_spec("kserve")
    if found is None or not found.submodule_search_locations:
        pytest.skip("kserve is not installed (pip install --no-deps kserve), so its own fields are not checked")
    # Read, not imported: the package would import the client of a whole cluster.
    source = Path(found.submodule_search_locations[0], "models", "v1beta1_predictor_spec.py").read_text()
    known = next(
        set(ast.literal_eval(node.value).values())
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "attribute_map"
    )
    assert set(predictor) <= known

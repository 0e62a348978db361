"""The CloudFormation template and what an instance runs: valid, deployable, closed, and silent about secrets."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from cfnlint.api import ManualArgs, lint
from click.testing import CliRunner
from moto import mock_aws

from inference_server import serve
from inference_server.gateway_verbs import run as gateway_run
from inference_server.triton import KILL_PATIENCE_S, TERM_PATIENCE_S
from tests.deploy.test_aws_boot import STAND_IN

FOLDER = Path(__file__).parents[2] / "deploy" / "aws"
TEMPLATE = (FOLDER / "template.yaml").read_text()
REGION = "us-east-1"
IN_REGION = ManualArgs(regions=[REGION])
#: What a person must say; everything else has a default.
ANSWERS = {"PrinterCidr": "198.51.100.7/32", "Bucket": "my-bucket", "SourceSha256": 64 * "0"}
#: Kinds that moto's CloudFormation does not know; cfn-lint alone looks at them.
NOT_IN_MOTO = {"AWS::SecretsManager::Secret", "AWS::AutoScaling::ScalingPolicy", "AWS::CloudWatch::Alarm"}

Parsed = dict[str, Any]


class _Tagged(yaml.SafeLoader):
    """Reads !Ref and its kin as plain values: what they name is enough here."""


_Tagged.add_multi_constructor("!", lambda loader, _, node: _plain(loader, node))


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else loader.construct_mapping(node)


@pytest.fixture(scope="module")
def template() -> Parsed:
    """Return the template as plain data."""
    return yaml.load(TEMPLATE, _Tagged)  # noqa: S506 - a safe loader with tags


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretend to be AWS; nothing leaves this machine."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield


def deploy(**answers: str) -> Parsed:
    """Deploy the template in moto and return its outputs."""
    image = boto3.client("ec2", REGION).describe_images()["Images"][0]["ImageId"]
    given = {**ANSWERS, "CpuImage": image, "GpuImage": image, **answers}
    cloud = boto3.client("cloudformation", REGION)
    # moto looks up no public parameters of images.
    body = TEMPLATE.replace("AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "String")
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    cloud.create_stack(StackName="spaghetti", TemplateBody=body, Parameters=parameters, Capabilities=["CAPABILITY_IAM"])
    stack = cloud.describe_stacks(StackName="spaghetti")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def launched() -> Parsed:
    """Return what the launch template in moto starts."""
    ec2 = boto3.client("ec2", REGION)
    name = ec2.describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateName"]
    data: Parsed = ec2.describe_launch_template_versions(LaunchTemplateName=name)["LaunchTemplateVersions"][0][
        "LaunchTemplateData"
    ]
    return data


def user_data() -> str:
    return base64.b64decode(launched()["UserData"]).decode()


def policies() -> list[Parsed]:
    """Return the statements of all policies of the instance's role."""
    iam = boto3.client("iam", REGION)
    role = iam.list_roles()["Roles"][0]["RoleName"]
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    # moto keeps the document of a separate policy as the text of a Python dictionary, which YAML can read.
    read = [yaml.safe_load(document) if isinstance(document, str) else document for document in documents]
    return [statement for document in read for statement in document["Statement"]]


def test_cloudformation_knows_every_word() -> None:
    """AWS' own resource definitions, as cfn-lint has them, find nothing to say."""
    assert [str(match) for match in lint(TEMPLATE, config=IN_REGION)] == []


def test_a_misspelt_property_is_noticed() -> None:
    """The check above can fail."""
    assert lint(TEMPLATE.replace("MaxSize:", "MaximumSize:"), config=IN_REGION)


def test_moto_knows_all_other_kinds(template: Parsed) -> None:
    """What the pretended deployment leaves out is listed above, and nothing else is left out."""
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert kinds & NOT_IN_MOTO == NOT_IN_MOTO


@pytest.mark.filterwarnings("ignore:Tried to parse")
@pytest.mark.parametrize("instance_type", ("c7i.large", "g4dn.xlarge", "g6.xlarge"))
def test_one_instance_is_started_and_replaced(aws: None, instance_type: str) -> None:
    """A group of one, in two zones, which may be none when nobody prints."""
    outputs = deploy(InstanceType=instance_type)
    group = boto3.client("autoscaling", REGION).describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]) == (0, 1, 1)
    assert len(group["VPCZoneIdentifier"].split(",")) == 2
    assert launched()["InstanceType"] == instance_type
    assert f"RUNTIME={'cpu' if instance_type.startswith('c7i') else 'gpu'}\n" in user_data()
    assert outputs["Server"].endswith(":8443")


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_only_the_gateways_port_is_open_and_only_for_the_network_that_was_named(aws: None) -> None:
    """Neither SSH, nor Triton, nor metrics; nobody but the printers."""
    deploy()
    groups = boto3.client("ec2", REGION).describe_security_groups()["SecurityGroups"]
    ours = next(group for group in groups if group["GroupName"] != "default")
    assert [(rule["FromPort"], rule["ToPort"], [r["CidrIp"] for r in rule["IpRanges"]]) for rule in ours["IpPermissions"]] == [
        (8443, 8443, ["198.51.100.7/32"])
    ]


def test_who_deploys_must_name_the_network(template: Parsed) -> None:
    """There is no default that would open the port to the world."""
    assert {name for name, parameter in template["Parameters"].items() if "Default" not in parameter} == set(ANSWERS)


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_the_disk_is_encrypted_and_the_role_is_out_of_a_containers_reach(aws: None) -> None:
    """IMDSv2 with one hop, an encrypted volume that goes with its instance."""
    deploy()
    data = launched()
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    for device in data["BlockDeviceMappings"]:
        assert device["Ebs"]["Encrypted"] is True
        assert device["Ebs"]["DeleteOnTermination"] is True


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_the_role_may_do_what_an_instance_does_and_to_named_things_alone(aws: None) -> None:
    """The one action that knows no resource is ECR's log-in; instances, which have no name yet, are told by their tag."""
    deploy(InstanceType="g6.xlarge", EcrRepository="spaghetti-triton", ModelKey="models/mine.onnx")
    allowed = {statement["Sid"]: statement for statement in policies()}
    assert {sid for sid, statement in allowed.items() if statement["Resource"] == "*"} == {"LogIn"}
    actions = {action for s in allowed.values() for action in _listed(s["Action"])}
    assert not [action for action in actions if "*" in action or action.split(":")[1].startswith(("Put", "Create", "Delete"))]
    assert allowed["ReadSourceAndModel"]["Resource"] == [
        "arn:aws:s3:::my-bucket/octoprint-spaghetti.tar.gz",
        "arn:aws:s3:::my-bucket/models/mine.onnx",
        "arn:aws:s3:::my-bucket/models/mine.onnx.sha256",
    ]
    assert allowed["ForInstancesOfThisStack"]["Condition"] == {"StringEquals": {"aws:ResourceTag/spaghetti-stack": "spaghetti"}}


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_an_image_in_ecr_is_pulled_and_otherwise_built(aws: None) -> None:
    """The boot script is told the image's whole name, or nothing."""
    deploy(InstanceType="g4dn.xlarge", EcrRepository="spaghetti-triton", ImageTag="0.1.0-gpu")
    assert "IMAGE=123456789012.dkr.ecr.us-east-1.amazonaws.com/spaghetti-triton:0.1.0-gpu\n" in user_data()


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_nothing_is_installed_before_its_checksum_is_right(aws: None) -> None:
    """The archive is compared with the sha256 that was given, then unpacked, and the rest of the work is in it."""
    deploy()
    script = user_data()
    order = [script.index(step) for step in ("aws s3 cp", "sha256sum -c", "tar -xzf", "exec source/deploy/aws/boot")]
    assert order == sorted(order)
    assert len(script) < 2500


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_an_archive_that_is_not_the_one_asked_for_ends_the_deployment_at_once(aws: None, tmp_path: Path) -> None:
    """A typing error in the bucket, an older archive: CloudFormation hears of it now and not after 45 minutes."""
    deploy()
    for folder in ("bin", "etc", "opt"):
        (tmp_path / folder).mkdir()
    for program in ("aws", "curl"):
        (tmp_path / "bin" / program).write_text(STAND_IN.format(place=tmp_path))
        (tmp_path / "bin" / program).chmod(0o755)
    script = user_data().replace("/etc/", f"{tmp_path}/etc/").replace("/opt/", f"{tmp_path}/opt/")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["sh"], input=script, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    calls = (tmp_path / "calls").read_text().splitlines()
    assert "aws s3 cp" in calls[0]
    assert "--logical-resource-id Group --unique-id i-0123456789abcdef0 --status FAILURE" in calls[-1]


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_a_schedule_starts_and_stops_it(aws: None) -> None:
    """Desired capacity 1 in the morning and 0 at night, in the person's own time zone."""
    deploy(StartSchedule="0 7 * * *", StopSchedule="0 23 * * *", TimeZone="Europe/Berlin")
    actions = boto3.client("autoscaling", REGION).describe_scheduled_actions()["ScheduledUpdateGroupActions"]
    assert {(action["Recurrence"], action["DesiredCapacity"]) for action in actions} == {("0 7 * * *", 1), ("0 23 * * *", 0)}


def test_nothing_is_kept_when_the_stack_goes(template: Parsed) -> None:
    """No resource asks to survive its stack."""
    assert not [name for name, resource in template["Resources"].items() if "DeletionPolicy" in resource]


def test_it_stops_by_itself_unless_told_not_to(template: Parsed) -> None:
    """Whoever forgets it pays for hours and not for months; an instance that was just started is left its time."""
    assert template["Parameters"]["IdleStopSeconds"]["Default"] > 0
    assert template["Resources"]["StopWhenIdle"]["Properties"]["ScalingAdjustment"] == 0
    idle = template["Resources"]["Idle"]["Properties"]
    assert idle["AlarmActions"] == ["StopWhenIdle"]
    assert idle["TreatMissingData"] == "notBreaching"
    assert "minutes * 60 > 0.97 * ${IdleStopSeconds} AND received < 500000" in idle["Metrics"][0]["Expression"]


def test_the_template_holds_no_secret(template: Parsed) -> None:
    """Secrets are made empty; what fills them never passes through a parameter, which the console would show."""
    secrets = [r for r in template["Resources"].values() if r["Type"] == "AWS::SecretsManager::Secret"]
    assert len(secrets) == 2
    for secret in secrets:
        assert "SecretString" not in secret["Properties"]
    assert not [name for name in template["Parameters"] if "token" in name.lower() or name.lower() == "key"]


@pytest.mark.parametrize("script", ("boot", "sync"))
def test_the_scripts_can_be_read_by_a_shell(script: str) -> None:
    """And are executable, which the archive keeps."""
    subprocess.run(["sh", "-n", FOLDER / script], check=True)
    assert os.access(FOLDER / script, os.X_OK)


def services() -> dict[str, str]:
    return {path.name: path.read_text().replace("\\\n", " ") for path in sorted((FOLDER / "units").glob("*.service"))}


@pytest.mark.parametrize("unit", sorted(path.name for path in (FOLDER / "units").iterdir()))
def test_systemd_knows_every_word(unit: str, tmp_path: Path) -> None:
    """Each unit is one that systemd would load; its programs are not on this machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    shutil.copytree(FOLDER / "units", tmp_path, dirs_exist_ok=True)
    (tmp_path / "docker.service").write_text("[Service]\nExecStart=/bin/true\n")
    for file in tmp_path.iterdir():
        words = [f"{key}=/bin/true" if key in ("ExecStart", "ExecStop") else line for line, key in _keys(file)]
        file.write_text("\n".join(words) + "\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / unit],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Unknown" not in done.stderr, done.stderr
    assert "bad unit file" not in done.stderr, done.stderr


def _keys(file: Path) -> list[tuple[str, str]]:
    return [(line, line.partition("=")[0]) for line in file.read_text().replace("\\\n", " ").splitlines()]


def test_the_units_call_the_programs_with_their_own_options() -> None:
    """A renamed option is noticed here; Triton listens on loopback, the gateway to the world."""
    found = services()
    for name in ("spaghetti-triton-cpu.service", "spaghetti-triton-gpu.service"):
        assert_known(serve.command, found[name].partition("spaghetti-server serve ")[2].splitlines()[0])
        assert f"TimeoutStopSec={30}" in found[name]
    assert TERM_PATIENCE_S + KILL_PATIENCE_S < 25
    assert "--host" not in found["spaghetti-triton-cpu.service"]
    assert "--publish 127.0.0.1:8001:8001" in found["spaghetti-triton-gpu.service"]
    assert "--require-gpu" in found["spaghetti-triton-gpu.service"]
    assert_known(gateway_run, found["spaghetti-gateway.service"].partition("gateway run ")[2].splitlines()[0])


def assert_known(command: Any, line: str) -> None:
    words = CliRunner().invoke(command, ["--help"]).output.replace(",", " ").split()
    options = [word for word in line.split() if word.startswith("--")]
    assert options
    for option in options:
        assert option in words, option


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """Return a folder with an `aws` that reads secrets from files; another command line than the script's own is refused."""
    program = tmp_path / "bin" / "aws"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase "$*" in\n'
        '"secretsmanager get-secret-value --secret-id "*" --query SecretString --output text") ;;\n*) exit 64;;\nesac\n'
        f'cat "{tmp_path}/secrets/$4" || {{ echo "Secrets Manager cannot find it" >&2; exit 254; }}\n'
    )
    program.chmod(0o755)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "gateway").mkdir()
    return tmp_path


def sync(place: Path) -> str:
    """Run the script once and return what it wrote to its log."""
    environment = {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "TOKENS": "tokens", "CERTIFICATE": "certificate"}
    done = subprocess.run([FOLDER / "sync", place / "gateway"], env=environment, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_a_changed_secret_replaces_its_file_and_an_unchanged_one_does_not(stand_ins: Path) -> None:
    """The gateway watches the files, so one that is the same must not look new; their owner alone can read them."""
    tokens, certificate = stand_ins / "gateway" / "tokens.map", stand_ins / "gateway" / "site.pem"
    (stand_ins / "secrets" / "tokens").write_text('"@prusa" "digest";\n')
    (stand_ins / "secrets" / "certificate").write_text("PEM\n")
    sync(stand_ins)
    first = tokens.stat()
    (stand_ins / "secrets" / "certificate").write_text("RENEWED\n")
    sync(stand_ins)
    assert tokens.read_text() == '"@prusa" "digest";\n'
    assert (tokens.stat().st_ino, tokens.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert certificate.read_text() == "RENEWED\n"
    assert certificate.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("secret", (None, ""))
def test_a_secret_that_is_empty_or_cannot_be_read_leaves_everything_as_it_was(stand_ins: Path, secret: str | None) -> None:
    """Nobody is locked out because Secrets Manager does not answer."""
    (stand_ins / "gateway" / "tokens.map").write_text("old\n")
    if secret is not None:
        (stand_ins / "secrets" / "tokens").write_text(secret)
    log = sync(stand_ins)
    assert (stand_ins / "gateway" / "tokens.map").read_text() == "old\n"
    assert ("tokens cannot be read" in log) == (secret is None)
    assert sorted(path.name for path in (stand_ins / "gateway").iterdir()) == ["tokens.map"]


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_the_outputs_are_what_the_settings_page_asks_for(aws: None) -> None:
    """Address, certificate and token each have their command, and so has the start after an idle stop."""
    outputs = deploy()
    address = outputs["Server"].removesuffix(":8443")
    assert outputs["MakeCertificate"].endswith(f"--name {address}")
    assert {"PutCertificate", "MakeToken", "PutTokens", "Start", "Stop"} < set(outputs)
    assert json.dumps(outputs).count("spaghetti-server") == 2

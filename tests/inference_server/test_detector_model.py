"""The exported graph keeps the tensor contract and answers as the trained network does."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import torch.nn.functional as F  # noqa: E402 - only where torch is

from inference_server.contract import HEATMAP_STRIDE, TOP_K  # noqa: E402 - only where torch is
from inference_server.detector.backbones import BACKBONES, _conv_same  # noqa: E402 - only where torch is
from inference_server.detector.export import (  # noqa: E402
    LEAST_HALVED,
    LEAST_IN_BYTES,
    TOLERANCE,
    ExportFailed,
    command,
    export,
    failed_prints,
    noise,
    prove,
    unpacked,
)
from inference_server.detector.model import (  # noqa: E402
    CONFIDENCE_FLOOR,
    SIDE_SCALE_PX,
    SIZES,
    Calibration,
    Detector,
    Raw,
    Served,
    count_macs,
    decoded_boxes,
    grow,
    load_backbone,
)
from inference_server.onnx_detector import OnnxDetector  # noqa: E402
from inference_server.pixels import prepare  # noqa: E402

SIDE = 416
WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]])


def lively(backbone="shuffle", seed=0):
    """Make a network with statistics and weights in which a mistake would show."""
    torch.manual_seed(seed)
    detector = Detector(backbone)
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    for head in (detector.peak_head, detector.mask_head):
        torch.nn.init.zeros_(head.bias)
    return detector.eval()


class Scripted(torch.nn.Module):
    """A stand-in network that sees tangles where it is told to."""

    def __init__(self, peaks, frame=4.0):
        super().__init__()
        self.peaks, self.frame = peaks, frame

    def forward(self, x):
        cells = x.shape[-1] // 8
        peaks = torch.full((len(x), 1, cells, cells), -9.0)
        sides = torch.zeros(len(x), 4, cells, cells)
        for column, row, logit in self.peaks:
            peaks[:, 0, row, column] = logit
        return Raw(peaks, sides, torch.zeros(len(x), 1, cells // 2, cells // 2), torch.full((len(x), 1), self.frame))


def served(peaks, frame=4.0):
    return Served(Scripted(peaks, frame), Calibration(), SIDE)


BLACK = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "spaghetti-nano-416-v7.onnx"
    detector = lively()
    export(detector, Calibration(1.3, -0.2), {"trained_steps": "3"}, path, SIDE)
    return path, detector


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_folding_the_side_branches_changes_no_answer(backbone):
    """The fused network answers as the one that was trained."""
    detector = lively(backbone)
    x = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        before, after = detector(x), detector.fuse()(x)
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(one, other, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("name", "most"), [("nano", 1.0), ("base", 10.0)])
def test_each_size_costs_what_its_machine_can_pay(name, most):
    """One picture costs at most 1 (nano, for a Pi) and 10 (base, for a GPU) billion multiply-accumulates at the size it is served at."""
    size = SIZES[name]
    detector = Detector(size.backbone, size.width).eval().fuse()
    assert count_macs(detector, size.pixels) / 1e9 <= size.most_gmac == most


@pytest.mark.parametrize("backbone", ["repvgg", "shuffle"])
def test_the_other_backbones_are_small_enough_for_a_pi(backbone):
    """What may stand in for nano's backbone costs no more than a nano may."""
    assert count_macs(lively(backbone).fuse(), SIDE) <= 1_000_000_000


def test_shapes_and_types_are_those_of_the_contract(exported):
    """Any number of pictures goes in at once; names, shapes and types are the contract's."""
    detector = OnnxDetector(exported[0])
    answer = detector.look(prepare(jpeg(), size=detector.input_size))
    assert answer.boxes.shape == (TOP_K, 4) and answer.boxes.dtype == np.float32
    assert answer.confidences.shape == (TOP_K,) and answer.classes.dtype == np.int32
    assert answer.heatmap.shape == (SIDE // HEATMAP_STRIDE,) * 2 and answer.heatmap.dtype == np.uint8
    assert 0.0 <= answer.frame_score <= 1.0


def test_torch_and_onnx_runtime_agree(exported):
    """Export proves itself on noise and windows, and refuses a file of another network."""
    path, detector = exported
    prove(Served(detector, Calibration(1.3, -0.2), SIDE).eval(), path)
    with pytest.raises(ExportFailed, match="differs"):
        prove(Served(lively(seed=1), Calibration(), SIDE).eval(), path)
    assert TOLERANCE <= 1e-3


class Shy(torch.nn.Module):
    """A stand-in network that sees a tangle wherever a picture has fine detail: in prints, and not in soft noise."""

    def __init__(self, bias=-8.0):
        super().__init__()
        self.peak_head, self.side_head = torch.nn.Conv2d(1, 1, 1), torch.nn.Conv2d(1, 4, 1)
        for head, weight, shift in ((self.peak_head, 30.0, bias), (self.side_head, -2.0, 0.0)):
            torch.nn.init.constant_(head.weight, weight)
            torch.nn.init.constant_(head.bias, shift)

    def forward(self, x):
        grey = x.mean(1, keepdim=True)
        detail = F.max_pool2d((grey - F.avg_pool2d(grey, 3, 1, 1, count_include_pad=False)).abs(), 8)
        peaks = self.peak_head(detail)
        return Raw(peaks, self.side_head(detail), F.max_pool2d(peaks, 2), peaks.amax((2, 3)))

    def fuse(self):
        return self


@pytest.mark.parametrize("head", ["side_head", "peak_head"])
def test_boxes_are_proved_where_there_are_boxes(tmp_path, head):
    """A network that sees nothing in noise is proved on rendered prints that failed: another head is noticed, whichever it is."""
    path, network = tmp_path / "spaghetti-nano-416-v7.onnx", Shy()
    export(network, Calibration(), {}, path, SIDE)
    proved = Served(network, Calibration(), SIDE).eval()
    with torch.no_grad():
        quiet, seen = (proved(pictures(SIDE), WHOLE.tile(3, 1))[1] for pictures in (noise, failed_prints))
    assert (quiet == 0).all() and (seen[:, 0] > 0).all()
    getattr(network, head).bias.data += 1.0
    with pytest.raises(ExportFailed, match="boxes differs"):
        prove(proved, path)


def test_a_network_that_sees_no_box_at_all_is_not_exported(tmp_path):
    """Zeros that equal zeros prove nothing, so the sentence asks for more training and no file is written."""
    with pytest.raises(ExportFailed, match=r"sees no tangle .* cannot be proved"):
        export(Shy(bias=-60.0), Calibration(), {}, tmp_path / "spaghetti-nano-416-v7.onnx", SIDE)
    assert not list(tmp_path.iterdir())


def test_a_name_with_other_pixels_is_refused(tmp_path):
    """Who serves a file goes by its name, so that it must say what the graph looks at."""
    with pytest.raises(ExportFailed, match="says 640 pixels, but it would look at 416"):
        export(lively(), Calibration(), {}, tmp_path / "spaghetti-base-640-v7.onnx", SIDE)
    assert not list(tmp_path.iterdir())


def test_a_network_that_was_never_calibrated_is_exported_only_on_demand(tmp_path, monkeypatch):
    """The sentence names the command that makes probabilities of its scores, and the option for who wants none."""
    checkpoint, out = tmp_path / "last.pt", tmp_path / "spaghetti-nano-416-v7.onnx"
    torch.save({"config": {"backbone": "shuffle", "width": 64}, "weights": lively().state_dict(), "step": 1}, checkpoint)
    asked = ["--checkpoint", str(checkpoint), "--out", str(out)]
    refused = CliRunner().invoke(command, asked)
    assert refused.exit_code == 1 and not out.exists()
    assert "python -m inference_server.detector.calibrate" in refused.output and "--uncalibrated" in refused.output
    monkeypatch.setattr("inference_server.detector.export.export", lambda *given: given[3].touch())
    taken = CliRunner().invoke(command, [*asked, "--uncalibrated"])
    assert taken.exit_code == 0, taken.output
    assert out.exists()


def test_the_file_says_what_it_is(exported):
    """Name, version, classes, size and calibration travel with the file, the checksum beside it."""
    path, _ = exported
    facts = OnnxDetector(path).metadata
    assert facts["name"] == "spaghetti-nano-416-v7" and facts["version"] == "7" and facts["trained_steps"] == "3"
    assert (
        facts["class_names"] == '["spaghetti"]' and facts["input_size"] == "416" and '"frame_scale": 1.3' in facts["calibration"]
    )
    digest, name = path.with_suffix(".onnx.sha256").read_text().split()
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest() and name == path.name


def test_weights_lie_in_the_file_with_sixteen_or_eight_bits(exported):
    """Only small tensors, which a Cast would cost more than it saves, are left at 32; the answers were proved after the rounding."""
    large = [
        one for one in onnx.load(str(exported[0])).graph.initializer if len(one.dims) > 1 and np.prod(one.dims) >= LEAST_HALVED
    ]
    assert {one.data_type for one in large} == {onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8}
    assert all(np.prod(one.dims) >= LEAST_IN_BYTES for one in large if one.data_type == onnx.TensorProto.INT8)


def test_a_file_that_is_unpacked_answers_as_before(exported, tmp_path):
    """What quantising starts from is the same network, every weight in fp32."""
    path, _ = exported
    plain = unpacked(onnx.load(str(path)))
    assert {one.data_type for one in plain.graph.initializer if len(one.dims) == 4} == {onnx.TensorProto.FLOAT}
    onnx.save(plain, str(tmp_path / "plain.onnx"))
    packed_one, plain_one = (OnnxDetector(one).look(prepare(jpeg(), size=SIDE)) for one in (path, tmp_path / "plain.onnx"))
    assert packed_one.frame_score == pytest.approx(plain_one.frame_score, abs=1e-5)


def test_boxes_come_strongest_first_and_padding_is_zero():
    """Confidences descend, weak ones become exactly 0 and their boxes too."""
    boxes, confidences, classes, _, _ = served([(5, 5, 1.0), (40, 40, 3.0), (5, 40, -8.5)])(BLACK, WHOLE)
    assert (confidences[0].diff() <= 0).all()
    assert confidences[0, 0] > confidences[0, 1] > CONFIDENCE_FLOOR and confidences[0, 2] == 0
    assert (boxes[0, 2:] == 0).all() and (classes == 0).all()
    assert boxes[0, 0, 0] > 0.5 and boxes[0, 1, 0] < 0.5


def test_boxes_stay_in_the_picture():
    """A tangle at the rim has a box that ends at the rim."""
    boxes, confidences, *_ = served([(0, 0, 3.0)])(BLACK, WHOLE)
    left, top, right, bottom = boxes[0, 0].tolist()
    assert (left, top) == (0.0, 0.0) and 0 < right <= 1 and 0 < bottom <= 1 and confidences[0, 0] > 0


def test_a_window_maps_boxes_into_the_whole_picture():
    """What lies in the middle of the lower right quarter lies at three quarters of the picture, at half the size."""
    window = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
    near, *_ = served([(26, 26, 3.0)])(BLACK, window)
    whole, *_ = served([(26, 26, 3.0)])(BLACK, WHOLE)
    assert near[0, 0].tolist() == pytest.approx((whole[0, 0] * 0.5 + 0.5).tolist(), abs=1e-5)


def test_one_tangle_is_one_box():
    """A weaker peak inside the same box is the same tangle; one elsewhere is another."""
    _, confidences, *_ = served([(20, 20, 3.0), (22, 20, 2.0), (45, 45, 1.0)])(BLACK, WHOLE)
    assert (confidences[0] > 0).sum() == 2


def test_a_frame_that_looks_good_lowers_its_boxes():
    """A box's confidence is the geometric mean of its peak and its frame."""
    _, sure, *_ = served([(20, 20, 3.0)], frame=4.0)(BLACK, WHOLE)
    _, unsure, *_ = served([(20, 20, 3.0)], frame=-8.0)(BLACK, WHOLE)
    assert unsure[0, 0] < 0.3 * sure[0, 0]


def test_sides_of_zero_are_a_middling_box():
    """A logit of 0 on each side reaches the same distance from the cell's centre every way."""
    box = decoded_boxes(torch.zeros(1, 4, 52, 52), SIDE)[0, :, 26, 26] * SIDE
    assert box.tolist() == pytest.approx(
        [212 - SIDE_SCALE_PX, 212 - SIDE_SCALE_PX, 212 + SIDE_SCALE_PX, 212 + SIDE_SCALE_PX], abs=1e-3
    )


def test_a_larger_network_starts_where_a_smaller_one_was():
    """The new tower has no say before it is trained: the grown network answers as the one it grew from."""
    small, large = lively("shuffle"), lively("twin", seed=2)
    grow(large, small.state_dict())
    x = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        for one, other in zip(small(x), large(x), strict=True):
            assert torch.allclose(one, other, atol=1e-4)


def test_foreign_weights_are_refused_in_words():
    """Weights of another network are named as such."""
    with pytest.raises(ValueError, match="not of this backbone"):
        load_backbone(lively(), {"layer.weight": torch.zeros(1)})


def test_published_weights_of_bgr_are_turned_to_rgb():
    """The first convolution's channels are reversed, everything else is taken over."""
    detector = lively()
    state = {f"backbone.{name}": value.clone() for name, value in lively(seed=5).backbone.state_dict().items()}
    load_backbone(detector, state)
    assert torch.equal(detector.backbone.first_conv[0].weight, state["backbone.first_conv.0.weight"].flip(1))
    assert torch.equal(detector.backbone.stage4[3].branch_main[5].weight, state["backbone.stage4.3.branch_main.5.weight"])


@pytest.mark.parametrize(("backbone", "last"), [("lite0", 15), ("lite2", 20)])
def test_published_weights_of_efficientnet_lite_are_taken_over_as_they_are(backbone, last):
    """They were trained on RGB; what no published file has starts anew."""
    detector = lively(backbone)
    before = detector.backbone.narrow[0].weight.clone()
    state = {
        name: value.clone() for name, value in lively(backbone, seed=5).backbone.state_dict().items() if "narrow" not in name
    }
    load_backbone(detector, {**state, "_fc.weight": torch.zeros(1)})
    assert torch.equal(detector.backbone._conv_stem.weight, state["_conv_stem.weight"])
    assert torch.equal(detector.backbone._blocks[last]._project_conv.weight, state[f"_blocks.{last}._project_conv.weight"])
    assert len(detector.backbone._blocks) == last + 1
    assert torch.equal(detector.backbone.narrow[0].weight, before)


@pytest.mark.parametrize(("kernel", "first"), [(3, 0), (5, -1)])
def test_halving_convolutions_pad_more_behind_than_before(kernel, first):
    """As TensorFlow's SAME does, with which the published weights were trained: the first window begins at this pixel."""
    conv = torch.nn.Conv2d(1, 1, kernel, 2, bias=False)
    torch.nn.init.zeros_(conv.weight)
    conv.weight.data[0, 0, -first, -first] = 1.0
    x = torch.rand(1, 1, 8, 8)
    assert torch.equal(_conv_same(conv, x), x[:, :, ::2, ::2])


def jpeg():
    rng = np.random.default_rng(0)
    ok, data = cv2.imencode(".jpg", rng.integers(0, 255, (120, 160, 3)).astype(np.uint8))
    assert ok
    return data.tobytes()

"""What is shipped can be trained on: its weights are taken out of the ONNX file, and the answers stay."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from inference_server.detector.export import noise  # noqa: E402
from inference_server.detector.model import Detector  # noqa: E402
from inference_server.detector.unfold import unfold  # noqa: E402


def pictures(seed: int = 0):
    """Return a batch (8, 3, 64, 64) of soft colours in 0 to 1."""
    return torch.cat([noise(64, seed + i) for i in range(3)])[:8].float() / 255


def with_a_past(backbone: str) -> Detector:
    """Return a network in eval mode whose normalisations have seen something, some of it with a negative scale."""
    torch.manual_seed(3)
    detector = Detector(backbone).train()
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias, std=0.1)
    with torch.no_grad():
        for seed in range(3):
            detector(pictures(10 * seed))
    return detector.eval()


def fused_weights(detector: Detector):
    """Return what an export would hold of ``detector``, which is left as it is."""
    return copy.deepcopy(detector).fuse().state_dict()


def raw(detector: Detector, x):
    """Return what the heads say of ``x``."""
    with torch.no_grad():
        return detector(x)


@pytest.mark.parametrize("backbone", ["lite0", "twin", "repvgg"])
def test_the_answers_stay_the_same(backbone):
    """Taken apart again, a fused network answers as before on pictures that it was not measured on."""
    old = with_a_past(backbone)
    new = unfold(Detector(backbone), fused_weights(old), [pictures(40), pictures(50)])
    for was, is_now in zip(raw(old, pictures(60)), raw(new, pictures(60)), strict=True):
        torch.testing.assert_close(is_now, was, rtol=1e-3, atol=1e-3)


def test_training_goes_on_from_the_same_answers():
    """With the statistics of the batch itself, as in training, boxes and mask are those of the file: nothing jumps at the first step."""
    old = with_a_past("lite0")
    new = unfold(Detector("lite0"), fused_weights(old), [pictures(40)]).train()
    for was, is_now in zip(raw(old, pictures(40))[:3], raw(new, pictures(40))[:3], strict=True):
        torch.testing.assert_close(is_now, was, rtol=1e-2, atol=1e-2)


def test_kernels_keep_the_length_with_which_they_learned():
    """A kernel twice as long learns a quarter as fast; the fused ones are up to ten times as long."""
    fresh = Detector("lite0")
    lengths = {name: value.flatten(1).norm(dim=1) for name, value in fresh.named_parameters() if name.endswith("_conv.weight")}
    new = unfold(fresh, fused_weights(with_a_past("lite0")), [pictures()])
    assert len(lengths) > 40
    for name, length in lengths.items():
        torch.testing.assert_close(new.get_parameter(name).flatten(1).norm(dim=1), length)


@pytest.mark.parametrize(("own", "given"), [("lite0", "twin"), ("lite0", "lite2"), ("lite2", "lite0")])
def test_weights_of_another_network_are_refused(own, given):
    """Neither too few nor too many nor of another shape."""
    with pytest.raises(ValueError, match="of another network"):
        unfold(Detector(own), fused_weights(Detector(given).eval()), [pictures()])

"""Quantise an exported detector to int8, and keep the file only if it still sees what the fp32 one sees.

``spaghetti-server quantise MODEL.onnx --data DATA --out MODEL-int8.onnx``: static QDQ, one scale for each channel of a weight. The
ranges of the activations are taken from pictures of split ``train``, the gate is measured on split ``val``. Each change between bytes
and floats is a pass over memory. A network of inverted residuals (``lite0``) changes only once: all its convolutions are rounded but the
first. Of one with plain convolutions (``twin``) only the wide ones are, a sixth of the layers and five sixths of the arithmetic. Heads
and decoding stay in fp32: a box is an exponential of what comes in.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from inference_server.bench import measure
from inference_server.contract import IMAGE, WINDOW
from inference_server.detector import options
from inference_server.detector.evaluate import FALSE_ALARMS, FIRES, Looked, box_ap50, look
from inference_server.detector.export import unpacked
from inference_server.detector.labels import NOISY_SOURCES, Row, read
from inference_server.detector.metrics import auroc, recall_above, threshold_at
from inference_server.model_files import MAX_BYTES, misnamed, put_in_place
from inference_server.onnx_detector import OnnxDetector
from inference_server.pixels import prepare

#: Pictures that set the ranges; with more the scores of other pictures of train come no nearer to those of fp32, with 32 base v1 was
#: refused (2.6 % more false alarms, where 2 % are allowed).
CALIBRATION_PICTURES = 80
#: So many at a time, for all of their activations are held at once (80 of base at 416 pixels: 9 GB).
AT_ONCE = 8
#: Share of each activation's values that its range holds, in percent. With the mean extremes instead nano's log-odds of other pictures of
#: train moved by 0.33 in the mean and spread by 0.54; with 99.995 by 0.11 and 0.21. base v2, whose picture has more of them, needs more:
#: with 99.995 3.4 % more of val's good and defective pictures fired and AP50 fell by 0.06, with this 1.7 % and 0.002.
RANGE_PERCENTILE = 99.9999
#: Nodes of a network proper begin with this, and what is called after a head stays as it is.
NETWORK, HEADS = "/detector/", ("peak_head", "side_head", "mask_head", "frame_head")
ACTIVATIONS = ("Relu", "Clip")
#: In a network of plain convolutions, one is wide when each of its outputs is a sum over at least so many channels and the nine pixels of
#: a 3x3 kernel. Measured with v2 on one core with AVX512-VNNI: all convolutions in int8 6.1 ms, the wide ones alone 4.9, all in fp32 8.3.
WIDE_CHANNELS, WIDE_KERNEL = 16, 3
#: The first convolution sees the three colours of a picture and stays as it is: rounding them costs more than it saves.
PICTURE_CHANNELS = 3
#: Seconds in which both files are timed in turns.
TIMING_S = 3.0


class NotWorthIt(RuntimeError):
    """The int8 file loses more than it may; the message names every figure that does."""


@dataclass(frozen=True)
class Sight:
    """What a detector sees on split ``val``; all are shares or probabilities, 0 to 1."""

    auroc_normal: float  # spaghetti against normal
    auroc_others: float  # spaghetti against normal, stringing and other defects
    recall_at_1_percent: float  # of spaghetti, where 1 % of the others fire
    recall: float  # of spaghetti at 0.5
    quiet: float  # share of the others that do not fire at 0.5
    box_ap50: float


#: How much of each figure int8 may lose. The AUROCs are the smoothest figures, and 0.003 is a tenth of their interval; 0.02 of a recall
#: are 2 of 115 pictures, and of the quiet ones 3 of 149.
MAY_LOSE = Sight(auroc_normal=0.003, auroc_others=0.003, recall_at_1_percent=0.02, recall=0.02, quiet=0.02, box_ap50=0.02)


class Pictures(CalibrationDataReader):
    """Prepared pictures, one at a time, as ONNX Runtime's calibration asks for them."""

    def __init__(self, rows: Sequence[Row], size: int) -> None:
        """Remember which pictures; they are read as they are asked for."""
        self._all, self._size = rows, size
        self._rows = iter(rows)

    def __len__(self) -> int:
        """Return how many pictures there are, given or not."""
        return len(self._all)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Give those pictures next."""
        self._rows = iter(self._all[start_index:end_index])

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """Return the next picture, None after the last."""
        row = next(self._rows, None)
        if row is None:
            return None
        prepared = prepare(row.path.read_bytes(), size=self._size)
        return {IMAGE: prepared.image[None], WINDOW: prepared.window[None]}


def chosen(rows: Sequence[Row], count: int, seed: int = 0) -> list[Row]:
    """Draw ``count`` pictures of split ``train`` that set the ranges."""
    usable = [row for row in rows if row.split == "train" and row.source not in NOISY_SOURCES]
    order = np.random.default_rng(seed).permutation(len(usable))[:count]
    return [usable[i] for i in order]


def rounded_nodes(model: onnx.ModelProto) -> list[str]:
    """Name what is computed in bytes before the heads: convolutions, their activations, and the sums between them where all are."""
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    nodes = network(model)
    convolutions = [node for node in nodes if node.op_type == "Conv" and not any(head in node.name for head in HEADS)]
    if changes_once(nodes):
        chosen = [node for node in convolutions if weights[node.input[1]][1] != PICTURE_CHANNELS]
        chosen += [node for node in nodes if node.op_type == "Add"]
    else:
        chosen = [node for node in convolutions if _is_wide(weights[node.input[1]])]
    sums = {node.output[0] for node in chosen if node.op_type == "Conv"}
    activations = [node for node in nodes if node.op_type in ACTIVATIONS and node.input[0] in sums]
    return [node.name for node in (*chosen, *activations)]


def network(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the nodes of the network proper, without what decodes its answers."""
    return [node for node in model.graph.node if node.name.startswith(NETWORK)]


def changes_once(nodes: Sequence[onnx.NodeProto]) -> bool:
    """Tell whether a network gains most when all of it is in bytes: one of inverted residuals, which are called ``_blocks``."""
    return any("/_blocks." in node.name for node in nodes)


def _is_wide(weight: Sequence[int]) -> bool:
    """Judge a weight's shape (channels out, channels in each group, rows, columns)."""
    return weight[1] >= WIDE_CHANNELS and tuple(weight[2:]) == (WIDE_KERNEL, WIDE_KERNEL)


def pass_by(model: onnx.ModelProto) -> None:
    """Give each fp32 node the fp32 tensor where there is one, in place, instead of its rounded copy.

    The quantiser sends all users of a tensor through the copy that it made for one of them. That costs accuracy, and ONNX Runtime then
    moves the rounding up through the max pooling, which it does 14 times slower on bytes (3.2 against 0.23 ms).
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    exact = {
        copy.output[0]: rounding.input[0]
        for copy in model.graph.node
        if copy.op_type == "DequantizeLinear"
        and (rounding := makers.get(copy.input[0])) is not None
        and rounding.op_type == "QuantizeLinear"
        and rounding.input[0] in makers
        and not _is_rounded(_before_activation(makers[rounding.input[0]], makers), makers)
    }
    for node in network(model):
        if not _is_rounded(node, makers):
            for position, name in enumerate(node.input):
                node.input[position] = exact.get(name, name)


def _before_activation(node: onnx.NodeProto, makers: Mapping[str, onnx.NodeProto]) -> onnx.NodeProto:
    return makers[node.input[0]] if node.op_type == "Relu" else node


def _is_rounded(node: onnx.NodeProto, makers: Mapping[str, onnx.NodeProto]) -> bool:
    """Tell whether a node is a convolution with int8 weights."""
    return node.op_type == "Conv" and node.input[1] in makers and makers[node.input[1]].op_type == "DequantizeLinear"


def quantise(source: Path, target: Path, pictures: Pictures, percentile: float = RANGE_PERCENTILE) -> None:
    """Write ``source`` as static int8 to ``target``: weights signed for each channel, activations unsigned (what VNNI multiplies).

    The activations' histograms are filled from a few ``pictures`` at a time, by an option that ONNX Runtime named after another
    method, for which it was added.
    """
    a_time = next(size for size in range(min(AT_ONCE, len(pictures)), 0, -1) if len(pictures) % size == 0)
    facts = {one.key: one.value for one in onnx.load(str(source)).metadata_props}
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        folded = Path(folder) / "folded.onnx"
        onnx.save(unpacked(onnx.load(str(source))), str(folded))
        quant_pre_process(str(folded), str(folded), skip_symbolic_shape=True)
        quantize_static(
            str(folded),
            str(target),
            pictures,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            nodes_to_quantize=rounded_nodes(onnx.load(str(folded))),
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": percentile, "CalibStridedMinMax": a_time},
        )
    model = onnx.load(str(target))
    if not changes_once(network(model)):
        pass_by(model)
    onnx.helper.set_model_props(model, {**facts, "name": target.stem, "precision": "int8"})
    onnx.save(model, str(target))


def sight(looked: Sequence[Looked]) -> Sight:
    """Return the figures of the gate over the pictures of split ``val``."""
    scores = np.array([one.answer.frame_score for one in looked])
    label = np.array([one.row.label for one in looked])
    failed, normal = scores[label == "spaghetti"], scores[label == "normal"]
    others = scores[np.isin(label, ["normal", "stringing", "other_defect"])]
    return Sight(
        auroc_normal=auroc(failed, normal),
        auroc_others=auroc(failed, others),
        recall_at_1_percent=recall_above(failed, threshold_at(others, FALSE_ALARMS)),
        recall=recall_above(failed, FIRES),
        quiet=1.0 - recall_above(others, FIRES),
        box_ap50=box_ap50(looked),
    )


def refuse_if_worse(before: Sight, after: Sight, may_lose: Sight = MAY_LOSE) -> None:
    """Raise :class:`NotWorthIt` naming each figure of which ``after`` loses more than ``may_lose`` against ``before``.

    NaN, a figure that val has no pictures for, proves nothing and is refused too.
    """
    old, new, limit = asdict(before), asdict(after), asdict(may_lose)
    lost = [
        f"{name} falls from {old[name]:.3f} to {new[name]:.3f} (by at most {limit[name]})"
        for name in old
        if not old[name] - new[name] <= limit[name]
    ]
    if lost:
        raise NotWorthIt(f"int8 sees too little, nothing was written: {'; '.join(lost)}")


def milliseconds(detectors: dict[str, OnnxDetector], row: Row) -> dict[str, float]:
    """Return the best time of each detector for one picture on one thread, measured in turns."""
    prepared = prepare(row.path.read_bytes(), size=next(iter(detectors.values())).input_size)
    works: dict[str, Callable[[], object]] = {name: partial(one.look, prepared) for name, one in detectors.items()}
    return {name: round(timing.best_ms, 2) for name, timing in measure(works, TIMING_S).items()}


@click.command()
@click.argument("model", type=options.EXISTING_FILE)
@options.data
@click.option("--out", type=options.NEW_FILE, required=True, help="The int8 file; written only if the gate lets it pass.")
@click.option("--pictures", default=CALIBRATION_PICTURES, show_default=True, help="Pictures of split train that set the ranges.")
@click.option(
    "--percentile",
    type=click.FloatRange(90.0, 100.0),
    default=RANGE_PERCENTILE,
    show_default=True,
    help="Share of an activation's values that its range holds.",
)
def command(model: Path, data: Path, out: Path, pictures: int, percentile: float) -> None:
    """Quantise MODEL to int8 behind a measured gate: prints both files' figures and, last, one JSON document."""
    plain = OnnxDetector(model)
    if wrong := misnamed(out, plain.input_size):
        raise click.ClickException(wrong)
    rows = read(data)
    val = [row for row in rows if row.split == "val" and row.source not in NOISY_SOURCES]
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        draft = Path(folder) / out.name
        quantise(model, draft, Pictures(chosen(rows, pictures), plain.input_size), percentile)
        small = OnnxDetector(draft)
        before, after = sight(look(plain, val)), sight(look(small, val))
        times = milliseconds({"fp32": plain, "int8": small}, val[0])
        _print_both(before, after)
        try:
            refuse_if_worse(before, after)
        except NotWorthIt as refused:
            raise click.ClickException(str(refused)) from refused
        if draft.stat().st_size > MAX_BYTES:
            raise click.ClickException(f"{out.name} has {draft.stat().st_size:,} bytes; at most {MAX_BYTES:,} are shipped")
        put_in_place(draft, out)
    click.echo(json.dumps({"model": out.name, "fp32": asdict(before), "int8": asdict(after), "best_ms": times}))


def _print_both(before: Sight, after: Sight) -> None:
    click.echo(f"{'on val':24}{'fp32':>8}{'int8':>8}{'may lose':>10}")
    for name, value in asdict(before).items():
        click.echo(f"{name:24}{value:8.3f}{asdict(after)[name]:8.3f}{asdict(MAY_LOSE)[name]:10.3f}")


if __name__ == "__main__":
    command()

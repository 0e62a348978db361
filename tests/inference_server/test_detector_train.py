"""Training reads the data as its README says, is the same for the same seed, and goes on after a stop."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, replace

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from inference_server.detector import (  # noqa: E402
    ablate,
    blend,
    calibrate,
    compare,
    evaluate,
    export,
    probe,
    pseudo,
    quantise,
    unfold,
)
from inference_server.detector import train as train_module  # noqa: E402
from inference_server.detector.calibrate import fit  # noqa: E402
from inference_server.detector.dataset import Mix, PseudoLabel, Recipe, Scenes, targets  # noqa: E402
from inference_server.detector.export import load  # noqa: E402
from inference_server.detector.labels import lesson, read, sampling_weights, tangles, trainable  # noqa: E402
from inference_server.detector.model import Detector, Served  # noqa: E402
from inference_server.detector.provenance import made_of, refuse_another_run  # noqa: E402
from inference_server.detector.scene import annotated  # noqa: E402
from inference_server.detector.strands import draw_tangle  # noqa: E402
from inference_server.detector.textures import draw_texture  # noqa: E402
from inference_server.detector.train import Config, done, learning_rate, refuse_shared_clusters, train  # noqa: E402
from inference_server.model_files import default_model  # noqa: E402
from inference_server.onnx_detector import OnnxDetector  # noqa: E402
from inference_server.pixels import prepare  # noqa: E402
from inference_server.scene import Scene  # noqa: E402

#: A run of two steps, the same on every machine.
SHORT = Config(recipe=Recipe(size=64), steps=2, batch=4, warm_up=1, check_every=2, loaders=0, bf16=False)

LABELS = ("spaghetti", "normal", "stringing", "other_defect", "fail")
SPLITS = {"train": 4, "val": 2, "unlabelled": 2, "eval_only": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Make a small data folder in the format of the real one, with rendered tangles."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    lines = []
    for split, count in SPLITS.items():
        for label in LABELS if split != "unlabelled" else ("unknown",):
            for number in range(count):
                name = f"{split}_{label}_{number}"
                image = np.full((96, 128, 3), int(rng.integers(40, 200)), np.uint8)
                failed = label in ("spaghetti", "fail")
                if failed:
                    draw_tangle(rng, image, (30, 20, 90, 70))
                cv2.imwrite(str(folder / f"{name}.jpg"), image)
                lines.append(
                    {
                        "id": name,
                        "file": f"{name}.jpg",
                        "source": "made",
                        "licence": "none",
                        "label": label,
                        "boxes": None if label == "unknown" else [[0.23, 0.2, 0.7, 0.73]] if failed else [],
                        "group": f"made:{name}",
                        "cluster": f"c_{name}",
                        "split": split,
                    }
                )
    (folder / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_only_the_training_split_is_trained_on(data):
    """No row of val, eval_only or of the unlabelled split is in any bucket, whoever passes them."""
    rows = read(data)
    scenes = Scenes(rows, Recipe(size=64), 10)
    used = {row.split for bucket in scenes._buckets.values() for row in bucket.rows}
    assert used == {"train"} and {row.split for row in trainable(rows)} == {"train"}


@pytest.mark.parametrize("taught", ["train", "unlabelled"])
@pytest.mark.parametrize("measured", ["val", "eval_only"])
def test_no_cluster_is_on_both_sides(data, tmp_path, taught, measured):
    """Nothing is trained where a copy of a picture that teaches chooses or measures; the sentence names the cluster."""
    lines = [json.loads(line) for line in (data / "labels.jsonl").read_text().splitlines()]
    next(line for line in lines if line["split"] == measured)["cluster"] = next(
        line["cluster"] for line in lines if line["split"] == taught
    )
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(click.ClickException, match=f"cut 1 clusters, such as c_{taught}_"):
        train(tmp_path, tmp_path / "run", SHORT)


def test_copies_on_one_side_are_no_matter(data):
    """A cluster within train, or within what measures, is what clusters are for."""
    rows = read(data)
    sides = {"train": "taught", "unlabelled": "taught", "val": "measured", "eval_only": "measured"}
    refuse_shared_clusters([replace(row, cluster=sides[row.split]) for row in rows])


def test_unlabelled_pictures_teach_only_what_a_network_was_sure_of(data):
    """Only rows of the unlabelled split that have a pseudo-label are used, even when others are named."""
    pseudo = {
        "unlabelled_unknown_0": PseudoLabel(0.02, np.zeros((0, 4), np.float32)),
        "val_normal_0": PseudoLabel(0.0, np.zeros((0, 4), np.float32)),
    }
    scenes = Scenes(read(data), Recipe(size=64, mix=Mix(pseudo=1.0)), 10, pseudo)
    assert [row.id for row in scenes._buckets["pseudo_good"].rows] == ["unlabelled_unknown_0"]


def test_a_scene_is_the_same_for_the_same_seed(data):
    """Index and seed decide a scene, not the order in which scenes are asked for."""
    first, second = (Scenes(read(data), Recipe(size=64, seed=3), 20) for _ in range(2))
    second[5]
    for name, value in first[4].items():
        assert np.array_equal(value, second[4][name]), name
    other = Scenes(read(data), Recipe(size=64, seed=4), 20)
    assert not np.array_equal(first[4]["image"], other[4]["image"])


def test_targets_say_what_the_scene_shows(data):
    """Each scene has the shapes the losses expect; a peak of 1 exists exactly where there is a box."""
    scenes = Scenes(read(data), Recipe(size=64), 60)
    failed = 0
    for index in range(60):
        sample = scenes[index]
        assert sample["image"].shape == (3, 64, 64) and sample["peaks"].shape == (1, 8, 8) and sample["mask"].shape == (1, 4, 4)
        assert np.isfinite(sample["sides"]).all() and 0 <= sample["frame"][0] <= 1
        if sample["frame"][0] == 0:
            assert sample["peaks"].max() == 0 and sample["mask"].max() == 0
        failed += sample["peaks"].max() == 1
    assert 15 <= failed <= 50


def test_a_picture_without_a_printer_is_good(data):
    """Drawn textures are the same for the same seed, differ from each other, and show no tangle."""
    scenes = Scenes(read(data), Recipe(size=64, mix=Mix(*[0.0] * 8, texture=1.0)), 3)
    pictures = [draw_texture(np.random.default_rng(seed), 64) for seed in (1, 1, 2)]
    assert np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[0], pictures[2])
    for index in range(3):
        sample = scenes[index]
        assert sample["frame"][0] == 0 and sample["mask"].max() == 0 and sample["image"].std() > 3


@pytest.mark.parametrize(
    ("label", "frame"), [("spaghetti", 1.0), ("fail", 0.8), ("stringing", 0.0), ("other_defect", 0.0), ("normal", 0.0)]
)
def test_each_label_teaches_what_the_readme_of_the_data_says(data, label, frame):
    """Stringing and other defects are no spaghetti; fail is probably some."""
    assert lesson(next(row for row in read(data) if row.label == label)).frame == frame


def test_unknown_is_not_normal(data):
    """A picture that nobody labelled teaches nothing."""
    with pytest.raises(KeyError):
        lesson(next(row for row in read(data) if row.label == "unknown"))


def test_copies_of_one_picture_count_little_more_than_one(data):
    """A cluster of eight copies is drawn far less than eight times as often as a single picture."""
    row = read(data)[0]
    rows = [row] + [replace(row, cluster="copies") for _ in range(8)]
    weights = sampling_weights(rows)
    assert weights.sum() == pytest.approx(1) and weights[1:].sum() < 2.5 * weights[0]


def test_a_large_collection_does_not_drown_the_small_ones(data):
    """One with fifteen times as many pictures is drawn about five times as often, so that its bed is not what a good print is."""
    row = read(data)[0]
    rows = [
        replace(row, source=source, cluster=f"{source}{n}")
        for source, count in (("large", 60), ("small", 4))
        for n in range(count)
    ]
    weights = sampling_weights(rows)
    assert weights.sum() == pytest.approx(1)
    assert 4 < weights[:60].sum() / weights[60:].sum() < 6


def test_boxes_of_doubtful_labels_teach_less(data):
    """What is not sure of the whole frame is not sure of its places either; pictures of a noisy collection are trusted least."""
    rows = {row.label: row for row in read(data)}
    sure, fail = lesson(rows["spaghetti"]), lesson(rows["fail"])
    noisy = lesson(replace(rows["spaghetti"], source="fd1"))
    scene = annotated(np.zeros((64, 64, 3), np.uint8), *[np.array([[8, 8, 40, 40]], np.float32)] * 2, partial=False)
    certain, doubtful = targets(scene, sure), targets(scene, fail)
    assert sure.places == 1.0 and fail.places == noisy.places == pytest.approx(0.4)
    for name in ("peaks_known", "sides_weight", "mask_known"):
        assert certain[name].max() == 1.0
        assert np.allclose(doubtful[name], 0.4 * certain[name])
    for name in ("peaks", "sides", "mask"):
        assert np.array_equal(doubtful[name], certain[name])


def test_things_that_are_no_tangle_are_drawn_over_real_tangles_too(data):
    """What they hide of a tangle is not known any more, and most of each tangle stays in sight."""
    recipe = Recipe(
        size=96, mix=Mix(boxed=1.0, **dict.fromkeys(set(Mix.__dataclass_fields__) - {"boxed"}, 0.0)), cameras=False, patches=0.0
    )
    hidden = 0
    for seed in range(40):
        bare, drawn = (
            Scenes(read(data), replace(recipe, distractors=share), 1).scene(np.random.default_rng(seed))[0]
            for share in (0.0, 1.0)
        )
        assert np.array_equal(bare.tangle, drawn.tangle)
        covered = (drawn.tangle > 0) & (bare.image != drawn.image).any(-1)
        assert not drawn.known[covered].any()
        assert np.count_nonzero(covered) <= 0.4 * np.count_nonzero(drawn.tangle)
        hidden += covered.any()
    assert hidden > 5


def test_pictures_without_boxes_have_no_tangles(data):
    """Boxes that nobody drew are no boxes, not an error."""
    assert tangles(next(row for row in read(data) if row.boxes is None)).shape == (0, 4)


def test_a_folder_without_labels_is_named(tmp_path):
    """The sentence says which option to change."""
    with pytest.raises(FileNotFoundError, match="--data"):
        read(tmp_path)


def test_the_rate_warms_up_and_falls():
    """The learning rate rises to its full height and ends near nothing."""
    config = Config(steps=1000, warm_up=100)
    rates = [learning_rate(step, 0.0, config) for step in range(1001)]
    assert rates[0] < 0.02 and max(rates) == pytest.approx(1.0) and rates[-1] == pytest.approx(0.01)


def test_a_run_of_minutes_falls_by_the_clock():
    """On a machine of unknown speed the rate depends on the time that went by, and ends near nothing however few the steps were."""
    config = Config(steps=1_000_000, warm_up=10, minutes=10)
    assert learning_rate(5, 0.0, config) == pytest.approx(0.6)
    assert learning_rate(100, 300.0, config) == learning_rate(900, 300.0, config) == pytest.approx(0.505)
    assert learning_rate(100, 600.0, config) == pytest.approx(0.01)
    assert done(100, 300.0, config) == pytest.approx(0.5) and done(100, 600.0, config) == 1.0
    assert done(1_000_000, 60.0, config) == 1.0


def test_calibration_makes_one_half_mean_one_half():
    """Logits that are twice too large and shifted are brought back."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 4000)
    failed = rng.random(4000) < 1 / (1 + np.exp(-truth))
    found = fit(truth * 2 + 1, failed)
    assert found.frame_scale == pytest.approx(0.5, abs=0.08) and found.frame_shift == pytest.approx(-0.5, abs=0.15)


def test_a_run_of_minutes_ends_by_itself(data, tmp_path):
    """When the time is up there is one last check and a checkpoint, long before the steps are used up."""
    config = Config(
        recipe=Recipe(size=64), steps=10_000, minutes=0.005, batch=4, warm_up=1, check_every=5_000, loaders=0, bf16=False
    )
    train(data, tmp_path / "run", config)
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert saved["step"] < 10_000 and saved["seconds"] >= 0.0
    train(data, tmp_path / "run", config)
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["step"] == saved["step"]


def test_frozen_blocks_stay_as_they_came(data, tmp_path):
    """Weights and statistics of the stem and the first blocks do not move, those behind them do."""
    config = Config(
        recipe=Recipe(size=64), steps=2, batch=4, warm_up=1, check_every=2, loaders=0, bf16=False, frozen=3, backbone="lite0"
    )
    torch.manual_seed(7)
    given = Detector(config.backbone, config.width)
    torch.save({"weights": given.state_dict()}, tmp_path / "given.pt")
    train(data, tmp_path / "run", config, init=tmp_path / "given.pt")
    live = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["live"]
    moved = {name for name, value in given.state_dict().items() if not torch.equal(value, live[name])}
    early = ("backbone._conv_stem", "backbone._bn0", *(f"backbone._blocks.{number}." for number in range(3)))
    assert not [name for name in moved if name.startswith(early)]
    assert {"backbone._blocks.3._project_conv.weight", "backbone._blocks.3._bn2.running_mean"} <= moved


def test_only_lite_backbones_can_be_frozen(data, tmp_path):
    """Any other is refused in words before a step is made."""
    with pytest.raises(click.UsageError, match="lite"):
        train(data, tmp_path / "run", Config(backbone="shuffle", recipe=Recipe(size=64), steps=1, frozen=1))


def test_training_runs_stops_and_goes_on(data, tmp_path):
    """A few steps leave a run folder; the same call with more steps resumes; the result calibrates and loads."""
    train(data, tmp_path / "run", SHORT)
    train(data, tmp_path / "run", replace(SHORT, steps=4))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data_sha256"]
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000
    last, best = (torch.load(tmp_path / "run" / name, weights_only=True)["weights"] for name in ("last.pt", "best.pt"))
    mixed = blend.blend([tmp_path / "run" / "last.pt", tmp_path / "run" / "best.pt"])["weights"]
    name = "peak_head.weight"
    assert torch.allclose(mixed[name], (last[name] + best[name]) / 2)
    found = calibrate.calibrate(tmp_path / "run" / "best.pt", data, size=64)
    detector, calibration, _ = load(tmp_path / "run" / "best.pt")
    assert calibration == found and not detector.training


class Killed(Exception):
    """Ends a run from outside, right after it has saved itself."""


def kill(_run):
    raise Killed


def test_a_run_that_was_stopped_ends_where_one_that_was_not_ends(data, tmp_path, monkeypatch):
    """Two steps, a stop and two more give the weights of four, live and averaged, to the last bit; dropout goes on too."""
    config = replace(SHORT, steps=4)
    train(data, tmp_path / "whole", config)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr("inference_server.detector.train.draw_curves", kill)
        train(data, tmp_path / "stopped", config)
    assert torch.load(tmp_path / "stopped" / "last.pt", weights_only=True)["step"] == 2
    train(data, tmp_path / "stopped", config)
    whole, stopped = (torch.load(tmp_path / run / "last.pt", weights_only=True) for run in ("whole", "stopped"))
    assert whole["step"] == stopped["step"] == 4
    for kind in ("live", "weights"):
        apart = [name for name, value in whole[kind].items() if not torch.equal(value, stopped[kind][name])]
        assert not apart, f"{kind}: {len(apart)} tensors differ, such as {apart[0]}"


@pytest.fixture(scope="module")
def begun(data, tmp_path_factory):
    """Return the folder of a run of two steps, and what it was begun with: weights to start from, and a pseudo-label."""
    folder = tmp_path_factory.mktemp("begun")
    torch.manual_seed(7)
    torch.save({"weights": Detector().state_dict()}, folder / "given.pt")
    (folder / "pseudo.jsonl").write_text(json.dumps({"id": "unlabelled_unknown_0", "frame": 0.05, "boxes": []}) + "\n")
    files = {"init": folder / "given.pt", "pseudo": folder / "pseudo.jsonl"}
    train(data, folder / "run", SHORT, **files)
    return folder / "run", files


def test_a_run_says_which_files_it_was_made_of(data, begun):
    """Their names and their sha256 are in config.json and in both checkpoints; none is said as none."""
    run, files = begun
    kept = [torch.load(run / name, weights_only=True) for name in ("last.pt", "best.pt")]
    for facts in (json.loads((run / "config.json").read_text()), *kept):
        for what, file in files.items():
            assert facts[what] == file.name
            assert facts[f"{what}_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert made_of({}, data, None, None)["init_sha256"] is None


def assert_refused(run, said, *asked):
    """Hold that a run asked to go on with ``asked`` refuses in words and leaves config.json as it was."""
    before = (run / "config.json").read_bytes()
    with pytest.raises(click.UsageError, match=f"begun with other settings: {said}.* --run"):
        train(*asked)
    assert (run / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": Recipe(size=64, seed=1)}, "seed was 0 and is 1"),
        ({"recipe": Recipe(size=96)}, "size was 64 and is 96"),
        ({"recipe": Recipe(size=64, mix=Mix(pseudo=0.2))}, "mix.pseudo was 0.0 and is 0.2"),
        ({"backbone_rate": 0.1}, "backbone_rate was 0.5 and is 0.1"),
        ({"bf16": True}, "bf16 was False and is True"),
        ({"batch": 8}, "batch was 4 and is 8"),
    ],
)
def test_a_run_goes_on_only_with_its_own_knobs(data, begun, change, said):
    """Another is refused by name, where Adam would have kept the old one and config.json said the new one."""
    run, files = begun
    assert_refused(run, said, data, run, replace(SHORT, **change), files["init"], files["pseudo"])


def test_a_run_goes_on_only_with_its_own_files(data, begun, tmp_path):
    """Other pictures, other weights to start from, other pseudo-labels, or none: each is told by its sha256."""
    run, files = begun
    (tmp_path / "labels.jsonl").write_text((data / "labels.jsonl").read_text() + "\n")
    (tmp_path / "pseudo.jsonl").write_text("")
    own = files["init"], files["pseudo"]
    a_file = r"the file \w{12}\.\.\."
    assert_refused(run, f"data was {a_file} and is {a_file}", tmp_path, run, SHORT, *own)
    assert_refused(run, f"init was {a_file} and is no file", data, run, SHORT, None, own[1])
    assert_refused(run, f"pseudo was {a_file} and is {a_file}", data, run, SHORT, own[0], tmp_path / "pseudo.jsonl")


def test_a_run_may_go_on_for_longer_on_another_machine(data, begun, tmp_path):
    """Its length, its share of the machine and the names of its files are no part of what it is."""
    run, files = begun
    renamed = tmp_path / "renamed.pt"
    shutil.copy(files["init"], renamed)
    shutil.copytree(run, tmp_path / "run")
    longer = replace(SHORT, steps=3, minutes=5.0, check_every=3)
    wider = replace(longer, threads=8, loaders=4)
    refuse_another_run(run, *(made_of(asdict(config), data, *files.values()) for config in (SHORT, wider)))
    train(data, tmp_path / "run", longer, renamed, files["pseudo"])
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["step"] == 3


def test_an_older_run_goes_on(data, begun, tmp_path):
    """What it did not write down is not asked for: hashes, the state of the chance, newer knobs, and a recipe around some of them."""
    run, files = begun
    shutil.copytree(run, tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    recipe = saved["config"].pop("recipe")
    saved["config"] |= {"size": recipe["size"], "seed": recipe["seed"], "mix": {"boxed": recipe["mix"]["boxed"]}}
    for newer in ("served", "frozen", "backbone_rate"):
        del saved["config"][newer]
    for newer in ("init_sha256", "pseudo", "pseudo_sha256", "generator"):
        del saved[newer]
    torch.save(saved, tmp_path / "run" / "last.pt")
    with pytest.raises(click.UsageError, match="seed was 0 and is 1"):
        train(data, tmp_path / "run", replace(SHORT, recipe=Recipe(size=64, seed=1)))
    train(data, tmp_path / "run", replace(SHORT, steps=3), **files)
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["step"] == 3


@pytest.mark.parametrize("size", ["0", "100", "-32"])
@pytest.mark.parametrize("asked", [[train_module.command, "--run", "run"], [ablate.command, "--init", __file__, "--out", "out"]])
def test_a_side_that_cannot_be_halved_five_times_is_refused(data, asked, size):
    """By the option, before anything is read or written."""
    verb, *needed = asked
    result = CliRunner().invoke(verb, ["--data", str(data), *needed, "--size", size])
    assert result.exit_code == 2 and f"{size} is not a multiple of 32." in result.output


@pytest.mark.parametrize("module", [ablate, blend, calibrate, compare, evaluate, export, probe, pseudo, quantise, train_module])
def test_each_option_is_explained(module):
    """No command of training leaves an option without a sentence, and one of them says what a share is a share of."""
    assert not [one.name for one in module.command.params if isinstance(one, click.Option) and not one.help]
    shares = [one.help for one in module.command.params if one.name == "pseudo_share"]
    assert all("against 1.02" in text for text in shares)


def test_the_shipped_detector_can_be_trained_on(tmp_path, data):
    """Its file alone is enough: the checkpoint made of it gives a rendered failed print the same score."""
    model, out = default_model(), tmp_path / "again.pt"
    given = [str(model), "--detector", "base", "--data", str(data), "--scenes", "4", "--out", str(out)]
    ended = CliRunner().invoke(unfold.command, given)
    assert ended.exit_code == 0, ended.output
    detector, calibration, saved = load(out)
    assert saved["init"] == model.name
    shipped = OnnxDetector(model)
    seen = prepare(Scene(1, frames=60, failure_at=20).jpeg(55), size=shipped.input_size)
    with torch.no_grad():
        served = Served(detector, calibration, shipped.input_size).eval()
        score = served(torch.from_numpy(seen.image)[None], torch.tensor([[0.0, 0.0, 1.0, 1.0]]))[3].item()
    assert score > 0.5 and score == pytest.approx(shipped.look(seen).frame_score, abs=2e-3)


@pytest.mark.parametrize(
    ("size", "given", "said"), [("base", "nano", "of another network"), ("nano", "nano", "keeps no names of its weights")]
)
def test_a_file_that_cannot_be_unfolded_is_refused(tmp_path, data, size, given, said):
    """The sentence says why, and nothing is written."""
    out = tmp_path / "again.pt"
    command = [str(default_model(size=size)), "--detector", given, "--data", str(data), "--scenes", "4", "--out", str(out)]
    ended = CliRunner().invoke(unfold.command, command)
    assert ended.exit_code == 1 and said in ended.output and not out.exists()

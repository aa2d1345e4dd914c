"""Benchmarks at tiny sizes: results are equal, differences are reported, ratios are right."""

import importlib
import json
from dataclasses import replace

import pytest
import torch
from benchmarks import __main__ as command
from benchmarks import ar_cases, cases, io_cases, measure, report, resampler_cases
from benchmarks.case import OURS, PRODUCTS, Contender
from benchmarks.peers import ours, resamplers
from torch.utils.flop_counter import FlopCounterMode

from perceivers.modalities import ImageConfig
from perceivers.models.config import KerasExampleConfig, ModelConfig

TINY = {"image_size": 8, "num_latents": 4, "dim": 16, "depth": 3, "batch": 2}
HARDWARE = {"cpu": "AMD EPYC", "cpus": 2, "python": "3"}
PROVENANCE = {"date": "", "commit": "", "load": 0.0, "command": "", "hardware": HARDWARE}


def build_wrong(case):
    """Return a step of our model with one weight changed."""
    model = ours.seeded(case)
    with torch.no_grad():
        model.perceiver.blocks[0][0].attention.to_v.weight[0, 0] += 0.1
    x, _ = ours.batch(case)
    return ours.torch_step(case, model, x, model.perceiver.latents, model.parameters())


def run(case, repeats=2):
    outcome = measure.run_case(case, repeats=repeats, threads=1, progress=lambda text: None)
    return PROVENANCE | outcome


@pytest.mark.slow
def test_case_end_to_end(tmp_path):
    pytest.importorskip("perceiver_pytorch")
    outcome = run(cases.large_input_train(**TINY))
    assert outcome["why_failed"] == ""
    theirs = outcome["contenders"]["perceiver-pytorch"]
    assert theirs["status"] == "ok"
    assert set(theirs["differences"]) == {"loss", "gradient of the latents"}
    assert max(theirs["differences"].values()) < 1e-5
    for entry in outcome["contenders"].values():
        assert len(entry["seconds"]) == 2
        assert min(entry["seconds"]) > 0
        assert entry["memory"] > 0
        assert entry["flops"] > 0
    page = report.write({"large-input-train": outcome}, tmp_path, "here")
    assert page.name == "bench-here.md"
    assert "| perceiver-pytorch |" in page.read_text()
    # A second case is added to the report; the first stays.
    report.write({"other": outcome}, tmp_path, "here")
    assert list(json.loads((tmp_path / "bench-here.json").read_text())) == [
        "large-input-train",
        "other",
    ]


def test_wrong_missing_and_broken_contenders_are_reported(tmp_path):
    case = cases.large_input_train(**TINY)
    missing = Contender("absent", packages=("no-such-package",), install="how to get it")
    wrong = Contender("wrong", f"{__name__}:build_wrong")
    broken = Contender("broken", "benchmarks.peers.no_such_file:build")
    contenders = (OURS, wrong, missing, broken)
    outcome = run(replace(case, contenders=contenders))
    assert "wrong differs from ours by" in outcome["why_failed"]
    assert all(entry["seconds"] == [] for entry in outcome["contenders"].values())
    assert outcome["contenders"]["absent"]["status"] == "not installed"
    assert outcome["contenders"]["broken"]["status"] == "failed"
    text = report.write({case.name: outcome}, tmp_path, "here").read_text()
    assert "Failed, not timed" in text
    assert "absent: not installed" in text
    assert "how to get it" in text
    assert "no_such_file" in text


@pytest.mark.parametrize(
    ("name", "build"), [("scaling", ours.build_image), ("scaling-sequence", ours.build_sequence)]
)
def test_scaling_cases_read_streams_and_are_plotted(tmp_path, name, build):
    case = cases.SCALING[name]((100, 225), num_latents=4, dim=16, layers=1)
    assert case.name == name
    contenders = {}
    for contender in case.contenders:
        step = build(case, **contender.options)
        assert step()["latents"].shape == (1, 4, 16)
        contenders[contender.name] = measure.describe(case, contender) | {
            "seconds": [float(contender.options["elements"])],
            "memory": 10**6,
        }
    small, large = contenders.values()
    assert large["flops"] > small["flops"]
    outcome = {"title": "", "remark": "", "why_failed": "", "threads": 1, "peak_seconds": [1.0]}
    outcome |= PROVENANCE | {"contenders": contenders}
    page = report.write({name: outcome}, tmp_path, "here")
    assert page.with_suffix(".png").stat().st_size > 1000
    assert "Time grows as M^1.00" in page.read_text()


def tiny_keras():
    image = ImageConfig(
        image_size=8, projection_dim=16, position="learned", position_dim=16, fusion="add"
    )
    return KerasExampleConfig(
        num_classes=5, input=image, num_latents=4, latent_dim=16, self_qk_dim=32, head_dim=8
    )


def tiny_deepmind():
    return ModelConfig(
        num_latents=4,
        latent_dim=32,
        qk_dim=261,  # transformers always uses the width of the inputs
        cross_order=(0, None),
        block_order=(0, 0),
        num_layers_per_block=2,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        cases.paper_like_train(**TINY),
        cases.keras_train(tiny_keras(), batch=2),
        cases.deepmind_inference(8, tiny_deepmind()),
        cases.krasserm(**TINY),
        cases.latent(num_latents=4, dim=16, layers=2),
        resampler_cases.ip_adapter(20, dim=16, heads=2, input_dim=12, depth=2),
        resampler_cases.idefics2(20, dim=16, heads=4, depth=2),
        ar_cases.ar_generate(6, 4, dim=64, heads=1, depth=2),
    ],
    ids=lambda case: case.name,
)
def test_every_peer_gives_our_results(case):
    outcome = run(case, repeats=1)
    assert outcome["why_failed"] == ""
    for name, entry in outcome["contenders"].items():
        assert entry["status"] in ("ok", "not installed"), f"{name}: {entry['why']}"


@pytest.mark.parametrize("enough", [0, 2**25], ids=["onednn", "small"])
@pytest.mark.parametrize(
    "case",
    [
        resampler_cases.ip_adapter(20, dim=16, heads=2, input_dim=12, depth=2),
        cases.latent(num_latents=4, dim=16, layers=2),
    ],
    ids=["inference", "training"],
)
def test_products_alone_have_all_flops_of_our_step(case, enough, monkeypatch):
    monkeypatch.setattr("perceivers.core.linear.ENOUGH", enough)
    seeded = resamplers.seeded  # FLOPs cannot be counted in inference mode
    monkeypatch.setattr(resamplers, "seeded", lambda case: seeded(case).requires_grad_(False))
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)
    counts = []
    for build in (case.contenders[0].build, PRODUCTS.build):
        module, _, name = build.partition(":")
        step = getattr(importlib.import_module(module), name)(case)
        with FlopCounterMode(display=False) as counter:
            step()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_relative_difference():
    x = torch.tensor([1.0, -4.0]).numpy()
    assert measure.relative_difference(x, x + 1) == 0.25
    assert measure.relative_difference(x, x[:1]) == float("inf")
    assert measure.relative_difference(x, x * float("nan")) == float("inf")


def test_ratios_and_exponents_of_given_times():
    # Ratios are taken within a round, because a machine that slows down for a while slows both.
    assert report.ratios([1.0, 10.0, 2.0], [2.0, 30.0, 8.0]) == (3.0, 2.5, 3.5)
    entries = [
        {"options": {"elements": m}, "seconds": [t]} for m, t in ((10, 1), (100, 10), (1000, 1000))
    ]
    fitted, last = report.exponents(entries)
    assert fitted == pytest.approx(1.5)
    assert last == pytest.approx(2.0)


def test_contenders_of_the_same_input_have_a_ratio_whatever_their_options():
    entry = {"status": "ok", "seconds": [1.0, 2.0], "memory": 10, "flops": 1.0}
    timed = {
        "perceivers": entry | {"options": {"library": False}},
        "transformers": entry | {"options": {"library": True}, "seconds": [3.0, 6.0]},
        "M = 100": entry | {"options": {"elements": 100}},
    }
    rows = report._table(timed, [1.0])
    assert "**3.00** (3.00–3.00)" in rows[3]
    assert "**" not in rows[4]  # another size of the input is no rival


def test_slug_of_machines():
    assert report.slug({"cpu": "AMD EPYC", "cpus": 2}) == "2-cpu-amd-epyc"
    model = "Intel(R) Xeon(R) Platinum 8488C CPU @ 2.40GHz"
    assert report.slug({"cpu": model, "cpus": 8}) == "8-cpu-intel-xeon-platinum-8488c"


def test_command_line(monkeypatch, tmp_path, capsys):
    calls = []

    def run_case(case, **options):
        calls.append((case, options))
        return {**run_case.outcome, "why_failed": case.name if case.name == "latent" else ""}

    run_case.outcome = {"title": "", "remark": "", "threads": 1, "contenders": {}}
    monkeypatch.setattr(measure, "run_case", run_case)
    out = ["--out", str(tmp_path), "--name", "here"]
    assert command.main(["scaling", "--quick", "--elements", "1e8", *out]) == 0
    case, options = calls[0]
    assert [c.options["elements"] for c in case.contenders] == [10**4, 10**5, 10**6, 10**8]
    assert options["repeats"] == 3
    assert command.main(["latent", *out]) == 1
    assert calls[1][1]["repeats"] == 10
    with pytest.raises(SystemExit):
        command.main(["no-such-case", *out])
    assert "expected one or more of" in capsys.readouterr().err


@pytest.mark.slow
def test_all_outputs_of_a_film_are_what_transformers_gives():
    config = io_cases.io_multimodal().config
    parts = config.input.parts
    inputs = {
        "audio": replace(parts["audio"], num_samples=64, max_resolution=64.0),
        "video": replace(parts["video"], num_frames=2, seconds=0.08, image_size=8),
        "label": replace(parts["label"], num_classes=3),
    }
    outputs = {
        "audio": replace(config.output.parts["audio"], num_samples=64),
        "video": replace(
            config.output.parts["video"],
            num_frames=2,
            image_size=8,
            max_resolution=(2.0, 2.0, 2.0),
        ),
        "label": replace(config.output.parts["label"], num_classes=3),
    }
    small = replace(
        config,
        input=replace(config.input, parts=inputs),
        output=replace(config.output, parts=outputs, decoded_dim=6),
        num_latents=4,
        latent_dim=16,
        num_layers_per_block=1,
        num_self_heads=2,
        qk_dim=16 + 2 * 192 + 1 + 4,  # as wide as the inputs, sound and its embedding
    )
    outcome = run(io_cases.io_multimodal(small, chunks=4), repeats=1)
    assert outcome["why_failed"] == ""
    for entry in outcome["contenders"].values():
        assert entry["status"] == "ok", entry
        assert max(entry.get("differences", {}).values(), default=0.0) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in io_cases.CASES if name != "io-multimodal"])
def test_published_models_give_what_transformers_gives(name):
    sizes = {"num_latents": 4, "latent_dim": 16, "num_layers_per_block": 1, "num_self_heads": 2}
    config = io_cases.CASES[name]().config
    inputs = {
        "io-fourier": {},
        "io-flow": {"height": 6, "width": 8},
    }.get(name, {"max_length": 8, "embedding_dim": 16})
    if name == "io-flow":
        sizes["qk_dim"] = 322  # as wide as the inputs, as the library's decoder is in this class
    if "language" in name:
        sizes |= {"num_cross_heads": 2, "qk_dim": 8, "v_dim": 16, "self_qk_dim": 8}
        sizes |= {"self_v_dim": 16, "decoder": replace(config.decoder, v_dim=16)}
    small = replace(config, input=replace(config.input, **inputs), **sizes)
    outcome = run(io_cases.CASES[name](small), repeats=1)
    assert outcome["why_failed"] == ""
    entry = outcome["contenders"]["transformers"]
    assert entry["status"] == "ok", entry
    assert max(entry["differences"].values()) < 1e-4

"""Weights of resamplers: recognition, prefixes, bad state dicts, files, save and load."""

import logging
import os
import pickle

import pytest
import torch
from commands import run
from safetensors.torch import save_file
from torch import nn

import perceivers
from perceivers.interop import from_resampler, minicpm_positions, to_resampler
from perceivers.interop.resampler_layouts import LAYOUTS


def filled(**options):
    torch.manual_seed(0)
    defaults = {"num_latents": 3, "depth": 2, "num_heads": 2, "head_dim": 4}
    model = perceivers.Resampler(12, **{**defaults, **options}).eval()
    for name, parameter in model.named_parameters():
        if not name.endswith("bias") or "norm" in name or "project" in name:
            nn.init.normal_(parameter, std=0.3)
    return model


SIZES = {
    "ip-adapter": {"latent_dim": 8, "output_dim": 5, "project_inputs": True},
    "ip-adapter-diffusers": {"latent_dim": 8, "output_dim": 5, "project_inputs": True},
}


def state_of(library):
    """Return random weights with the names of a library, and a model of ours that has them."""
    model = filled(**LAYOUTS[library].options, **SIZES.get(library, {}))
    return to_resampler(model, library), model


@pytest.mark.parametrize("library", ["flamingo", "idefics", "idefics2", *SIZES, "xtts"])
def test_the_names_of_the_weights_tell_the_library(caplog, library):
    state, model = state_of(library)
    others = {"vision.norm.weight": torch.ones(3), "vision.layers.0.1.0.weight": torch.ones(2)}
    larger = {f"model.a.{name}": tensor for name, tensor in state.items()} | others
    with caplog.at_level(logging.INFO, "perceivers"):
        found = from_resampler(larger, num_heads=2)
    assert f"recognised as the resampler of {LAYOUTS[library].name} at 'model.a.'" in caplog.text
    x = torch.randn(2, 5, 12)
    assert torch.equal(found(x), model(x))
    assert not any(p.data_ptr() == t.data_ptr() for p in found.parameters() for t in state.values())


def test_heads_of_the_published_models_are_said(caplog):
    state = to_resampler(filled(head_dim=64), "flamingo")
    with caplog.at_level(logging.INFO, "perceivers"):
        assert from_resampler(state).options["num_heads"] == 2
    assert "2 heads of 64 channels, as in the published models" in caplog.text
    with pytest.raises(ValueError, match="128 channels, which 3 heads do not divide; give num_he"):
        from_resampler(state, num_heads=3)


def test_all_weights_that_do_not_fit_are_listed():
    state, _ = state_of("idefics2")
    state["layers.1.mlp.down_proj.weight"] = torch.zeros(3, 3)
    del state["layers.0.self_attn.k_proj.weight"], state["norm.weight"]
    state["layers.0.rotary.inv_freq"] = torch.zeros(2)
    with pytest.raises(ValueError, match="look like the resampler of Idefics 2") as error:
        from_resampler(state, num_heads=2)
    message = str(error.value)
    for part in (
        "layers.0.self_attn.k_proj.weight is missing",
        "norm.weight is missing",
        "layers.0.rotary.inv_freq is not part",
    ):
        assert part in message
    state, _ = state_of("xtts")
    state["layers.1.1.2.weight"], state["norm.gamma"] = torch.zeros(3, 3), torch.zeros(7)
    with pytest.raises(ValueError, match=r"norm.gamma has shape \(7,\), expected \(12,\)") as error:
        from_resampler(state, num_heads=2)
    assert "layers.1.1.2.weight has shape (3, 3)" in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_of_something_else_are_refused():
    with pytest.raises(ValueError, match="hold no known resampler; expected that of OpenFlamingo"):
        from_resampler(nn.Linear(3, 4))
    with pytest.raises(ValueError, match="hold no known resampler"):
        from_resampler({})
    state, _ = state_of("flamingo")
    two = {f"{start}.{name}": tensor for start in "ab" for name, tensor in state.items()}
    with pytest.raises(ValueError, match="several resamplers: 'a.' .*'b.' .*give the prefix"):
        from_resampler(two)
    assert from_resampler(two, prefix="b.", num_heads=2).options["depth"] == 2
    with pytest.raises(ValueError, match="resampler at 'c.'; expected prefix=a., prefix=b."):
        from_resampler(two, prefix="c.")
    with pytest.raises(ValueError, match="hold no known resampler at 'c.'; expected that of Open"):
        from_resampler(nn.Linear(3, 4), prefix="c.")


def test_optional_norms_of_heads_are_refused_not_dropped():
    state, _ = state_of("idefics")
    state |= {f"blocks.0.0.q_layer_norm.{name}": torch.ones(4) for name in ("weight", "bias")}
    with pytest.raises(ValueError, match="q_layer_norm.weight is not part of this model"):
        from_resampler(state, num_heads=2)


def test_models_that_a_library_cannot_hold_are_refused():
    model = filled()
    with torch.no_grad():
        model.layers[0].attention.to_q.bias.fill_(1.0)
    with pytest.raises(ValueError, match=r"layers.0.attention.to_q.bias has no counterpart there"):
        to_resampler(model, "flamingo")
    with pytest.raises(ValueError, match="not a resampler of XTTS.*norm='layer', expected 'none'"):
        to_resampler(filled(), "xtts")
    with pytest.raises(
        ValueError, match="self_attention='none', expected 'joint'; eps=0.001, expec"
    ):
        to_resampler(filled(self_attention="none", eps=1e-3), "flamingo")
    with pytest.raises(ValueError, match="unknown library 'idefics3'; did you mean 'idefics"):
        to_resampler(filled(), "idefics3")


def test_positions_of_minicpm_are_those_of_its_code():
    """Sines and cosines of the column, then of the row; from the formula, number by number."""
    table = minicpm_positions(2, 3, 8)[0].view(2, 3, 8)
    for row in range(2):
        for column in range(3):
            waves = [[place * 10000 ** (-k / 2) for k in range(2)] for place in (column, row)]
            expected = [f(torch.tensor(w)) for w in waves for f in (torch.sin, torch.cos)]
            torch.testing.assert_close(table[row, column], torch.cat(expected))
    with pytest.raises(ValueError, match="dim=6; expected a multiple of 4"):
        minicpm_positions(2, 3, 6)


def test_saved_resamplers_load_with_equal_outputs(tmp_path):
    model = filled(**LAYOUTS["idefics2"].options, num_kv_heads=1, num_positions=5)
    perceivers.save(model, tmp_path / "saved")
    loaded = perceivers.load(tmp_path / "saved")
    x = torch.randn(2, 5, 12)
    assert torch.equal(loaded(x), model(x))
    assert loaded.options == model.options
    assert not loaded.training
    perceivers.save(model, tmp_path / "saved")  # again, into its own directory
    config = (tmp_path / "saved" / "config.json").read_text()
    (tmp_path / "saved" / "config.json").write_text(config.replace('"depth": 2', '"depth": 3'))
    with pytest.raises(ValueError, match="does not fit its config.json.*layers.2"):
        perceivers.load(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text(config.replace('"depth"', '"dept"'))
    with pytest.raises(ValueError, match="unknown option of a resampler 'dept'.*'depth'"):
        perceivers.load(tmp_path / "saved")
    with pytest.raises(ValueError, match="got a Resampler, which reads features"):
        perceivers.train(model, tmp_path)


def test_a_resampler_is_not_saved_over_another_model(tmp_path):
    small = {"num_latents": 4, "latent_dim": 8, "num_layers_per_block": 1, "num_self_heads": 1}
    classifier = perceivers.create("perceiver-imagenet", num_classes=2, **small)
    perceivers.save(classifier, tmp_path / "a")
    perceivers.save(filled(), tmp_path / "b")
    for model, directory in ((filled(), "a"), (classifier, "b")):
        with pytest.raises(ValueError, match="holds a model of another kind"):
            perceivers.save(model, tmp_path / directory)


@pytest.mark.parametrize("kind", ["safetensors", "pickle"])
def test_convert_finds_the_resampler_in_a_file(capsys, tmp_path, kind):
    state, model = state_of("ip-adapter")
    if kind == "safetensors":
        named = {f"image_proj.{name}": tensor for name, tensor in state.items()}
        save_file(named | {"unet.bias": torch.zeros(2)}, tmp_path / "weights")
        (tmp_path / "weights").rename(tmp_path / "weights.safetensors")
        path = tmp_path / "weights.safetensors"
    else:  # as IP-Adapter's own files are
        path = tmp_path / "ip-adapter-plus.bin"
        torch.save({"image_proj": state, "ip_adapter": {"1.to_k_ip": torch.zeros(2)}}, path)
    dest = str(tmp_path / "out")
    code, _, err = run(capsys, "convert", str(path), dest, "--arguments", "num_heads=2")
    assert code == 0
    assert "recognised as the resampler of IP-Adapter Plus at 'image_proj.': 3 latents" in err
    x = torch.randn(2, 5, 12)
    torch.testing.assert_close(perceivers.load(dest)(x), model(x))
    code, _, err = run(capsys, "predict", dest, str(path))
    assert code == 1
    assert "holds a resampler, which reads features, not files" in err
    code, _, err = run(capsys, "convert", str(path), dest + "2", "--labels", "a", "b")
    assert code == 1
    assert "labels cannot be set: these are weights of the resampler of IP-Adapter Plus" in err


class Malicious:
    def __reduce__(self):
        return os.system, ("true",)


def test_convert_refuses_code_and_weights_of_something_else(capsys, tmp_path):
    path = tmp_path / "code.bin"
    path.write_bytes(pickle.dumps({"image_proj": Malicious()}))
    code, _, err = run(capsys, "convert", str(path), str(tmp_path / "out"))
    assert code == 1
    assert "holds more than tensors" in err
    save_file({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    code, _, err = run(
        capsys, "convert", str(tmp_path / "other.safetensors"), str(tmp_path / "out")
    )
    assert code == 1
    assert "the weights fc.weight are of no known model; expected those of perceiver-py" in err
    state, _ = state_of("xtts")
    save_file({f"a.{name}": tensor for name, tensor in state.items()}, tmp_path / "a.safetensors")
    code, _, err = run(
        capsys, "convert", str(tmp_path / "a.safetensors"), str(tmp_path / "out"),
        "--arguments", "num_heads=2", "prefix=b.",
    )  # fmt: skip
    assert code == 1
    assert "there is no known resampler at 'b.'; expected prefix=a." in err

"""Models against the real perceiver-pytorch: logits, gradients and export."""

import os
import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from perceiver_pytorch import Perceiver
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from perceivers import checkpoint, create
from perceivers.interop import from_perceiver_pytorch, to_perceiver_pytorch

COMMON = {
    "num_freq_bands": 3,
    "depth": 2,
    "max_freq": 10.0,
    "num_latents": 6,
    "latent_dim": 16,
    "cross_heads": 1,
    "latent_heads": 2,
    "cross_dim_head": 8,
    "latent_dim_head": 4,
    "num_classes": 5,
}
CASES = {
    "1-D": ({"input_axis": 1, "input_channels": 2}, (11,)),
    "1-D without Fourier": (
        {"input_axis": 1, "input_channels": 7, "fourier_encode_data": False},
        (13,),
    ),
    "1-D masked": ({"input_axis": 1, "input_channels": 3}, (12,)),
    "1-D without Fourier masked, tied": (
        {
            "input_axis": 1,
            "input_channels": 4,
            "fourier_encode_data": False,
            "weight_tie_layers": True,
            "depth": 4,
        },
        (9,),
    ),
    "2-D": ({}, (5, 6)),
    "2-D untied, deep": ({"depth": 5}, (4, 4)),
    "2-D tied": ({"depth": 4, "weight_tie_layers": True}, (5, 5)),
    "2-D tied, depth 2": ({"depth": 2, "weight_tie_layers": True}, (5, 5)),
    "2-D tied, three self-attends": (
        {"depth": 3, "weight_tie_layers": True, "self_per_cross_attn": 3},
        (4, 6),
    ),
    "2-D two self-attends masked": ({"self_per_cross_attn": 2}, (4, 5)),
    "2-D without self-attends": ({"self_per_cross_attn": 0, "depth": 3}, (4, 5)),
    "2-D several cross heads": ({"cross_heads": 4, "cross_dim_head": 3}, (5, 4)),
    "2-D one band": ({"num_freq_bands": 1, "max_freq": 2.0}, (4, 4)),
    "2-D single row": ({"input_channels": 1}, (2, 7)),
    "3-D": ({"input_axis": 3, "num_freq_bands": 2}, (3, 4, 2)),
    "3-D tied masked": (
        {"input_axis": 3, "depth": 3, "weight_tie_layers": True, "input_channels": 1},
        (2, 3, 4),
    ),
    "3-D without Fourier": ({"input_axis": 3, "fourier_encode_data": False}, (2, 2, 3)),
}
GUIDE = {
    **COMMON,
    "input_channels": 3,
    "input_axis": 2,
    "num_freq_bands": 6,
    "depth": 6,
    "num_latents": 32,
    "latent_dim": 128,
    "cross_dim_head": 8,
    "latent_dim_head": 8,
    "num_classes": 10,
}


def peer(arguments: dict) -> Perceiver:
    """Return the library's model with norms and biases that have an effect."""
    torch.manual_seed(0)
    module = Perceiver(**{**COMMON, **arguments})
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return module.eval()


def batch(arguments: dict, shape: tuple[int, ...], masked: bool = False):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, *shape, arguments.get("input_channels", 3), generator=generator)
    mask = torch.rand(3, *shape, generator=generator) < 0.6 if masked else None
    return x, mask


@pytest.mark.parametrize("case", CASES)
def test_logits_and_gradients_are_the_librarys(case):
    arguments, shape = CASES[case]
    theirs = peer(arguments)
    ours = from_perceiver_pytorch(theirs, input_shape=shape)
    x, mask = batch(arguments, shape, masked="masked" in case)
    labels = torch.tensor([0, 3, 4])

    expected = theirs(x, mask=mask)
    got = ours(x, None if mask is None else mask.flatten(1))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)

    F.cross_entropy(expected, labels).backward()
    F.cross_entropy(got, labels).backward()
    # The conversion of weights is linear, so that it converts gradients to our gradients.
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(parameter.grad)
    gradients = from_perceiver_pytorch(theirs, input_shape=shape).state_dict()
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(
            parameter.grad, gradients[name], rtol=0, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("case", CASES)
def test_import_and_export_give_the_same_weights(case):
    arguments, shape = CASES[case]
    theirs = peer(arguments)
    again = to_perceiver_pytorch(from_perceiver_pytorch(theirs, input_shape=shape))
    expected, got = theirs.state_dict(), again.state_dict()
    assert list(got) == list(expected)
    for name in expected:
        assert torch.equal(got[name], expected[name]), name
    x, _ = batch(arguments, shape)
    assert torch.equal(again(x), theirs(x))


def test_the_guides_model_is_the_preset():
    theirs = Perceiver(**GUIDE)
    ours = from_perceiver_pytorch(theirs, input_shape=(32, 32))
    preset = create("perceiver-pytorch-cifar10")
    assert ours.config == preset.config
    count = sum(p.numel() for p in theirs.parameters())
    assert sum(p.numel() for p in preset.parameters()) == count == 2_451_014
    with torch.no_grad():
        preset.head.weight.normal_(std=0.1)
    x, _ = batch(GUIDE, (32, 32))
    torch.testing.assert_close(to_perceiver_pytorch(preset)(x), preset(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_files(tmp_path, suffix, wrapped):
    arguments, shape = CASES["2-D untied, deep"]
    theirs = peer(arguments)
    state = theirs.state_dict()
    if wrapped:  # as training scripts save it
        state = {f"module.{name}": tensor for name, tensor in state.items()}
    path = tmp_path / f"model{suffix}"
    if suffix == ".pt":
        torch.save({"state_dict": state, "epoch": 3} if wrapped else state, path)
    else:
        save_file(state, path)
    ours = from_perceiver_pytorch(path, **{**COMMON, **arguments})
    x, _ = batch(arguments, shape)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_a_file_of_the_real_0_9_0():
    """Written by perceiver-pytorch 0.9.0 itself (fixtures/make_0_9_0.py), logits included."""
    path = Path(__file__).parent / "fixtures" / "perceiver-pytorch-0.9.0.safetensors"
    stored = load_file(path)
    x, expected = stored.pop("input"), stored.pop("logits")
    with safe_open(path, "pt") as file:
        arguments = {name: int(value) for name, value in file.metadata().items()}
    assert "layers.1.2.0.0.fn.to_kv.weight" in stored
    ours = from_perceiver_pytorch(stored, **arguments)
    torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-5)


def test_imported_models_are_saved_and_loaded(tmp_path):
    arguments, shape = CASES["3-D tied masked"]
    ours = from_perceiver_pytorch(peer(arguments), labels=list("abcde"))
    checkpoint.save(ours, tmp_path)
    again = checkpoint.load(tmp_path)
    assert again.config == ours.config
    assert again.labels == tuple("abcde")
    x, _ = batch(arguments, shape)
    assert torch.equal(again(x), ours(x))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"inverted_cross_attn": True}, "inverted_cross_attn"),
        ({"inverted_cross_attn": (False, True)}, "inverted_cross_attn"),
        ({"attn_residual": True}, "attn_residual"),
        ({"final_classifier_head": False}, "final_classifier_head"),
    ],
)
def test_options_that_this_package_lacks_are_rejected_by_name(arguments, name):
    theirs = Perceiver(**{**COMMON, **arguments})
    with pytest.raises(ValueError, match=name):
        from_perceiver_pytorch(theirs)
    with pytest.raises(ValueError, match=name):
        from_perceiver_pytorch(theirs.state_dict(), **{**COMMON, **arguments})


def test_latents_among_keys_and_values_are_rejected():
    theirs = Perceiver(**COMMON)
    theirs.layers[0].cross_attn.fn.queries_contribute_kv = True
    with pytest.raises(ValueError, match="queries_contribute_kv"):
        from_perceiver_pytorch(theirs)


def test_all_keys_that_do_not_fit_are_listed_at_once():
    state = peer({}).state_dict()
    del state["latents"]
    state["layers.0.cross_attn.fn.to_q.weight"] = torch.zeros(3, 3)
    state["surplus"] = torch.zeros(1)
    with pytest.raises(ValueError, match="latents is missing") as error:
        from_perceiver_pytorch(state, **COMMON)
    assert "surplus is not part of this model" in str(error.value)
    assert "to_q.weight has shape (3, 3), expected (8, 16)" in str(error.value)


def test_wrong_or_missing_arguments():
    state = peer({}).state_dict()
    with pytest.raises(ValueError, match="missing arguments depth, max_freq"):
        from_perceiver_pytorch(state, num_freq_bands=3)
    with pytest.raises(ValueError, match="'latent_head'; did you mean 'latent_heads'"):
        from_perceiver_pytorch(state, **COMMON, latent_head=2)
    with pytest.raises(ValueError, match="norm_context.weight has shape"):
        from_perceiver_pytorch(state, **{**COMMON, "num_freq_bands": 4})
    untied = peer({"depth": 4}).state_dict()
    with pytest.raises(ValueError, match="differs from layers.1.*; expected equal weights"):
        from_perceiver_pytorch(untied, **{**COMMON, "depth": 4, "weight_tie_layers": True})


def test_another_module_is_rejected():
    with pytest.raises(ValueError, match=r"Linear; expected a perceiver_pytorch\.Perceiver"):
        from_perceiver_pytorch(torch.nn.Linear(2, 2))


class Malicious:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['PERCEIVERS_TRAP']}",)


@pytest.mark.parametrize("write", [torch.save, lambda x, p: p.write_bytes(pickle.dumps(x, 2))])
def test_a_pickle_that_executes_code_is_rejected_and_not_executed(tmp_path, monkeypatch, write):
    trap = tmp_path / "trap"
    monkeypatch.setenv("PERCEIVERS_TRAP", str(trap))
    path = tmp_path / "model.pt"
    write({"latents": Malicious()}, path)
    with pytest.raises(ValueError, match="was not read: it could execute code"):
        from_perceiver_pytorch(path, **COMMON)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "damaged"), (b"PK\x03\x04 cut short", "damaged"), (b"hello", "not read|damaged")],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_damaged_files(tmp_path, content, message, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        from_perceiver_pytorch(path, **COMMON)
    with pytest.raises(FileNotFoundError, match="expected a saved state dict"):
        from_perceiver_pytorch(tmp_path / f"absent{suffix}", **COMMON)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"qkv_bias": True}, "qkv_bias=True"),
        ({"pooled_norm": False, "activation": "gelu"}, "pooled_norm=False.*|.*activation=gelu"),
        ({"input": {"patch_size": 2}}, "input.patch_size=2"),
        ({"input": {"position": "learned"}}, "input.position=learned"),
        ({"cross_order": (0, 0, 1, 1, 2, 2), "block_order": (0,) * 6}, "cross_order="),
    ],
)
def test_models_that_the_library_lacks_are_not_exported(overrides, named):
    model = create("perceiver-pytorch-cifar10", **overrides)
    with pytest.raises(ValueError, match=named):
        to_perceiver_pytorch(model)


def test_unset_defaults_are_exported():
    model = create(
        "perceiver-pytorch-cifar10", v_dim=8, self_v_dim=16, input={"max_resolution": None}
    )
    x, _ = batch(GUIDE, (32, 32))
    torch.testing.assert_close(to_perceiver_pytorch(model)(x), model(x), rtol=0, atol=1e-5)

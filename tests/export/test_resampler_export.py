"""A resampler in torch.export, torch.compile and ONNX, with a batch and a length that vary."""

import warnings

import pytest
import torch
from torch import nn

from perceivers import Resampler

MINICPM = {"self_attention": "none", "residual": False, "activation": None}
VARIANTS = [
    pytest.param({}, id="few latents"),
    pytest.param(
        {"norm": "rms", "output_norm": "rms", "num_kv_heads": 2, "activation": "swiglu"},
        id="idefics2",
        marks=pytest.mark.slow,
    ),
    pytest.param({"num_latents": 24}, id="many latents", marks=pytest.mark.slow),
    pytest.param(
        {"norm": "none", "output_norm": "rms", "eps": 1e-24, "activation": "geglu"},
        id="xtts",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        {"self_attention": "separate", "activation": None, "output_norm": "none"},
        id="chatterbox",
        marks=pytest.mark.slow,
    ),
    pytest.param(MINICPM, id="minicpm", marks=pytest.mark.slow),
]
VARYING = {0: torch.export.Dim("batch"), 1: torch.export.Dim("features")}
SIZES = ((1, 1), (3, 40), (2, 9))


def filled(**options):
    torch.manual_seed(0)
    sizes = {"num_latents": 3, "depth": 1, "num_heads": 4, "head_dim": 4, "latent_dim": 8}
    model = Resampler(12, **{**sizes, "output_dim": 6, "project_inputs": True, **options})
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def inputs(batch, features):
    x, mask = torch.randn(batch, features, 12), torch.rand(batch, features) > 0.4
    mask[0] = False
    return x, mask


@pytest.mark.parametrize("options", VARIANTS)
def test_programs_and_onnx_give_equal_outputs_for_other_sizes(tmp_path, options):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, path = filled(**options), tmp_path / "resampler.onnx"
    program = torch.export.export(model, inputs(2, 9), dynamic_shapes=(VARYING, VARYING))
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(program, (), path, input_names=["x", "mask"], verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for sizes in SIZES:
        x, mask = inputs(*sizes)
        expected = model(x, mask)
        torch.testing.assert_close(program.module()(x, mask), expected, rtol=1e-5, atol=1e-5)
        (out,) = session.run(None, {"x": x.numpy(), "mask": mask.numpy()})
        torch.testing.assert_close(torch.from_numpy(out), expected.detach(), rtol=1e-5, atol=1e-5)


def test_key_positions_are_inputs_of_the_exported_program():
    model = filled(**MINICPM)
    given = {"x": torch.randn(2, 9, 12), "key_position": torch.randn(2, 9, 8)}
    exported = torch.export.export(model, (), given, dynamic_shapes=dict.fromkeys(given, VARYING))
    other = {"x": torch.randn(3, 5, 12), "key_position": torch.randn(3, 5, 8)}
    torch.testing.assert_close(exported.module()(**other), model(**other), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's compiler
@pytest.mark.parametrize("options", VARIANTS)
def test_compilers_see_one_graph(options):
    model = filled(**options)
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="eager")
    for sizes in SIZES[1:]:
        x, mask = inputs(*sizes)
        results = []
        for function in (model, compiled):
            features = x.clone().requires_grad_()
            out = function(features, mask)
            out.square().sum().backward()
            results.append((out, features.grad))
        torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)

"""Exported models read a grid by its rows and columns, as PyTorch does, without storing keys."""

from collections import Counter

import onnx
import onnxruntime
import pytest
import torch

from perceivers.core import FourierPosition, Inputs, Perceiver, layers
from perceivers.core.separable import SeparableGrid, grids_as_operators
from perceivers.export import archive, export_onnx, export_torch, grid, largest_difference, quantise
from perceivers.export.program import Program, inputs_of, trace
from perceivers.exported import ExportedModel
from perceivers.modalities.image.config import ImageConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

IMAGE = ImageConfig(image_size=24, channels=3, num_bands=8)


def model_of(config, **options):
    """Return a model whose keys are wide enough to be left out, with random weights."""
    torch.manual_seed(0)
    sizes = {"num_latents": 5, "latent_dim": 16, "num_self_heads": 4, "num_layers_per_block": 1}
    order = {"cross_order": (0, 1), "block_order": (0, None), "num_classes": 3}
    options = {"qk_dim": 64, **sizes, **order, **options}
    model = build(ModelConfig(input=config, **options)).eval()
    torch.nn.init.normal_(model.head.weight, std=0.3)
    return model


def operators(path):
    """Count the operators of a graph by type."""
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Return a model of pixels and its export, in blocks of few rows."""
    model = model_of(IMAGE)
    path = tmp_path_factory.mktemp("image") / "image.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "BLOCK_LOGITS", 7 * 24 * 5)
        export_onnx(model, path)
    return model, path


def test_image_is_read_in_blocks_for_any_size_and_batch(image):
    model, path = image
    assert operators(path)["Scan"] == 2  # one for each cross-attend; keys would need none
    session = onnxruntime.InferenceSession(path)
    assert session.get_inputs()[0].shape == ["batch", "height", "width", 3]
    generator = torch.Generator().manual_seed(0)
    sizes = [(1, 24, 24), (3, 24, 24), (2, 50, 31), (2, 1, 9), (1, 9, 1), (1, 1, 1), (1, 3, 900)]
    batches = [
        torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=generator) for size in sizes
    ]
    assert largest_difference(model, ExportedModel(path), batches).logits < 1e-4


def test_quantised_grid_is_close(image, tmp_path):
    model, path = image
    quantise(path, tmp_path / "small.onnx")
    batch = torch.randint(0, 256, (2, 24, 24, 3), dtype=torch.uint8)
    difference = largest_difference(model, ExportedModel(tmp_path / "small.onnx"), [batch])
    assert 0 < difference.largest < 0.1


class Latents(torch.nn.Module):
    """A Perceiver over a grid of three axes whose elements are masked."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.position = FourierPosition([8.0, 8.0, 8.0], num_bands=2)
        self.model = Perceiver(
            2 + self.position.dim,
            num_latents=4,
            latent_dim=8,
            num_cross_heads=2,
            qk_dim=200,
            cross_order=(0,),
            block_order=(0,),
            num_layers_per_block=1,
        )

    def inputs(self, content, mask):
        position = self.position.on_grid(*content.shape[1:4])
        return Inputs(content.flatten(1, 3), position, mask.flatten(1))

    def forward(self, content, mask):
        return self.model(self.inputs(content, mask))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # torch's exporter warns
def test_masks_and_large_logits(monkeypatch, tmp_path):
    """The exponential of these logits overflows unless their maximum is subtracted."""
    monkeypatch.setattr(grid, "BLOCK_LOGITS", 200)
    monkeypatch.setattr(layers, "SEPARABLE_MIN_ELEMENTS", 0)
    model = Latents().eval()
    with torch.no_grad():
        model.model.cross_attends[0].attention.to_k.weight.mul_(300.0)
    generator = torch.Generator().manual_seed(1)

    def example(*size):
        content = torch.randn(*size, 2, generator=generator)
        mask = torch.rand(*size, generator=generator) < 0.5
        mask[-1] = False  # an example without any unmasked element
        return content, mask

    traced = example(3, 2, 3, 7)
    assert isinstance(model.model.cross_attends[0].source(model.inputs(*traced)), SeparableGrid)
    axes = dict.fromkeys(range(4), torch.export.Dim.AUTO)
    with grids_as_operators(), torch.no_grad():
        program = torch.export.export(model, traced, dynamic_shapes=(axes, axes), strict=False)
    torch.onnx.export(
        program,
        f=tmp_path / "model.onnx",
        dynamo=True,
        verbose=False,
        input_names=["content", "mask"],
        custom_translation_table={torch.ops.perceivers.read_grid.default: grid.read_grid},
    )
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for size in [(3, 2, 3, 7), (2, 4, 5, 3), (2, 1, 1, 30)]:
        content, mask = example(*size)
        with torch.no_grad():
            expected = model(content, mask)
        (got,) = session.run(None, {"content": content.numpy(), "mask": mask.numpy()})
        torch.testing.assert_close(torch.from_numpy(got), expected, rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("default")  # torch's exporter warns
def test_high_frequencies_of_positions_are_those_of_the_model(tmp_path):
    """One digit more or less in a frequency or coordinate would change these features by 2e-4."""

    class Features(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.position = FourierPosition([2240.0] * 3, num_bands=64)

        def forward(self, x):
            return self.position(x), *self.position.on_grid(x.shape[1], 1, x.shape[1] + 1).tables

    x, model = torch.rand(2, 224, 3) * 2 - 1, Features()
    program = torch.export.export(model, (x,), dynamic_shapes=({1: torch.export.Dim.AUTO},))
    torch.onnx.export(program, f=tmp_path / "p.onnx", dynamo=True, verbose=False, input_names=["x"])
    session = onnxruntime.InferenceSession(tmp_path / "p.onnx")
    for given in (x, x[:, :55]):
        for got, expected in zip(
            session.run(None, {"x": given.numpy()}), model(given), strict=True
        ):
            torch.testing.assert_close(torch.from_numpy(got), expected, rtol=0, atol=1e-6)


def test_keys_and_values_of_a_shared_cross_attend_are_computed_once():
    order = {"cross_order": (0, 1, 1), "block_order": (0, None, None)}
    model = model_of(IMAGE, num_cross_heads=4, **order)  # heads too narrow for a grid
    inputs = inputs_of(model)
    nodes = Counter(str(node.target) for node in trace(Program(model, inputs), inputs).graph.nodes)
    assert nodes["aten.baddbmm.default"] == 2
    assert nodes["aten.scaled_dot_product_attention.default"] == 4  # with a self-attend


@pytest.mark.slow
@pytest.mark.parametrize("block", [7 * 24 * 5, 10**9], ids=["in blocks", "at once"])
def test_archive_takes_images_of_any_size_and_stores_no_keys(tmp_path, monkeypatch, block):
    monkeypatch.setattr(archive, "BLOCK_LOGITS", block)
    model = model_of(IMAGE)
    run = export_torch(model, tmp_path / "model.pt2")
    sizes = [(1, 24, 24), (3, 9, 40), (2, 1, 9), (1, 29, 1), (1, 1, 1)]
    batches = [torch.randint(0, 256, (*size, 3), dtype=torch.uint8) for size in sizes]
    assert largest_difference(model, run, batches).logits < 1e-4
    graph = torch.export.load(tmp_path / "model.pt2").graph
    operators = {str(node.target) for node in graph.nodes}
    assert ("scan" in operators) is (block < 10**9)
    assert "aten.baddbmm.default" not in operators  # would be keys and values
    assert not any("perceivers" in operator for operator in operators)

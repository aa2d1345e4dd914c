"""Models whose inputs are made by an adapter that the user wrote."""

import json

import pytest
import torch

import perceivers
from perceivers import FourierPosition, Inputs
from perceivers.models.presets import PRESETS

SMALL = {
    "num_classes": 2, "num_latents": 4, "latent_dim": 8, "num_self_heads": 2,
    "cross_order": (0,), "block_order": (0,), "num_layers_per_block": 1,
}  # fmt: skip


class Spins(perceivers.Adapter):
    """Spins (B, H, W), with a learned weight."""

    def __init__(self, side=4):
        super().__init__()
        self.side, self.weight = side, torch.nn.Parameter(torch.ones(3))
        self.positions = FourierPosition((side, side), num_bands=2)

    @property
    def dim(self):
        return 3 + self.positions.dim

    @property
    def num_inputs(self):
        return self.side**2

    def elements(self, spins):
        content = spins.flatten(1)[..., None] * self.weight
        return Inputs(content, self.positions.on_grid(*spins.shape[1:]))


def test_a_model_reads_through_the_adapter():
    torch.manual_seed(0)
    model = perceivers.create("perceiver-imagenet", adapter=Spins(), **SMALL)
    torch.nn.init.normal_(model.head.weight)
    spins = torch.randn(3, 4, 4).sign()
    expected = model.classify(Spins().elements(spins))
    assert torch.equal(model(spins), expected)
    assert model.encode(spins).shape == (3, 4, 8)
    assert torch.equal(model([*spins]), expected)


def test_its_weights_are_saved_and_its_code_is_asked_for(tmp_path):
    model = perceivers.create("perceiver-imagenet", adapter=Spins(), **SMALL)
    torch.nn.init.normal_(model.adapter.weight)
    perceivers.save(model, tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["model"]["input"] == {"kind": "custom", "adapter": "Spins"}
    again = perceivers.load(tmp_path, adapter=Spins())
    assert torch.equal(again.adapter.weight, model.adapter.weight)
    with pytest.raises(ValueError, match=r"an adapter of your own \(Spins\).*adapter=…"):
        perceivers.load(tmp_path)
    with pytest.raises(ValueError, match="input of kind 'custom' cannot read files"):
        perceivers.Predictor(model)


def test_what_is_no_adapter():
    with pytest.raises(ValueError, match=r"adapter is a Linear; expected .* perceivers\.Adapter"):
        perceivers.create("perceiver-imagenet", adapter=torch.nn.Linear(2, 2), **SMALL)


def test_the_keras_example_leaves_its_weights_alone():
    adapter = Spins()
    torch.nn.init.constant_(adapter.weight, 7.0)
    options = {"num_latents": 4, "latent_dim": 16, "qk_dim": 16, "self_qk_dim": 16}
    model = perceivers.create("keras-cifar100", adapter=adapter, **options)
    assert (model.adapter.weight == 7).all()
    assert model(torch.ones(1, 4, 4)).shape == (1, PRESETS["keras-cifar100"]().num_classes)

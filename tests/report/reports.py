"""Tiny scored runs for the tests of reports, without training."""

import dataclasses

import torch
from tests.tiny_recipes import tiny

from perceivers.checkpoint import write_config
from perceivers.data.examples import InMemoryExamples
from perceivers.data.splits import Splits
from perceivers.files import write_json
from perceivers.modalities import build_reader
from perceivers.modalities.reader import collate
from perceivers.models.build import build
from perceivers.models.config import ModelConfig, to_dict
from perceivers.training.scoring import score
from perceivers.training.targets import targets_of


def scored_run(run_dir, config, examples, labels, names=None, classes=("a", "b", "c")):
    """Return the arguments of `report.write` for a model of random weights.

    Args:
        run_dir: directory to make, with a configuration and metrics.
        config: input configuration of the model.
        examples: list of examples as the reader decodes them.
        labels: tensor of labels; floats (n, K) are numbers, integers (n, K) are multi-hot.
        names: names of the examples.
        classes: names of the outputs.
    """
    kind = "classification"
    if labels.ndim == 2:
        kind = "regression" if labels.is_floating_point() else "multilabel"
    model_config = ModelConfig(
        num_classes=len(classes), task=kind, input=config, num_latents=6, latent_dim=16,
        cross_order=(0, 1), block_order=(0, 1), num_layers_per_block=1, num_self_heads=2,
    )  # fmt: skip
    torch.manual_seed(0)
    model = build(model_config, tuple(classes))
    torch.nn.init.normal_(model.head.weight)
    held = InMemoryExamples(collate(examples), labels, build_reader(config), names)
    if kind == "regression":
        targets_of(model).measure(held)
    base = tiny()
    recipe = dataclasses.replace(
        base, model=model_config, data=dataclasses.replace(base.data, batch_size=8)
    )
    run_dir.mkdir(parents=True)
    write_config(
        run_dir, id="0", model=to_dict(model_config), labels=list(classes), recipe=to_dict(recipe)
    )
    scored = score(model, recipe, Splits({"test": held}, tuple(classes), task=kind))
    write_json(
        run_dir / "metrics.json",
        {"parameters": 12345, "machine": "a machine", "epochs": 2, "train_seconds": 3.0,
         "perceivers": "0.1.0", "best": {"epoch": 2}, "stopped_early": "stopped after epoch 2",
         "train_examples": 9, "test": scored.scores},
    )  # fmt: skip
    (run_dir / "metrics.csv").write_text(
        "epoch,train_loss,val_loss,train_top1,val_top1\n1,2,2.5,0.1,0.2\n2,1,1.5,0.5,0.4\n"
    )
    return run_dir, model, recipe, scored

"""Does pretraining without labels pay? Train classifiers on few labels, from nothing and from it.

    python examples/few_labels.py digits OUT [--count 50] [--seeds 3]
    python examples/few_labels.py reviews OUT --data rt-polaritydata --count 500
    python examples/few_labels.py clips OUT --data DEST

Digits, and films with their sound (recipe `autoencode-av`; DEST is written by
`examples/grid_clips.py`), are rebuilt from a few latents for pretraining, reviews have hidden bytes
to find (recipe `mlm`); only training examples are used, without their labels. Then both models, of
the same architecture, get the same labelled examples, all of them training examples, in the same
order; as many other labelled examples as `--validation` says choose the epoch. The test split is
seen by neither. The table is also written to OUT/few-labels.json. OUT/pretrained is used if it
exists.
"""

import argparse
import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from perceivers.data.config import DataConfig
from perceivers.data.splits import Splits
from perceivers.data.unlabelled import without_labels
from perceivers.modalities import ImageConfig, PixelsOutputConfig
from perceivers.models.config import PerceiverIOConfig, with_changes
from perceivers.recipes import get_recipe
from perceivers.training.engine import train
from perceivers.training.fine_tuning import with_init
from perceivers.training.recipe import OptimizerConfig, Recipe, TrainerConfig
from perceivers.training.recipe_data import read_recipe_splits


def rebuilt_digits() -> Recipe:
    """Return the recipe of an autoencoder of the packaged digits: 64 pixels from 8 latents."""
    return Recipe(
        name="rebuilt-digits",
        model=PerceiverIOConfig(
            input=ImageConfig(image_size=8, channels=1, num_bands=4),
            output=PixelsOutputConfig(image_size=8, channels=1, num_bands=4),
            num_latents=8,
            latent_dim=64,
            cross_order=(0, 1),
            block_order=(0, 0),
            num_layers_per_block=2,
            num_self_heads=4,
        ),
        data=DataConfig(
            name="digits", task="reconstruction", batch_size=64, crop_padding=1, zoom=0.15
        ),
        optimizer=OptimizerConfig(name="muon", lr=5e-3, momentum=0.95, warmup_epochs=1),
        trainer=TrainerConfig(max_epochs=25, monitor="val_psnr", patience=0),
    )


# The recipe of the pretraining, the recipe of the classifier, and changes of the latter.
SETS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "digits": (rebuilt_digits, "digits", {"data": {"batch_size": 10}}),
    "clips": (lambda: get_recipe("autoencode-av"), "grid-av", {"data": {"batch_size": 10}}),
    "reviews": (lambda: get_recipe("mlm"), "rt-polarity", {"data": {"batch_size": 16}}),
}


def drawn(labels: torch.Tensor, count: int, seed: int) -> list[int]:
    """Return the indices of `count` examples, as many of each class."""
    generator = torch.Generator().manual_seed(seed)
    chosen: list[int] = []
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator)
        chosen += members[order[: count // len(labels.unique())]].tolist()
    return chosen


def pretrain(recipe: Recipe, splits: Splits, out: Path) -> None:
    """Train a recipe that needs no labels on the examples of all splits, unless it was."""
    if out.exists():
        return
    task = recipe.model.task
    assert task is not None
    plain = without_labels(splits.examples) if task == "reconstruction" else dict(splits.examples)
    train(
        recipe, out, splits=dataclasses.replace(
            splits, examples=plain, labels=(), task=task, record=None
        ),
    )  # fmt: skip


def accuracies(
    recipe: Recipe, splits: Splits, sizes: dict[str, int], seeds: int, out: Path
) -> list[float]:
    """Return the test accuracy of a recipe for each seed, which also draws the examples."""
    found = []
    for seed in range(seeds):
        examples = dict(splits.examples)
        for split, size in sizes.items():
            whole = splits.examples[split]
            examples[split] = whole.subset(drawn(whole.labels, size, seed))
        few = dataclasses.replace(splits, examples=examples, record=None)
        seeded = with_changes(recipe, {"trainer": {"seed": seed}}, "recipe")
        found.append(train(seeded, out / f"seed{seed}", splits=few)["test"]["top1"])
    return found


def main() -> None:
    """Train both models for each seed and print their accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=SETS, help="what is classified")
    parser.add_argument("out", type=Path, help="directory for the runs")
    parser.add_argument("--data", help="folder of rt-polarity, for reviews, or of clips")
    parser.add_argument("--count", type=int, default=50, help="labelled training examples [50]")
    parser.add_argument("--validation", type=int, default=50, help="labelled others [50]")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds [3]")
    parser.add_argument("--epochs", type=int, default=30, help="passes over them [30]")
    parser.add_argument("--lr", type=float, default=5e-3, help="learning rate of Muon [0.005]")
    options = parser.parse_args()
    make, name, changes = SETS[options.set]
    path = {"path": options.data} if options.data else {}
    changes = {
        "data": {**changes["data"], **path},
        "trainer": {"max_epochs": options.epochs, "patience": 0},
        "optimizer": {"lr": options.lr, "warmup_epochs": 1.0},
    }
    base = with_changes(get_recipe(name), changes, "recipe")
    splits = read_recipe_splits(base)
    run = options.out / "pretrained"
    pretrain(with_changes(make(), {"data": path}, "recipe"), splits, run)
    pretrained = with_init(base, str(run))
    if options.set == "reviews":
        pretrained = with_changes(pretrained, {"model": {"input": {"dropout": 0.5}}}, "recipe")
    from_nothing = with_changes(pretrained, {"trainer": {"init": None}}, "recipe")
    sizes, table = {"train": options.count, "validation": options.validation}, {}
    for arm, recipe in (("from nothing", from_nothing), ("pretrained", pretrained)):
        table[arm] = accuracies(recipe, splits, sizes, options.seeds, options.out / arm)
        each = ", ".join(f"{accuracy:.2%}" for accuracy in table[arm])
        spread = statistics.stdev(table[arm]) if options.seeds > 1 else 0.0
        print(f"{arm}: {statistics.mean(table[arm]):.2%} ± {spread:.2%} ({each})", flush=True)
    settings = {
        key: getattr(options, key) for key in ("set", "count", "validation", "epochs", "lr")
    }
    text = json.dumps({**settings, **table}, indent=1)
    (options.out / "few-labels.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Does pretraining pay? Classify reviews from few labels, from nothing and from an `mlm` run.

    python examples/few_labels.py RUN DATA OUT [--count 500] [--seeds 3] [--epochs 12]

RUN is a run of `perceivers train mlm --data DATA`. Both models have its architecture and get the
same labelled sentences, all from its training split, in the same order; 200 other labelled
sentences choose the epoch. The test split has been seen by neither. The table is also written to
OUT/few-labels.json.
"""

import argparse
import dataclasses
import json
import statistics
from pathlib import Path

import torch

from perceivers.data.splits import Splits
from perceivers.models.config import with_changes
from perceivers.recipes import get_recipe
from perceivers.training.engine import train
from perceivers.training.fine_tuning import with_init
from perceivers.training.recipe import Recipe
from perceivers.training.recipe_data import read_recipe_splits

VALIDATION = 200  # labelled sentences that choose the epoch


def drawn(labels: torch.Tensor, count: int, seed: int) -> list[int]:
    """Return the indices of `count` examples, as many of each class."""
    generator = torch.Generator().manual_seed(seed)
    chosen: list[int] = []
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator)
        chosen += members[order[: count // len(labels.unique())]].tolist()
    return chosen


def accuracies(recipe: Recipe, splits: Splits, count: int, seeds: int, out: Path) -> list[float]:
    """Return the test accuracy of a recipe for each seed, which also draws the examples."""
    found = []
    for seed in range(seeds):
        sizes = {"train": count, "validation": VALIDATION}
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
    parser.add_argument("run", type=Path, help="run of the recipe mlm")
    parser.add_argument("data", help="folder of rt-polarity")
    parser.add_argument("out", type=Path, help="new directory for the runs")
    parser.add_argument("--count", type=int, default=500, help="labelled sentences [500]")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds [3]")
    parser.add_argument("--epochs", type=int, default=12, help="passes over them [12]")
    parser.add_argument("--lr", type=float, default=5e-3, help="learning rate of Muon [0.005]")
    options = parser.parse_args()
    changes = {
        "data": {"path": options.data, "batch_size": 16},
        "trainer": {"max_epochs": options.epochs},
        "optimizer": {"lr": options.lr, "warmup_epochs": 1.0},
    }
    pretrained = with_init(
        with_changes(get_recipe("rt-polarity"), changes, "recipe"), str(options.run)
    )
    pretrained = with_changes(pretrained, {"model": {"input": {"dropout": 0.5}}}, "recipe")
    from_nothing = with_changes(pretrained, {"trainer": {"init": None}}, "recipe")
    splits = read_recipe_splits(from_nothing)
    table = {}
    for name, recipe in (("from nothing", from_nothing), ("pretrained", pretrained)):
        table[name] = accuracies(recipe, splits, options.count, options.seeds, options.out / name)
        each = ", ".join(f"{accuracy:.2%}" for accuracy in table[name])
        spread = statistics.stdev(table[name]) if options.seeds > 1 else 0.0
        print(f"{name}: {statistics.mean(table[name]):.2%} ± {spread:.2%} ({each})", flush=True)
    text = json.dumps({"count": options.count, "epochs": options.epochs, **table}, indent=1)
    (options.out / "few-labels.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

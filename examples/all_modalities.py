"""Train the architecture of kicad with one set of settings on every modality, and small rivals.

    python examples/all_modalities.py --data DIR [--seeds 0 1 2] [--only fsdd kicad] [--out OUT]

Model, optimiser and training loop are those of the recipe kicad: 32 latents of 96 channels, which
four heads read the input into. What reads the input, its augmentation, the batches, the number of
epochs, the precision and which epoch's weights are kept are those of each recipe; CIFAR-100
alone has more epochs (`EPOCHS`), since an epoch of this smaller model takes less than half the time
of one of its recipe.

DIR contains cifar-10-batches-bin, cifar-100-python, free-spoken-digit-dataset and rt-polaritydata
as published, and grid, kicad, furniture and drums as `grid_clips.py`, `kicad_ply.py`,
`furniture_ply.py` and `drum_kits.py` write them; the package contains the digits. Each run is
written to OUT/RECIPE-SEED. Completed runs are not repeated, so the table can be computed in several
sessions. The table is printed and written to OUT/table.md.
"""

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path

from rivals import RIVALS, train_rival

from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training.recipe import Recipe

PLACES = {
    "cifar10": "cifar-10-batches-bin",
    "cifar100-small": "cifar-100-python",
    "digits": None,
    "fsdd": "free-spoken-digit-dataset",
    "fsdd-raw": "free-spoken-digit-dataset",
    "grid-audio": "grid",
    "grid-video": "grid",
    "grid-av": "grid",
    "kicad": "kicad",
    "furniture": "furniture",
    "drums": "drums",
    "rt-polarity": "rt-polaritydata",
}
"""Folder of each recipe's data in DIR; None: the data is in the package."""

EPOCHS = {"cifar100-small": 30}
"""Numbers of epochs that differ from those of the recipe."""


def one_architecture(name: str, data: Path, seed: int) -> Recipe:
    """Return a recipe with the shared model and settings.

    Args:
        name: name of the recipe, a key of `PLACES`.
        data: the folder DIR.
        seed: random seed of the run.
    """
    recipe, shared = get_recipe(name), get_recipe("kicad")
    place = PLACES[name]
    return replace(
        recipe,
        model=replace(
            shared.model,
            input=recipe.model.input,
            num_classes=recipe.model.num_classes,
            qk_dim=shared.model.latent_dim,  # what kicad has; inputs of few channels have less
        ),
        data=replace(recipe.data, path=str(data / place) if place else None),
        optimizer=shared.optimizer,
        trainer=replace(
            shared.trainer,
            max_epochs=EPOCHS.get(name, recipe.trainer.max_epochs),
            monitor=recipe.trainer.monitor,
            precision=recipe.trainer.precision,
            seed=seed,
        ),
    )


def perceiver_score(recipe: Recipe, run: Path) -> float:
    """Return the best epoch's test accuracy; train the model unless `run` has its metrics."""
    metrics = run / "metrics.json"
    if not metrics.exists():
        engine.train(recipe, run)
    return json.loads(metrics.read_text())["test"]["top1"]


def rival_score(recipe: Recipe, path: Path) -> float:
    """Return the test accuracy of the recipe's rival; train it unless the file `path` exists."""
    if not path.exists():
        path.write_text(json.dumps({"top1": train_rival(recipe)}) + "\n")
    return json.loads(path.read_text())["top1"]


def format_scores(scores: list[float]) -> str:
    """Return scores in per cent, such as "98.67 ± 0.33 (99.00, 98.67, 98.33)"."""
    percent = [100 * score for score in scores]
    each = ", ".join(f"{score:.2f}" for score in percent)
    if len(percent) < 2:
        return each
    return f"{statistics.mean(percent):.2f} ± {statistics.stdev(percent):.2f} ({each})"


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="the folder DIR with all data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="random seeds")
    parser.add_argument(
        "--only", nargs="+", choices=PLACES, default=list(PLACES), help="recipes to run"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/all-modalities"), help="folder of runs"
    )
    options = parser.parse_args()
    try:
        run(options)
    except (OSError, ValueError) as error:  # data that is missing or damaged
        parser.exit(1, f"error: {error}\n")


def run(options: argparse.Namespace) -> None:
    """Train the models that are not trained yet; print the table and write it to a file."""
    options.out.mkdir(parents=True, exist_ok=True)
    table = [
        "| recipe | Perceiver, test top-1 % | rival | its test top-1 % |",
        "|---|---|---|---|",
    ]
    for name in options.only:
        ours, theirs, rival = [], [], ""
        for seed in options.seeds:
            recipe = one_architecture(name, options.data, seed)
            ours.append(perceiver_score(recipe, options.out / f"{name}-{seed}"))
            if type(recipe.model.input) in RIVALS:
                rival = RIVALS[type(recipe.model.input)][0]
                theirs.append(rival_score(recipe, options.out / f"{name}-{seed}-rival.json"))
        table.append(f"| `{name}` | {format_scores(ours)} | {rival} | {format_scores(theirs)} |")
        print(table[-1], flush=True)
    (options.out / "table.md").write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()

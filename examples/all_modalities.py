"""One architecture and one set of optimiser settings on every modality, beside small rivals.

    python examples/all_modalities.py --data DIR [--seeds 0 1 2] [--only fsdd kicad] [--out OUT]

DIR holds free-spoken-digit-dataset and rt-polaritydata as published, and grid and kicad as
`grid_clips.py` and `kicad_ply.py` write them; the digits are in the package. Only what is read, its
augmentation and the epochs differ from recipe to recipe. Every run lies in OUT/RECIPE-SEED; one
that is done is not done again, so that the table can be filled in parts. The table is printed and
written to OUT/table.md.
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
    "digits": None,
    "fsdd": "free-spoken-digit-dataset",
    "fsdd-raw": "free-spoken-digit-dataset",
    "grid-audio": "grid",
    "grid-video": "grid",
    "grid-av": "grid",
    "kicad": "kicad",
    "rt-polarity": "rt-polaritydata",
}
"""Recipes, and where in DIR their data lies."""


def one_architecture(name: str, data: Path, seed: int) -> Recipe:
    """A recipe with the model and the optimiser settings of all."""
    recipe, shared = get_recipe(name), get_recipe("fsdd")
    own = recipe.model
    place = PLACES[name]
    return replace(
        recipe,
        model=replace(shared.model, input=own.input, num_classes=own.num_classes),
        data=replace(recipe.data, path=str(data / place) if place else None),
        optimizer=shared.optimizer,
        trainer=replace(shared.trainer, max_epochs=recipe.trainer.max_epochs, seed=seed),
    )


def perceiver_score(recipe: Recipe, run: Path) -> float:
    """Test accuracy of the weights of the best epoch, trained unless that is done."""
    metrics = run / "metrics.json"
    if not metrics.exists():
        engine.train(recipe, run)
    return json.loads(metrics.read_text())["test"]["top1"]


def rival_score(recipe: Recipe, path: Path) -> float:
    """Test accuracy of the rival after as many epochs, trained unless that is done."""
    if not path.exists():
        path.write_text(json.dumps({"top1": train_rival(recipe)}) + "\n")
    return json.loads(path.read_text())["top1"]


def said(scores: list[float]) -> str:
    """Such as "98.67 ± 0.33 (99.00, 98.67, 98.33)", in per cent."""
    percent = [100 * score for score in scores]
    each = ", ".join(f"{score:.2f}" for score in percent)
    if len(percent) < 2:
        return each
    return f"{statistics.mean(percent):.2f} ± {statistics.stdev(percent):.2f} ({each})"


def main() -> None:
    """Train what is not trained yet; print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--out", type=Path, default=Path("runs/all-modalities"))
    options = parser.parse_args()
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
        table.append(f"| `{name}` | {said(ours)} | {rival} | {said(theirs)} |")
        print(table[-1], flush=True)
    (options.out / "table.md").write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()

"""The model card of a run: what it was trained on, and how."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..checkpoint import METRICS_FILE
from ..data.saved_splits import SavedSplits
from ..files import read_json
from ..models.base import PerceiverModel
from ..models.config import to_dict
from ..models.cost import cost
from ..training.recipe import Recipe
from ..training.recorder import format_duration
from .page import Safe, element, joined, label, paragraph, table

MAX_NAMED = 30  # labels or files that are listed


def metrics_of(run_dir: Path) -> dict[str, Any]:
    """Return the content of a run's metrics.json, or nothing if it cannot be read."""
    try:
        return read_json(run_dir / METRICS_FILE)
    except (OSError, ValueError):
        return {}


def facts(run_dir: Path, recipe: Recipe, metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of a run by name, as far as its files say it.

    Args:
        run_dir: the run directory.
        recipe: its recipe.
        metrics: the content of its metrics.json.
    """
    trainer, optimizer, data = recipe.trainer, recipe.optimizer, recipe.data
    found = {
        "recipe": recipe.name,
        "run": str(run_dir),
        "data": data.path or data.name,
        "task": recipe.model.task,
        "outputs": f"{recipe.model.num_classes:,}",
        "examples": _splits(run_dir, metrics),
        "copies of training examples": ", ".join(
            f"{count:,} in {split}"
            for split, count in metrics.get("copies_of_training_examples", {}).items()
            if count
        ),
        "skipped files": _few(metrics.get("skipped_files", [])),
        "parameters": f"{metrics['parameters']:,}" if "parameters" in metrics else "",
        "FLOPs of an example": _flops(recipe),
        "epochs": _epochs(metrics, trainer.max_epochs),
        "stopped early": metrics.get("stopped_early") or "",
        "interrupted": str(metrics.get("interrupted") or ""),
        "training time": format_duration(metrics["train_seconds"])
        if "train_seconds" in metrics
        else "",
        "machine": metrics.get("machine", ""),
        "version": f"perceivers {metrics['perceivers']}" if "perceivers" in metrics else "",
        "seed": str(trainer.seed),
        "optimiser": f"{optimizer.name}, learning rate {optimizer.lr:g}, {optimizer.schedule}",
        "batch size": f"{data.batch_size:,}",
        "best weights by": trainer.monitor,
    }
    return {name: value for name, value in found.items() if value}


def _splits(run_dir: Path, metrics: Mapping[str, Any]) -> str:
    try:
        saved = SavedSplits.read(run_dir)
    except (OSError, ValueError):
        saved = None
    if saved is not None:
        counts = {split: len(members) for split, members in saved.examples.items()}
        return ", ".join(f"{count:,} {split}" for split, count in counts.items())
    return f"{metrics['train_examples']:,} train" if "train_examples" in metrics else ""


def _epochs(metrics: Mapping[str, Any], most: int) -> str:
    if "epochs" not in metrics:
        return ""
    best = (metrics.get("best") or {}).get("epoch")
    return f"{metrics['epochs']} of {most}" + (f", the best is {best}" if best else "")


def _flops(recipe: Recipe) -> str:
    try:
        return f"{cost(recipe.model).flops / 1e6:,.1f} million"
    except (ValueError, RuntimeError):  # an adapter of the user's own
        return ""


def _few(names: list[str]) -> str:
    listed = ", ".join(names[:MAX_NAMED])
    return f"{len(names):,}: {listed}{', …' if len(names) > MAX_NAMED else ''}" if names else ""


def model_card(run_dir: Path, recipe: Recipe, model: PerceiverModel) -> Safe:
    """Return the model card as HTML.

    Args:
        run_dir: the run directory.
        recipe: the recipe that it was trained with.
        model: the model.
    """
    rows = list(facts(run_dir, recipe, metrics_of(run_dir)).items())
    named = [label(name) for name in model.labels[:MAX_NAMED]]
    more = f", … ({len(model.labels):,} in all)" if len(model.labels) > MAX_NAMED else ""
    config = json.dumps(to_dict(recipe), indent=1, ensure_ascii=False)
    lines = Safe("\n".join(element("span", line) for line in config.split("\n")))
    return joined(
        table((), rows, left=True),
        paragraph(Safe(f"<b>Labels:</b> {', '.join(named)}{more}")),
        element(
            "details",
            joined(element("summary", "All options"), element("pre", lines, class_="config")),
        ),
    )

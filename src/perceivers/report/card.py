"""The model card: what a model is, what it was trained on, and how; as HTML and as Markdown."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..checkpoint import METRICS_FILE, read_config
from ..core import Resampler
from ..data.counts import SPLIT_ORDER
from ..data.saved_splits import SavedSplits
from ..files import read_json
from ..modalities import modality_of
from ..models.base import PerceiverModel
from ..models.classifier import PerceiverClassifier
from ..models.config import to_dict
from ..models.cost import cost
from ..training.recipe import Recipe
from ..training.recipe_data import read_recipe
from ..training.recorder import format_duration
from ..training.scores import LAST, format_scores
from .page import Safe, element, joined, label, paragraph, table

MAX_NAMED = 30  # labels or files that are listed
PRIVATE = ("run", "data", "skipped files")  # facts with the places and names of the user's files


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
        "outputs": f"{recipe.model.num_classes:,}" if recipe.model.num_classes else "",
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
        "weights": "the last" if trainer.monitor == LAST else f"the best by {trainer.monitor}",
    }
    return {name: value for name, value in found.items() if value}


def _splits(run_dir: Path, metrics: Mapping[str, Any]) -> str:
    try:
        saved = SavedSplits.read(run_dir)
    except (OSError, ValueError):
        saved = None
    if saved is not None:
        counts = {split: len(saved.examples.get(split, ())) for split in SPLIT_ORDER}
        return ", ".join(f"{count:,} {split}" for split, count in counts.items() if count)
    return f"{metrics['train_examples']:,} train" if "train_examples" in metrics else ""


def _epochs(metrics: Mapping[str, Any], most: int) -> str:
    if "epochs" not in metrics:
        return ""
    best = (metrics.get("best") or {}).get("epoch") if metrics.get("best_by") != LAST else None
    return f"{metrics['epochs']} of {most}" + (f", the best is {best}" if best else "")


def _flops(recipe: Recipe) -> str:
    try:
        flops = cost(recipe.model).flops
        return f"{flops / 1e6:.1f} million" if flops < 1e9 else f"{flops / 1e9:,.2f} billion"
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
    labels = Safe(f"<b>Labels:</b> {', '.join(named)}{more}")
    return joined(
        table((), rows, left=True),
        paragraph(labels) if named else Safe(""),
        element(
            "details",
            joined(element("summary", "All options"), element("pre", lines, class_="config")),
        ),
    )


def markdown_card(
    name: str, model: PerceiverModel | Resampler, directory: Path | None, *, license: str | None
) -> str:
    """Return the model card of a repository of the Hugging Face hub, its README.md.

    Places and names of the user's files are left out.

    Args:
        name: name of the repository, owner/name.
        model: the model.
        directory: the run or saved model that it was loaded from, if any.
        license: name of its license, for example "apache-2.0".
    """
    header = ["library_name: perceivers", "tags:", "- perceiver"]
    if license is not None:
        header.append(f"license: {json.dumps(license)}")
    lines = ["---", *header, "---", f"# {name}", "", *_described(model), "", *_usage(name, model)]
    if labels := getattr(model, "labels", ()):
        more = f", … ({len(labels):,} in all)" if len(labels) > MAX_NAMED else ""
        lines += ["", f"Labels: {', '.join(map(_code, labels[:MAX_NAMED]))}{more}"]
    if directory is not None and "recipe" in read_config(directory):
        lines += _training(directory, read_recipe(directory))
    return "\n".join(lines) + "\n"


def _described(model: PerceiverModel | Resampler) -> list[str]:
    count = f"{sum(p.numel() for p in model.parameters()):,} parameters"
    if isinstance(model, Resampler):
        return [f"A resampler with {count}: a few learned latents read a sequence of features."]
    reads = modality_of(model.config.input).preparation(model.config.input)
    task = f" for {model.config.task}" if model.config.task else ""
    return [f"A model of kind `{model.config.kind}`{task} with {count}.", "", f"Input: {reads}."]


def _usage(name: str, model: PerceiverModel | Resampler) -> list[str]:
    use = [f'model = perceivers.load("hf://{name}")']
    if isinstance(model, PerceiverClassifier):
        use = [f'predictor = perceivers.Predictor("hf://{name}")', 'predictor(["FILE"], top_k=5)']
    return ["```python", "import perceivers", "", *use, "```"]


def _training(run_dir: Path, recipe: Recipe) -> list[str]:
    """Return the scores and the facts of a run as tables."""
    metrics = metrics_of(run_dir)
    known = facts(run_dir, recipe, metrics)
    if recipe.data.name != "folder":
        known["data set"] = recipe.data.name
    lines = ["", "## Training", "", "| | |", "|---|---|"]
    lines += [f"| {k} | {_cell(v)} |" for k, v in known.items() if k not in PRIVATE]
    for split in ("test", "validation"):
        if split in metrics and recipe.model.task:
            labels = read_config(run_dir)["labels"]
            scores = format_scores(recipe.model.task, labels, metrics[split])
            lines += ["", f"{split.capitalize()}: {_cell(scores)}"]
    return lines


def _code(text: str) -> str:
    """Return a text as code of Markdown, on one line."""
    plain = " ".join(text.split()).replace("|", "¦")
    ticks = "`" * (max(map(len, re.findall("`+", plain)), default=0) + 1)
    space = " " if "`" in plain else ""
    return f"{ticks}{space}{plain}{space}{ticks}" if plain else "(empty)"


def _cell(text: str) -> str:
    """Return a text for a cell of a table, without the signs that Markdown and HTML read."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(text.split()))

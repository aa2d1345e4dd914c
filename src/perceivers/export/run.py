"""Export a run or saved model, and check the file on examples of the run's own data."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from ..checkpoint import load_model, read_config, read_limits
from ..data.examples import ExampleSet
from ..data.splits import Splits
from ..exported import SUFFIX, ExportedModel, weights_file
from ..models.base import PerceiverModel
from ..models.classifier import PerceiverClassifier
from ..places import check_place, make_directory
from ..training.batches import batches
from ..training.recipe import Recipe
from ..training.recipe_data import read_recipe, read_recipe_splits, read_saved_splits
from ..training.summaries import summary
from ..training.targets import targets_of
from .archive import export_torch
from .check import TOLERANCE, Difference, largest_difference
from .onnx import export_onnx, quantise, require
from .program import inputs_of, outputs_of

log = logging.getLogger(__name__)

Format = Literal["onnx", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": SUFFIX, "torch": ".pt2"}
CHECKED = 16  # examples that are compared, besides one of them alone


@dataclass(frozen=True)
class Exported:
    """What an export wrote, and how it was checked."""

    path: Path
    """The exported model."""
    difference: Difference
    """The largest difference from the run's model, before quantisation."""
    checked_on: str
    """What was compared, in words: examples of a split, or random ones."""
    scores: dict[str, tuple[float, float]]
    """For a quantised model, scores on the validation split by name, before and after."""

    def lines(self) -> list[str]:
        """Return lines of text for the user."""
        d = self.difference
        files = [file for file in (self.path, weights_file(self.path)) if file.exists()]
        size = sum(file.stat().st_size for file in files) / 1e6
        lines = [
            f"wrote {' and '.join(map(str, files))} ({size:.1f} MB)",
            (
                f"checked on {d.examples} {self.checked_on}: largest difference {d.largest:.1e} "
                f"(logits or numbers: {d.logits:.1e}), at most {TOLERANCE:.0e} expected"
            ),
        ]
        for name, (before, after) in self.scores.items():
            lines.append(
                f"8-bit weights: validation {name} {before:.4f} before, {after:.4f} after "
                f"({after - before:+.4f})"
            )
        return lines


def export_run(
    run_dir: Path, out: Path, *, kind: Format | None = None, int8: bool = False
) -> Exported:
    """Export the model of a run, and compare it with the file that was written.

    Args:
        run_dir: run directory or saved model.
        out: file to write: `.onnx`, or `.pt2` for an archive of `torch.export`.
        kind: format of the file; None: that of the suffix of `out`.
        int8: quantise the weights to 8 bits after the check, and score both models on the
            validation split.

    Raises:
        FileExistsError: `out`, or the description beside it, exists.
        ValueError: the model cannot be exported or differs from its export; the format does not
            fit the suffix; or there is no validation split to score a quantised model on.
        ImportError: a package of the extra "export" is not installed.
        OSError: the run cannot be read, or the file cannot be written.
    """
    kind = _check_out(out, kind)
    if int8 and kind != "onnx":
        raise ValueError("--int8 needs --format onnx; torch archives are not quantised")
    if kind == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            require(package)
    model = load_model(run_dir)
    outputs_of(model)  # a model without any is refused before its data is read
    if int8 and not isinstance(model, PerceiverClassifier):
        raise ValueError(
            f"--int8 is for models of classes and numbers; {run_dir} holds one for "
            f"{model.config.task or model.config.kind}: leave out --int8"
        )
    recipe, splits = _data_of(run_dir)
    if int8 and splits is None:
        raise ValueError(
            f"--int8 scores the model before and after on the run's validation split, but the data "
            f"of {run_dir} cannot be read; leave out --int8"
        )
    make_directory(out.parent)
    try:
        if kind == "onnx":
            export_onnx(model, out, limits=read_limits(run_dir))
            run: Callable[[Any], Any] = ExportedModel(out)
        else:
            run = export_torch(model, out)
        checked_on, examples = _examples(model, splits)
        difference = largest_difference(model, run, examples)
        if not difference.largest <= TOLERANCE:  # NaN is refused too
            raise ValueError(
                f"the exported model differs from {run_dir} by {difference.largest:.1e} on "
                f"{difference.examples} {checked_on}; expected at most {TOLERANCE:.0e}. Nothing "
                "was written"
            )
        scores = {}
        if int8 and weights_file(out).exists():
            raise ValueError(
                "--int8: the weights of the model are larger than 2 GiB; leave out --int8"
            )
        if int8 and recipe and splits and isinstance(model, PerceiverClassifier):
            scores = _quantise(model, out, recipe, splits)
    except BaseException:
        for file in _files(out):
            file.unlink(missing_ok=True)
        raise
    return Exported(out, difference, checked_on, scores)


def _check_out(out: Path, kind: Format | None) -> Format:
    """Return the format of a file that can be written, or raise an error."""
    suffixes = {suffix: name for name, suffix in SUFFIXES.items()}
    if out.suffix not in suffixes or kind not in (None, suffixes[out.suffix]):
        expected = SUFFIXES[kind] if kind else " or ".join(suffixes)
        raise ValueError(f"--out {out}: expected the suffix {expected}")
    for file in _files(out):
        if file.exists():
            raise FileExistsError(f"{file} exists already; choose another --out, or remove it")
    check_place(out)
    return suffixes[out.suffix]


def _files(out: Path) -> list[Path]:
    """Return the files that an export may write."""
    return [out, out.with_suffix(".json"), weights_file(out)] if out.suffix == SUFFIX else [out]


def _data_of(run_dir: Path) -> tuple[Recipe | None, Splits | None]:
    """Return the recipe of a run and its data, of which nothing is decoded yet.

    A saved model has neither. If the data of a run cannot be read any more, that is logged.
    """
    if "recipe" not in read_config(run_dir):
        log.warning("%s is a saved model without data: it is checked on random examples", run_dir)
        return None, None
    recipe = read_recipe(run_dir)
    try:
        saved = read_saved_splits(run_dir)
        return recipe, read_recipe_splits(recipe, saved=saved, decode=False)
    except (ValueError, OSError) as error:
        log.warning(
            "the data of %s cannot be read (%s): it is checked on random examples", run_dir, error
        )
        return recipe, None


def _examples(model: PerceiverModel, splits: Splits | None) -> tuple[str, Iterator[Any]]:
    """Return what an export is compared on, in words, and the raw batches."""
    if splits is None:
        inputs = inputs_of(model)
        several = {given.name: given.example for given in inputs}
        return "random examples", iter([several if len(inputs) > 1 else inputs[0].example])
    name = next(name for name in ("test", "validation", "train") if name in splits.examples)
    return f"examples of the {name} split", _batches(splits.examples[name])


def _batches(examples: ExampleSet) -> Iterator[Any]:
    """Yield evenly spaced examples: all but the first in one batch, then the first alone."""
    step = max(1, len(examples) // CHECKED)
    chosen = range(0, len(examples), step)[:CHECKED]
    for indices in filter(None, (chosen[1:], chosen[:1])):
        yield examples.__getitems__(indices)[0]


def _quantise(
    model: PerceiverClassifier, out: Path, recipe: Recipe, splits: Splits
) -> dict[str, tuple[float, float]]:
    """Quantise an exported model in place; return its scores before and after."""
    before = _score(model, ExportedModel(out), splits, recipe)
    quantise(out, out)
    after = _score(model, ExportedModel(out), splits, recipe)
    return {name: (before[name], after[name]) for name in before}


@torch.inference_mode()
def _score(
    model: PerceiverClassifier, exported: ExportedModel, splits: Splits, recipe: Recipe
) -> dict[str, float]:
    """Return the loss and the scores of an exported model on the validation split, by name."""
    targets = targets_of(model)
    collection = targets.collection()
    for batch, labels in batches(splits.examples["validation"], recipe.data):
        if len(labels):
            outputs = exported(batch)
            targets.update(collection, outputs, labels, targets.loss(outputs, labels))
    return {name: float(value) for name, value in summary(collection).items()}

"""The data of a recipe: reading it, completing the recipe by it, and comparing labels."""

import dataclasses
import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..checkpoint import CONFIG, read_config
from ..data.config import EXAMPLE_TASKS, NUMBER_TASKS, UNLABELLED, Task
from ..data.documents import read_documents
from ..data.file_examples import FileExamples
from ..data.labels import matching_names
from ..data.saved_splits import SPLITS_FILE, SavedSplits
from ..data.splits import Splits, holds_arrays, read_splits
from ..hub import is_hub_name, upgraded
from ..modalities import build_reader, modality_of
from ..modalities.clips import with_clips
from ..modalities.reader import Reader
from ..modalities.text.reader import TextReader
from ..models.base import PerceiverModel
from ..models.config import from_dict
from ..reading import file_errors, limits_of, using
from .recipe import Recipe
from .scores import LAST, check_monitor, resolve_monitor

MAX_MEASURED = 200  # files, approximately, that `measure_files` looks at

log = logging.getLogger(__name__)


def read_recipe(run_dir: Path) -> Recipe:
    """Read the recipe of a training run.

    Args:
        run_dir: run directory that `train` wrote.

    Raises:
        ValueError: the directory holds a saved model without a recipe.
        OSError: the directory does not exist or cannot be read.
    """
    config = read_config(run_dir)
    if "recipe" not in config:
        raise ValueError(f"{run_dir} is a saved model, not a training run: it has no recipe")
    with file_errors(run_dir / CONFIG, "recipe"):
        recipe = from_dict(Recipe, config["recipe"], "recipe")
    saved = recipe.data.path
    if saved is not None and (path := upgraded(saved)) != saved:
        log.info("%s names its data %s; read as %s", run_dir, saved, path)
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, path=path))
    return recipe


def read_saved_splits(run_dir: Path) -> SavedSplits | None:
    """Read the splits of a run; None, with a warning, if it was trained before they were saved.

    Args:
        run_dir: run directory that `train` wrote.

    Raises:
        ValueError: the file is damaged.
    """
    saved = SavedSplits.read(run_dir)
    if saved is None:
        log.warning(
            "%s has no %s, as its version did not save its splits: they are drawn again, and are "
            "the same only if no example was added or removed since",
            run_dir,
            SPLITS_FILE,
        )
    return saved


def read_recipe_splits(
    recipe: Recipe,
    *,
    hold_out: bool = True,
    saved: SavedSplits | None = None,
    scored: bool = False,
    identify: bool = False,
    decode: bool = True,
    clips: int = 1,
    classes: tuple[str, ...] = (),
) -> Splits:
    """Read the data of a recipe with the reader of its model, and log the progress of long reads.

    Args:
        recipe: data and model.
        hold_out: whether validation and test splits are held out of the training examples if the
            data has none of its own.
        saved: the splits of a run, which are found in the data.
        scored: whether only the split to score a model on is read: the first of test, validation
            and train that exists.
        identify: whether the result has a record of the splits to save.
        decode: whether the files are decoded, as far as they fit into memory, or only listed.
        clips: number of parts to read of each sound or video.
        classes: classes of elements that a trained model knows; empty: those that are found.

    Raises:
        ValueError: bad data, or data that cannot be read in clips.
        OSError: data that cannot be read.
    """
    reader = _reader(recipe, clips, classes)
    if recipe.model.task == "language":
        assert isinstance(reader, TextReader)
        with using(limits_of(recipe.limits)):
            return read_documents(
                recipe.data,
                reader,
                step=recipe.model.num_latents - 1,  # the last latent is about the byte behind
                hold_out=hold_out,
                saved=saved,
                scored=scored,
                identify=identify,
            )

    def progress(done: int, total: int) -> None:
        if total > 5000:
            log.info("decoded %d of %d %s", done, total, reader.noun)

    data, task = recipe.data, recipe.model.task
    if task in (*UNLABELLED, "masking"):  # it follows from the model
        if data.task not in ("auto", task):
            raise ValueError(
                f"data.task={data.task}, but the model is for {task}; leave it out or choose "
                "another recipe"
            )
        data = dataclasses.replace(data, task=task)
    with using(limits_of(recipe.limits)):
        return read_splits(
            data,
            reader,
            hold_out=hold_out,
            saved=saved,
            scored=scored,
            identify=identify,
            decode=decode,
            progress=progress,
        )


def _reader(recipe: Recipe, clips: int, classes: tuple[str, ...]) -> Reader:
    """Return the reader of the files of a recipe, with the labels of their elements if needed."""
    inputs, label = recipe.model.input, recipe.data.element_label
    if label is not None and recipe.model.task != "segmentation":
        raise ValueError(
            f"data.element_label={label!r} is for segmentation, not {recipe.model.task}; "
            "leave it out"
        )
    if clips > 1 and recipe.model.task == "reconstruction":
        raise ValueError(f"clips={clips}, but clips are not averaged to rebuild; leave clips out")
    if recipe.model.task not in ("segmentation", "flow", "occupancy"):
        return with_clips(build_reader(inputs), clips)
    if clips > 1:
        raise ValueError(f"clips={clips}, but each element is predicted once; leave clips out")
    if recipe.model.task == "occupancy":
        return modality_of(inputs).solid_reader(inputs)
    return modality_of(inputs).labelled_reader(inputs, label=label, classes=classes)


def measure_files(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Complete the input of a recipe by what has to be measured in its training files.

    What its augmentation leaves unchanged is said too.

    Args:
        recipe: the recipe, whose data is listed for it.

    Returns:
        The recipe, and a line for each value that was measured or thing to be said.

    Raises:
        ValueError, OSError: as `read_recipe_splits`.
    """
    inputs = recipe.model.input

    @functools.cache
    def sources() -> list[Any]:
        if holds_arrays(recipe.data):
            return []
        examples = read_recipe_splits(recipe, decode=False).examples["train"]
        if not isinstance(examples, FileExamples):
            return []
        rows = examples.rows[:: max(1, len(examples) // MAX_MEASURED)].tolist()
        return [examples.files[row][1] for row in rows]

    with using(limits_of(recipe.limits)):
        measured, lines = modality_of(inputs).measure(inputs, sources)
    lines = [*lines, *modality_of(inputs).augmentation_remarks(inputs, recipe.data)]
    model = dataclasses.replace(recipe.model, input=measured)
    return dataclasses.replace(recipe, model=model), lines


def absolute_path(path: str | None) -> str | None:
    """Return an existing local path as an absolute path, and anything else unchanged."""
    if path is None or is_hub_name(path) or not Path(path).expanduser().exists():
        return path
    return str(Path(path).expanduser().resolve())


def fit_to_data(recipe: Recipe, splits: Splits) -> Recipe:
    """Return the recipe with the task, the score to monitor, the classes and the path of its data.

    Paths become absolute.

    Args:
        recipe: recipe to complete.
        splits: the data that it is trained on.

    Raises:
        ValueError: the recipe's task or monitored score does not fit the labels of the data.
    """
    model = recipe.model.for_labels(splits.task, len(splits.labels))
    check_element_options(recipe, splits.task)
    validated = "validation" in splits.examples
    monitor = resolve_monitor(recipe.trainer.monitor, splits.task, validated)
    check_monitor(monitor, splits.task, splits.labels)
    if not validated and recipe.optimizer.schedule == "plateau":
        raise ValueError(
            "optimizer.schedule=plateau follows the validation loss, and data.validation=0 holds "
            "out no examples; choose another schedule"
        )
    if monitor == LAST and recipe.trainer.patience:
        log.info(
            "all %d epochs are trained, without early stopping: the weights of the last are kept",
            recipe.trainer.max_epochs,
        )
    data = dataclasses.replace(recipe.data, path=absolute_path(recipe.data.path), task=splits.task)
    trainer = dataclasses.replace(
        recipe.trainer,
        monitor=monitor,  # type: ignore[arg-type]
        patience=recipe.trainer.patience if monitor != LAST else 0,
        init=absolute_path(recipe.trainer.init),
    )
    return dataclasses.replace(recipe, model=model, data=data, trainer=trainer)


def check_element_options(recipe: Recipe, task: Task) -> None:
    """Check that no option asks for what cannot be done with outputs for each element.

    Raises:
        ValueError: examples would be mixed, or elements permuted.
    """
    data = recipe.data
    if task in EXAMPLE_TASKS:
        return
    given: dict[str, object] = {"mixup": data.mixup, "cutmix": data.cutmix}
    given |= {"permute": data.permute != "none", "rand_augment_layers": data.rand_augment_layers}
    if wrong := [name for name, value in given.items() if value]:
        raise ValueError(
            f"data.{wrong[0]} is for one label of a whole example, and the task is {task}; leave "
            "it out"
        )


def check_labels(model: PerceiverModel, splits: Splits) -> None:
    """Check that a model can be scored on data.

    Args:
        model: model with the task and labels that it was trained on.
        splits: data to score. Its task must be the model's, and its labels must be those of the
            model or, except for regression, some of them.

    Raises:
        ValueError: the data has another task or other labels.
    """
    if splits.task in (*NUMBER_TASKS, *UNLABELLED, "segmentation"):
        known = splits.labels == model.labels
    else:
        known = None not in matching_names(splits.labels, model.labels)
    if splits.task != model.config.task or not known:
        raise ValueError(
            f"the data has {splits.task} labels {list(splits.labels)[:10]}, but the model was "
            f"trained on {model.config.task} labels {list(model.labels)[:10]}; use data with the "
            "same labels"
        )


def renumber_labels(model_labels: Sequence[str], splits: Splits) -> None:
    """Replace the data's indices of classes or labels by those of a model, in place.

    Args:
        model_labels: labels of the model, in output order; they include those of the data.
        splits: data to change.
    """
    names = matching_names(splits.labels, model_labels)
    indices = torch.tensor([model_labels.index(name) for name in names if name is not None])
    for examples in splits.examples.values():
        if splits.task == "classification":
            examples.labels = indices[examples.labels]
        elif splits.task == "multilabel":
            original = examples.labels
            examples.labels = original.new_zeros(len(original), len(model_labels))
            examples.labels[:, indices] = original


def check_outputs(model: PerceiverModel, splits: Splits) -> None:
    """Check that a model has as many outputs as the data needs, for the same task.

    Args:
        model: the model.
        splits: the data.

    Raises:
        ValueError: it has not.
    """
    own, count = model.config, len(splits.labels)
    if own != own.for_labels(splits.task, count):
        raise ValueError(
            f"the model has {len(model.labels)} outputs for {own.task}, the data has {count} for "
            f"{splits.task}; create the model with num_classes={count}, task={splits.task!r}"
        )

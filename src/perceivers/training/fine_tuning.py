"""Start a training from the weights of another model, and keep some of them as they are."""

import dataclasses
from collections.abc import Iterator

from ..checkpoint import load, local_directory, read_config, read_model_config
from ..data.saved_splits import SavedSplits
from ..hub import is_hub_name
from ..models.base import PerceiverModel
from ..models.build import build, build_on_meta
from ..models.transfer import architecture_of, take_weights
from .recipe import Recipe


def with_init(recipe: Recipe, init: str) -> Recipe:
    """Return a recipe that starts from a model, with the architecture of that model.

    Options of the model that are given beside it have to be applied after this.

    Args:
        recipe: recipe for the new data.
        init: a run, a saved model or hf://owner/name.

    Raises:
        ValueError: the model reads another kind of inputs than the data holds, or is damaged.
        OSError: there is no such model.
    """
    source, _ = read_model_config(local_directory(init))
    model = architecture_of(source, recipe.model, init)
    trainer = dataclasses.replace(recipe.trainer, init=init)
    return dataclasses.replace(recipe, model=model, trainer=trainer)


def build_model(recipe: Recipe, labels: tuple[str, ...]) -> tuple[PerceiverModel, list[str]]:
    """Build the model of a recipe, with the weights that it starts from.

    Args:
        recipe: recipe that is fitted to its data.
        labels: names of the outputs.

    Returns:
        The model, and lines that say which weights were taken; none without `trainer.init`.

    Raises:
        ValueError: no weight fits, or the source is damaged.
        OSError: there is no such model.
    """
    model, name = build(recipe.model, labels), recipe.trainer.init
    if name is None:
        return model, []
    source = load(name)
    if not isinstance(source, PerceiverModel):
        raise ValueError(f"{name} holds a {type(source).__name__}, which reads no files or batches")
    needed = frozen_weights(model) if recipe.trainer.freeze == "encoder" else []
    return model, take_weights(model, source, name, needed)


def describe_copies(splits: SavedSplits, init: str | None) -> list[str]:
    """Describe the examples outside the training split that a model was trained on all the same.

    Args:
        splits: the splits of a run.
        init: what the run starts from, a run or another model; None: a new model.

    Returns:
        A line for each split that has copies of the run's own training examples, or of those of a
        run that it starts from, directly or through others; and one if such a run cannot be read.

    Raises:
        ValueError: the splits of the run that it starts from are damaged.
    """
    lines = splits.describe_copies()
    for line in ancestors(init):
        if isinstance(line, str):
            lines.append(line)
            continue
        name, source = line
        for split, count in splits.copies(source).items():
            if count:
                lines.append(
                    f"{name} was trained on {count:,} of the {len(splits.examples[split]):,} "
                    f"{split} examples, so their scores say little about new data"
                )
    return lines


def ancestors(init: str | None, *, begun: bool = False) -> Iterator[tuple[str, SavedSplits] | str]:
    """Iterate over the runs that a run starts from, the last one first.

    Args:
        init: what it starts from; None: a new model.
        begun: whether the run has begun, and does not need them any more.

    Yields:
        The name and the splits of a run, or a line that says why no more of them are known. Models
        without a record of what they were trained on end the chain.

    Raises:
        OSError, ValueError: what the run starts from cannot be read, and it has not begun.
    """
    names: list[str] = []
    while init is not None and init not in names:
        whose = f"{init}, which {names[-1]} started from," if names else init
        if (names or begun) and is_hub_name(init):
            return  # another model, which is not downloaded for its splits
        try:
            directory = local_directory(init)
            splits, config = SavedSplits.read(directory), read_config(directory)
        except (OSError, ValueError) as error:
            if not (names or begun):
                raise
            yield (
                f"what {whose} was trained on is not known, so that examples of it are not counted "
                f"among those held out or scored: {error}"
            )
            return
        if splits is not None:
            yield whose, splits
        names.append(init)
        trainer = config.get("recipe", {}).get("trainer", {})
        init = trainer.get("init")


def check_freeze(recipe: Recipe, model: PerceiverModel | None) -> None:
    """Check that weights which are to stay as they are were learned before.

    Args:
        recipe: recipe of a new run.
        model: model that is trained; None: a new one.

    Raises:
        ValueError: they are random, or no other weights are left.
    """
    if recipe.trainer.freeze == "none":
        return
    if model is None and recipe.trainer.init is None:
        raise ValueError(
            f"trainer.freeze={recipe.trainer.freeze} would keep the random weights of a new model; "
            "say what to start from: --init RUN"
        )
    trained = model or build_on_meta(recipe.model)
    if len(frozen_weights(trained)) == len(list(trained.parameters())):
        raise ValueError(
            f"trainer.freeze={recipe.trainer.freeze} would leave nothing to train: a model of kind "
            f"{trained.config.kind!r} has no weights besides its encoder"
        )


def frozen_weights(model: PerceiverModel) -> list[str]:
    """Return the names of the weights that `freeze` excludes from training."""
    frozen = {id(weight) for module in model.encoder for weight in module.parameters()}
    return [name for name, weight in model.named_parameters() if id(weight) in frozen]


def freeze(model: PerceiverModel, recipe: Recipe) -> None:
    """Exclude the weights from training that `trainer.freeze` names."""
    if recipe.trainer.freeze == "encoder":
        for module in model.encoder:
            module.requires_grad_(False)

"""The recipe to start from for files of a modality, and the input chosen for the files."""

from dataclasses import dataclass, replace

from ..modalities import FileModality, InputConfig
from ..modalities.measures import Measures
from ..recipes import get_recipe
from ..recipes.folder import folder
from ..training.recipe import Recipe


@dataclass(frozen=True)
class StartingPoint:
    """A recipe for a kind of data, and the input configuration that replaces the recipe's own."""

    recipe: Recipe
    """The recipe, with its augmentation adapted to the data."""
    input: InputConfig
    """The chosen input configuration."""
    lines: tuple[str, ...]
    """Descriptions of the chosen input, one line each."""


def choose_input(modality: FileModality, measures: Measures) -> StartingPoint:
    """Choose a recipe and the input of its model for files of a modality.

    Args:
        modality: modality of the files.
        measures: distributions of the measurements of the files.
    """
    recipe = get_recipe(modality.recipe_for(measures))
    choice = modality.choose(measures, recipe.model.input)
    # Some recipes hold nothing out, because their epochs were chosen before; here they are not.
    data = replace(recipe.data, validation=folder().data.validation, **choice.augmentation)
    return StartingPoint(replace(recipe, data=data), choice.input, choice.lines)

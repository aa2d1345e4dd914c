"""The recipe to start from for files of a modality, with its input chosen for them."""

from dataclasses import dataclass, replace

from ..modalities import FileModality, InputConfig
from ..modalities.measures import Measures
from ..recipes import get_recipe
from ..training.recipe import Recipe


@dataclass(frozen=True)
class StartingPoint:
    """A recipe for such data, and the input that replaces the recipe's own."""

    recipe: Recipe
    """The recipe, with its augmentation adapted."""
    input: InputConfig
    """The chosen input configuration."""
    lines: tuple[str, ...]
    """The chosen input in words, one line each."""


def choose_input(modality: FileModality, measures: Measures) -> StartingPoint:
    """Choose the input of a model for measured files of a modality."""
    recipe = get_recipe(modality.recipe_for(measures))
    choice = modality.choose(measures, recipe.model.input)
    data = replace(recipe.data, **choice.augmentation)
    return StartingPoint(replace(recipe, data=data), choice.input, choice.lines)

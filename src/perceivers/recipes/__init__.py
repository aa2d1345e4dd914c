"""The named recipes, one file for each. Imports no torch."""

from collections.abc import Callable

from ..errors import unknown
from ..training.recipe import Recipe
from .autoencode_av import autoencode_av
from .bytes_lm import bytes_lm
from .cifar10 import cifar10
from .cifar100 import cifar100, cifar100_small
from .co2 import co2
from .digits import digits
from .drums import drums
from .flow import flow
from .folder import folder
from .fsdd import fsdd, fsdd_raw
from .furniture import furniture
from .grid_corpus import grid_audio, grid_av, grid_video
from .keras_cifar100 import keras_cifar100, keras_cifar100_lamb
from .kicad import kicad
from .mlm import mlm
from .perceiver_pytorch_cifar10 import perceiver_pytorch_cifar10
from .rt_polarity import rt_polarity
from .segment_points import segment_points
from .series_ar import series_ar
from .shape_vae import shape_vae
from .vowels import vowels

RECIPES: dict[str, Callable[[], Recipe]] = {
    make().name: make
    for make in (
        digits,
        cifar10,
        cifar100,
        cifar100_small,
        keras_cifar100,
        keras_cifar100_lamb,
        perceiver_pytorch_cifar10,
        fsdd,
        fsdd_raw,
        grid_audio,
        grid_video,
        grid_av,
        kicad,
        furniture,
        drums,
        rt_polarity,
        mlm,
        vowels,
        bytes_lm,
        segment_points,
        shape_vae,
        autoencode_av,
        flow,
        co2,
        series_ar,
        folder,
    )
}


def get_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        ValueError: no recipe has this name; the message suggests the nearest one.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]()

"""The command `perceivers cost`."""

import argparse
from pathlib import Path

from ..models.presets import PRESETS
from .console import say
from .parser import Add


def add(command: Add) -> None:
    """Add the command `cost` to the command line."""
    sub = command(
        "cost", _cost, "Count the parameters and FLOPs of a model, for inputs of several sizes."
    )
    sub.add_argument(
        "model", metavar="PRESET|RUN_DIR",
        help="name of a preset (see perceivers list), directory of a run or saved model, or "
        "hf://OWNER/NAME for a model of the Hugging Face hub",
    )  # fmt: skip
    sub.add_argument(
        "--inputs", type=int, nargs="+", default=[], metavar="M",
        help="numbers of input elements per example to count FLOPs for "
        "[1/16, 1/4, 1, 4 and 16 times the number that the model is configured for]",
    )  # fmt: skip


def _cost(options: argparse.Namespace, rest: list[str]) -> int:
    from ..checkpoint import CONFIG, read_model_config
    from ..errors import unknown
    from ..hub import download, is_hub_name
    from ..models.config import EncoderConfig
    from ..models.cost import cost

    config: EncoderConfig
    if options.model in PRESETS:
        config = PRESETS[options.model]()
    elif is_hub_name(options.model):
        config, _ = read_model_config(download(options.model, (CONFIG,)))
    elif Path(options.model).is_dir():
        config, _ = read_model_config(Path(options.model))
    else:
        raise unknown("preset or run directory", options.model, PRESETS)
    native = cost(config)
    sizes = options.inputs or [max(1, native.num_inputs * k // 16) for k in (1, 4, 16, 64, 256)]
    costs = [native.at(size) for size in sizes]
    say(f"{native.num_parameters:,} parameters ({native.num_parameters / 1e6:.2f}M)")
    say("GFLOPs of one example, a multiply and an add counted as two:")
    say(f"{'inputs M':>12} {'cross':>12} {'latent':>12} {'total':>12} {'as published':>13}")
    for c in costs:
        cells = (c.cross_flops, c.latent_flops, c.flops, c.flops_published)
        say(f"{c.num_inputs:>12,}" + "".join(f" {value / 1e9:>12.3f}" for value in cells))
    say("as published: with the keys and values of a shared cross-attend computed at each step")
    return 0

"""The command `perceivers train`."""

import argparse
import logging
import signal
import time
from pathlib import Path
from typing import Any

from ..autoconfig.choose import Choice, changes_with_epochs, choose_for, started
from ..printing import option_text
from ..recipes import RECIPES, get_recipe
from ..training.logs import Remembered, news, remembered_log, without_findings
from . import options as config_options
from .console import say
from .evaluate import task_and_labels
from .parser import Add, Parser, add_debug

log = logging.getLogger(__name__)

PROG = "perceivers train"
TIME_FORMAT = "%Y%m%d-%H%M%S"  # in the default name of a run directory


def add(command: Add) -> None:
    """Add the command `train` to the command line."""
    text = "Train a model with a recipe, or continue a run (RUN_DIR --resume)."
    _add_fixed_options(command("train", _train, text, add_help=False))


def _add_fixed_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that do not depend on the recipe."""
    names = ", ".join(RECIPES)
    parser.add_argument(
        "recipe", nargs="?", metavar="RECIPE|RUN_DIR",
        help=f"recipe to train, one of {names}; with --resume, directory of the run to continue",
    )  # fmt: skip
    parser.add_argument(
        "-h", "--help", action="store_true",
        help="show this help message, with the options of RECIPE, and exit",
    )  # fmt: skip
    parser.add_argument(
        "--data", metavar="PATH|hf://OWNER/NAME",
        help="data to train on: a folder, a table, an archive, or a data set of images on the "
        "Hugging Face hub; the same as --data.path",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="RUN_DIR",
        help="directory to create for the run [runs/RECIPE-TIME]",
    )  # fmt: skip
    parser.add_argument(
        "--init", metavar="RUN|MODEL|hf://OWNER/NAME",
        help="model to start from: its architecture, and its weights wherever they fit; the same "
        "as --trainer.init",
    )  # fmt: skip
    parser.add_argument(
        "--resume", action="store_true",
        help="continue the run in RUN_DIR from its last checkpoint",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, metavar="N", help="random seed; the same as --trainer.seed"
    )
    parser.add_argument(
        "--strict", action="store_true",
        help="stop at the first unreadable file instead of skipping it; the same as --data.strict "
        "true",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true",
        help="print what would be trained and how long it would take, without training",
    )  # fmt: skip
    add_debug(parser)


def _train(namespace: argparse.Namespace, rest: list[str]) -> int:
    if namespace.data is not None and not namespace.data.strip():
        raise ValueError("--data is empty; expected a folder, a table or an archive")
    if namespace.recipe is None:
        if not namespace.help:
            raise ValueError(f"expected a recipe or a run directory; see {PROG} --help")
        return _print_help(namespace, Choice(get_recipe("folder")), rest)
    with remembered_log() as said:
        start = _starting_point(namespace, rest)
    if namespace.help:
        return _print_help(namespace, start, rest)
    parser = Parser(prog=PROG, add_help=False)
    _add_fixed_options(parser)
    values = config_options.parse(rest, start.recipe, prog=PROG, others=parser.long_options)
    changes = _changes(namespace, start, values)

    with without_findings(start.lines):
        return _plan_and_train(namespace, start, changes, said)


def _plan_and_train(
    namespace: argparse.Namespace, start: Choice, changes: dict[str, Any], said: Remembered
) -> int:
    """Print the plan of a run, and train it unless it is a dry run; return the exit status."""
    from ..machine import keep_freed_memory
    from ..report.write import write
    from ..training.engine import check_resumable, check_unused, resume, train
    from ..training.plan import plan
    from ..training.recipe_data import read_saved_splits

    keep_freed_memory()
    recipe, run_dir = config_options.apply(start.recipe, changes), _run_dir(namespace)
    epochs_done = check_resumable(run_dir, recipe) if namespace.resume else 0
    if not namespace.resume:
        check_unused(run_dir)
    lines = list(start.lines)
    options = {path: value for path, value in changes.items() if path != "data.path"}
    if lines and options:
        changed = [f"--{path} {option_text(value)}" for path, value in options.items()]
        lines.append(f"changed: {' '.join(changed)}")
    with remembered_log() as planning:
        if lines or namespace.dry_run:
            saved = read_saved_splits(run_dir) if namespace.resume else None
            planned = plan(recipe, saved=saved, epochs_done=epochs_done)
            lines += planned.lines(classes=namespace.dry_run)  # a run logs its classes itself
    if namespace.dry_run:
        for line in [*lines, f"run: {run_dir} (dry run, nothing was written)"]:
            say(line)
        return 0
    for line in lines:
        log.info(line)
    notes = [*said.lines(), *lines, *news(planning.lines(), lines)]
    if namespace.resume:
        result = resume(run_dir, recipe, report=write)
    else:
        result = train(recipe, run_dir, notes=notes, report=write)
    report(result, run_dir)
    stopped_by = result["interrupted"]
    return 128 + signal.Signals[stopped_by] if stopped_by else 0


def _starting_point(namespace: argparse.Namespace, rest: list[str]) -> Choice:
    """Return the recipe before any options: of a run, by name, or chosen for the data."""
    name, run_dir = namespace.recipe, Path(namespace.recipe)
    if namespace.resume:
        from ..training.recipe_data import read_recipe

        return Choice(read_recipe(run_dir))
    if name not in RECIPES and (run_dir / "config.json").is_file():
        raise ValueError(
            f"{run_dir} is a run, not a recipe; to continue it: {PROG} {run_dir} --resume"
        )
    if name not in RECIPES and run_dir.exists():
        raise ValueError(
            f"{run_dir} is not a recipe; to train on it: {PROG} folder --data {run_dir}"
        )
    recipe = get_recipe(name)
    values = config_options.parse(rest, recipe, prog=PROG, ignore_unknown=True)
    init = namespace.init or values.get("trainer.init")
    if name != "folder" or not namespace.data:
        return Choice(started(recipe, init))
    data_options = {path: value for path, value in values.items() if path.startswith("data.")}
    if namespace.strict:
        data_options["data.strict"] = True
    return choose_for(namespace.data, config_options.apply(recipe, data_options).data, init=init)


def _run_dir(namespace: argparse.Namespace) -> Path:
    if namespace.resume:
        if namespace.out is not None:
            raise ValueError(
                f"--out {namespace.out} is for a new run, and --resume writes to the run itself; "
                "leave one of them out"
            )
        return Path(namespace.recipe)
    return namespace.out or Path("runs") / f"{namespace.recipe}-{time.strftime(TIME_FORMAT)}"


def _changes(
    namespace: argparse.Namespace, start: Choice, values: dict[str, Any]
) -> dict[str, Any]:
    """Return the new values of all fields that the options change, by path.

    Args:
        namespace: the options that do not depend on the recipe.
        start: the recipe before any options.
        values: the values given by the options of the recipe, by path.
    """
    changes = dict(values)
    if start.lines and (epochs := changes.get("trainer.max_epochs")):
        for path, value in changes_with_epochs(start.recipe, epochs).items():
            changes.setdefault(path, value)
    if namespace.seed is not None:
        changes["trainer.seed"] = namespace.seed
    if namespace.init is not None:
        changes["trainer.init"] = namespace.init
    if namespace.strict:
        changes["data.strict"] = True
    if namespace.data is not None:
        changes["data.path"] = namespace.data
    return changes


def _print_help(namespace: argparse.Namespace, start: Choice, rest: list[str]) -> int:
    """Print the help, with the options of a recipe and the values that would be trained with."""
    usage = f"{PROG} RECIPE|RUN_DIR [OPTION VALUE]…"
    parser = Parser(prog=PROG, usage=usage, add_help=False)
    _add_fixed_options(parser)
    values = config_options.parse(rest, start.recipe, prog=PROG, ignore_unknown=True)
    changes = _changes(namespace, start, values)
    config_options.add_options(parser, config_options.apply(start.recipe, changes))
    several = "Options with several values take them separated by commas."
    if namespace.recipe is None:
        parser.description = (
            "Train a model with a recipe, or continue a run. The options in the groups below are "
            f"those of the recipe folder, with their default values in brackets. {several}"
        )
    elif start.lines:
        parser.description = (
            f"The options of {namespace.recipe}, with the values chosen for {namespace.data} in "
            f"brackets; --dry-run says why. {several}"
        )
    else:
        parser.description = (
            f"The options of {namespace.recipe}, with their values in brackets. {several}"
        )
    parser.print_help()
    return 0


def report(result: dict[str, Any], run_dir: Path) -> None:
    """Print the result of a run.

    Args:
        result: the result of `training.engine.train` or `resume`.
        run_dir: directory of the run.
    """
    from ..training.results import result_lines

    for line in result_lines(result, *task_and_labels(run_dir), run_dir):
        say(line)

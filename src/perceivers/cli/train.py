"""`perceivers train`."""

import argparse
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import overrides
from ..data.config import DataConfig
from ..recipes import RECIPES, get_recipe
from ..recipes.choose import Choice, for_folder, warmup
from ..training.recipe import Recipe
from .evaluate import scores_sayer, test_line
from .parser import Add, Parser

log = logging.getLogger(__name__)

TIME = "%Y%m%d-%H%M%S"  # of the name of a run


def add(command: Add, arguments: list[str]) -> None:
    """See `Add`; of the whole command line, because the options depend on recipe and data."""
    sub = command("train", _train, "Train a recipe, or go on with a run (RUN_DIR --resume).")
    sub.add_argument("recipe", metavar="RECIPE|RUN_DIR", help=", ".join(RECIPES))
    sub.add_argument("--data", metavar="PATH|HUB_NAME", help="where the data lies")
    sub.add_argument("--out", type=Path, metavar="RUN_DIR", help="default: runs/RECIPE-TIME")
    sub.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    sub.add_argument("--seed", type=int, help="same as --trainer.seed")
    sub.add_argument("--strict", action="store_true", help="stop at an unreadable file")
    sub.add_argument("--dry-run", action="store_true", help="say what it would do, and stop")
    start = _starting_point(arguments)
    overrides.add_options(sub, start.recipe)
    sub.set_defaults(start=start)


@dataclass(frozen=True)
class _Asked:
    """Options that the choice of a recipe heeds."""

    data: DataConfig = field(default_factory=DataConfig)
    """The data."""


def _starting_point(arguments: list[str]) -> Choice:
    """The recipe whose fields are the options: one by name, or chosen for the files of a folder."""
    if arguments[:1] != ["train"]:
        return Choice(Recipe(name=""))
    named = next((word for word in arguments[1:] if word in RECIPES), "")
    if named == "folder":
        early = Parser(prog="perceivers train", add_help=False, allow_abbrev=False)
        early.add_argument("--data")
        overrides.add_options(early, _Asked())
        given = vars(early.parse_known_args(arguments)[0])
        if data := given.pop("data"):
            return for_folder(data, overrides.apply(_Asked(), given).data)
    return Choice(get_recipe(named) if named else Recipe(name=""))


def _train(options: argparse.Namespace, rest: list[str]) -> int:
    start: Choice = options.start
    run_dir = Path(options.recipe)
    if not options.resume:
        if options.recipe not in RECIPES and (run_dir / "config.json").is_file():
            raise ValueError(f"{run_dir} is a run; to go on with it: train {run_dir} --resume")
        if start.recipe.name != options.recipe:
            start = Choice(get_recipe(options.recipe))
        run_dir = options.out or Path("runs") / f"{options.recipe}-{time.strftime(TIME)}"
    overrides.reject_unknown(rest, options.start.recipe)
    changes, lines = _changes(options, start), list(start.lines)

    from ..training.engine import check_unused, read_recipe, resume, train
    from ..training.plan import plan

    recipe = overrides.apply(read_recipe(run_dir) if options.resume else start.recipe, changes)
    if not options.resume:
        check_unused(run_dir)
    chosen = {path: value for path, value in changes.items() if path != "data.path"}
    if lines and chosen:
        asked = [f"--{path} {overrides.show(value)}" for path, value in chosen.items()]
        lines.append(f"changed: {' '.join(asked)}")
    if lines or options.dry_run:
        lines += plan(recipe).lines()
    if options.dry_run:
        print("\n".join([*lines, f"run: {run_dir}, of which nothing was written"]))
        return 0
    for line in lines:
        log.info(line)
    result = resume(run_dir, recipe) if options.resume else train(recipe, run_dir, notes=lines)
    report(result, run_dir)
    return 130 if result["interrupted"] else 0


def _changes(options: argparse.Namespace, start: Choice) -> dict[str, Any]:
    """What the options change of a recipe, by path."""
    changes = {path: value for path, value in vars(options).items() if "." in path}
    if start.lines and (epochs := changes.get("trainer.max_epochs")):
        changes.setdefault("optimizer.warmup_epochs", warmup(start.recipe, epochs))
    if options.seed is not None:
        changes["trainer.seed"] = options.seed
    if options.strict:
        changes["data.strict"] = True
    if options.data is not None:
        changes["data.path"] = options.data
    return changes


def report(result: dict[str, Any], run_dir: Path) -> None:
    """Print what came of a run."""
    say, best = scores_sayer(run_dir), result["best"]
    if best:
        print(f"best epoch {best['epoch']}: validation {say(best, 'val_')}")
    if "test" in result:
        print(test_line(result["test"], say))
    print(f"run: {run_dir}")

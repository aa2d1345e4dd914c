"""The command line. Imports torch only inside a command that needs it."""

import argparse
import ast
import functools
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import __version__, overrides
from .data.sets import SETS
from .models.presets import PRESETS
from .recipes import RECIPES, get_recipe
from .recipes.choose import Choice, for_folder, warmup
from .training.recipe import Recipe

log = logging.getLogger(__name__)

TIME = "%Y%m%d-%H%M%S"  # of the name of a run


class Parser(argparse.ArgumentParser):
    """argparse with one line an error."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 if all went well.

    What a user can mend is one line on stderr; `PERCEIVERS_DEBUG=1` shows where it came from.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        options, rest = _parser(arguments).parse_known_args(arguments)
        if rest and options.command != "train":
            raise ValueError(
                f"unexpected argument {rest[0]!r}; see perceivers {options.command} -h"
            )
        return options.run(options, rest)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("PERCEIVERS_DEBUG"):
            raise
        message = " ".join(str(error).split())
        print(f"perceivers: {message or type(error).__name__}", file=sys.stderr)
        return 1


def _parser(arguments: list[str]) -> Parser:
    parser = Parser(
        prog="perceivers", description="Train and use Perceivers, on any input.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )

    def command(name: str, run: Any, text: str, **more: Any) -> Parser:
        sub = commands.add_parser(name, help=text, description=text, allow_abbrev=False, **more)
        sub.set_defaults(run=run)
        return sub

    command("list", _list, "Show recipes, presets and data sets.")
    _train_parser(command, arguments)
    sub = command("eval", _eval, "Score a run on its test split; writes metrics.json.")
    sub.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    sub.add_argument("--data", metavar="PATH|HUB_NAME", help="other data with the same classes")
    clips = "sound and videos: parts of each file to average over [1, its middle]"
    sub.add_argument("--clips", type=int, default=1, metavar="K", help=clips)
    sub = command("predict", _predict, "Name what is in each file, or tell its numbers.")
    sub.add_argument("model", metavar="RUN_DIR", help="a run, a saved model or a hub name")
    sub.add_argument("files", nargs="+", type=Path, metavar="FILE")
    sub.add_argument("--top-k", type=int, default=5, metavar="K", help="classes to show [5]")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub.add_argument("--clips", type=int, default=1, metavar="K", help=clips)
    sub.add_argument(
        "--own-size", action="store_true",
        help="read images at their own size, large ones in parts, instead of resized",
    )  # fmt: skip
    sub = command(
        "convert", _convert, "Weights of the Keras example or perceiver-pytorch to our format."
    )
    sub.add_argument("source", type=Path, metavar="SOURCE", help="the other library's file")
    sub.add_argument("dest", type=Path, metavar="DEST", help="a new directory")
    sub.add_argument(
        "--arguments", nargs="+", default=[], metavar="NAME=VALUE",
        help="what the file does not tell, such as depth=6 max_freq=10 num_freq_bands=6",
    )  # fmt: skip
    sub.add_argument(
        "--input-shape", type=int, nargs="+", metavar="SIZE", help="such as 32 32 for images"
    )
    sub.add_argument("--labels", nargs="+", metavar="NAME", help="class names in output order")
    for name, text in (("mean", "subtracted from"), ("std", "then divided into")):
        sub.add_argument(
            f"--{name}", type=float, nargs="+", metavar="X",
            help=f"{text} each channel of images in [0, 1], as the model was trained with",
        )  # fmt: skip
    sub = command("cost", _cost, "Count parameters and FLOPs, and how they grow with the input.")
    sub.add_argument("model", metavar="PRESET|RUN_DIR")
    sub.add_argument(
        "--inputs", type=int, nargs="+", default=[], metavar="M", help="elements of an example"
    )
    return parser


def _train_parser(command: Any, arguments: list[str]) -> None:
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


def _starting_point(arguments: list[str]) -> Choice:
    """The recipe whose fields are the options: one by name, or chosen for the files of a folder."""
    if arguments[:1] != ["train"]:
        return Choice(Recipe(name=""))
    named = next((word for word in arguments[1:] if word in RECIPES), "")
    if named == "folder":
        early = Parser(prog="perceivers train", add_help=False, allow_abbrev=False)
        early.add_argument("--data")
        if data := early.parse_known_args(arguments)[0].data:
            return for_folder(data)
    return Choice(get_recipe(named) if named else Recipe(name=""))


def _list(options: argparse.Namespace, rest: list[str]) -> int:
    for title, entries in (
        ("recipes", {name: _first_line(make) for name, make in RECIPES.items()}),
        ("presets", {name: _first_line(make) for name, make in PRESETS.items()}),
        ("data sets", {name: entry.title for name, entry in SETS.items()}),
    ):
        print(f"{title}:")
        for name, text in entries.items():
            print(f"  {name:28} {text}")
    return 0


def _train(options: argparse.Namespace, rest: list[str]) -> int:
    start: Choice = options.start
    run_dir = Path(options.recipe)
    if not options.resume:
        if start.recipe.name != options.recipe:
            start = Choice(get_recipe(options.recipe))
        run_dir = options.out or Path("runs") / f"{options.recipe}-{time.strftime(TIME)}"
    overrides.reject_unknown(rest, options.start.recipe)
    changes, lines = _changes(options, start), list(start.lines)

    from .training.engine import check_unused, read_recipe, resume, train
    from .training.plan import plan

    recipe = overrides.apply(read_recipe(run_dir) if options.resume else start.recipe, changes)
    if not options.resume:
        check_unused(run_dir)
    if asked := [f"--{path} {value}" for path, value in changes.items() if lines]:
        lines.append(f"changed: {' '.join(asked)}")
    if lines or options.dry_run:
        lines += plan(recipe).lines()
    if options.dry_run:
        print("\n".join([*lines, f"run: {run_dir}, of which nothing was written"]))
        return 0
    for line in lines:
        log.info(line)
    result = resume(run_dir, recipe) if options.resume else train(recipe, run_dir, notes=lines)
    _report(result, run_dir)
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


def _report(result: dict[str, Any], run_dir: Path) -> None:
    say, best = _scores_sayer(run_dir), result["best"]
    if best:
        print(f"best epoch {best['epoch']}: validation {say(best, 'val_')}")
    if "test" in result:
        print(_test_line(result["test"], say))
    print(f"run: {run_dir}")


def _scores_sayer(run_dir: Path) -> Callable[..., str]:
    """Writes scores as a run's task calls them; see `training.scores.say_scores`."""
    from .checkpoint import read_config
    from .models.config import ModelConfig, from_dict
    from .training.scores import say_scores

    config = read_config(run_dir)
    task = from_dict(ModelConfig, config["model"], "model").task
    return functools.partial(say_scores, task, config["labels"])


def _test_line(scores: dict[str, Any], say: Callable[..., str]) -> str:
    return f"test {say(scores)}, loss {scores['loss']:.4f} on {scores['examples']:,} examples"


def _eval(options: argparse.Namespace, rest: list[str]) -> int:
    from .training.engine import evaluate

    scores = evaluate(options.run_dir, options.data, clips=options.clips)
    print(_test_line(scores, _scores_sayer(options.run_dir)))
    return 0


def _predict(options: argparse.Namespace, rest: list[str]) -> int:
    from .predict import Predictor, each

    results, failed = [], 0
    predictor = Predictor(
        options.model, own_size=options.own_size, clips=options.clips, progress=_progress()
    )
    for file, outcome in each(predictor, options.files, options.top_k):
        if isinstance(outcome, ValueError):
            print(f"perceivers: {outcome}", file=sys.stderr)
            failed += 1
        elif options.json:
            results.append({"file": str(file), "predictions": predictor.as_json(outcome)})
        else:
            print(f"{file}: {predictor.as_text(outcome)}")
    if options.json:
        print(json.dumps(results, indent=1))
    return 1 if failed else 0


def _progress() -> Callable[[float], None]:
    """Tells on stderr, now and then, how much is done and how long the rest will take."""
    began = said = time.monotonic()

    def tell(share: float) -> None:
        nonlocal began, said
        now = time.monotonic()
        if now - said > 5:
            rest = (now - began) * (1 - share) / share
            print(f"perceivers: {share:.0%} read, {rest:.0f} s left", file=sys.stderr)
            said = now
        if share >= 1:
            began = said = now  # the next file's

    return tell


def _convert(options: argparse.Namespace, rest: list[str]) -> int:
    if options.dest.exists() and (not options.dest.is_dir() or any(options.dest.iterdir())):
        raise FileExistsError(f"{options.dest} exists already; choose another DEST")
    arguments = {}
    for text in options.arguments:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--arguments {text!r}: expected NAME=VALUE, such as depth=6")
        arguments[name] = _literal(value)

    from .checkpoint import save
    from .interop import convert

    converted = convert(
        options.source,
        input_shape=options.input_shape,
        labels=options.labels,
        mean=options.mean,
        std=options.std,
        **arguments,
    )
    save(converted.model, options.dest)
    if converted.difference is None:
        print(f"not compared with {converted.library}: {converted.why_not}")
    else:
        print(
            f"largest difference to {converted.library} on a random batch: "
            f"{converted.difference:.2g}"
        )
    print(f"model: {options.dest}")
    return 0


def _literal(text: str) -> Any:
    """A number, truth value or tuple as Python writes it; anything else is a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower(), text)


def _cost(options: argparse.Namespace, rest: list[str]) -> int:
    from .checkpoint import read_config
    from .errors import unknown
    from .models.config import ModelConfig, from_dict
    from .models.cost import cost

    if options.model in PRESETS:
        config = PRESETS[options.model]()
    elif Path(options.model).is_dir():
        config = from_dict(ModelConfig, read_config(Path(options.model))["model"], "model")
    else:
        raise unknown("preset or run directory", options.model, PRESETS)
    native = cost(config)
    sizes = options.inputs or [max(1, native.num_inputs * k // 16) for k in (1, 4, 16, 64, 256)]
    costs = [native.at(size) for size in sizes]
    print(f"{native.num_parameters:,} parameters ({native.num_parameters / 1e6:.2f}M)")
    print("GFLOPs of one example, a multiply and an add counted as two:")
    print(f"{'inputs M':>12} {'cross':>12} {'latent':>12} {'total':>12} {'as published':>13}")
    for c in costs:
        cells = (c.cross_flops, c.latent_flops, c.flops, c.flops_published)
        print(f"{c.num_inputs:>12,}" + "".join(f" {value / 1e9:>12.3f}" for value in cells))
    print(
        "as published: keys and values of a shared cross-attend made anew each time it is applied"
    )
    return 0


def _first_line(function: Any) -> str:
    return (function.__doc__ or "").strip().splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())

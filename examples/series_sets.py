"""Write the time series that two Python packages bring with them, and score rivals on them.

    pip install sktime statsmodels
    python examples/series_sets.py write DEST
    python examples/series_sets.py rivals RUN_DIR...

`write` makes a folder of csv files by class for each classification set (with its official split),
and one csv for each series to forecast. `rivals` prints the test score of each run beside those of
rivals on the same examples of the same splits: ridge regression on the values of the window, in the
units of each window, for all steps of the horizon at once; the seasonal-naive forecast; and ridge
classification of the values of the window. Their penalty is chosen on the validation examples.

Sources and licences. The packages are under the BSD 3-clause licence. The classification sets are
of the UCR and UEA archives (timeseriesclassification.com), free for research. CO2 at Mauna Loa
(Keeling and Whorf), sea surface temperatures (NOAA) and sunspots (NGDC) are in the public domain;
the airline passengers are of Box and Jenkins (1976); the solar generation of Great Britain is of
Sheffield Solar's PV_Live.
"""

import argparse
import csv
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from perceivers import load
from perceivers.data.splits import Splits
from perceivers.files import read_json
from perceivers.modalities.series.scaling import window_moments
from perceivers.models.perceiver_io import PerceiverIOModel
from perceivers.training.recipe_data import read_recipe, read_recipe_splits, read_saved_splits
from perceivers.training.targets import targets_of

CLASSES = ("ArrowHead", "BasicMotions", "GunPoint", "ItalyPowerDemand", "JapaneseVowels", "OSULeaf")


def folder_of(package: str) -> Path:
    """Return the folder of an installed package, which is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"{package} is not installed: pip install {package}")
    return Path(found.submodule_search_locations[0]) / "datasets"


def examples_of(path: Path) -> Iterator[tuple[np.ndarray, str]]:
    """Yield the series (steps, channels) of a .ts file, each with its class."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data") + 1
    for line in filter(None, map(str.strip, lines[start:])):
        *channels, label = line.split(":")
        each = [[float(x) for x in channel.split(",")] for channel in channels]
        yield np.array(each).T, label


def write_classes(source: Path, dest: Path) -> None:
    """Write a folder train/CLASS/NUMBER.csv, and the same of test."""
    for split in ("TRAIN", "TEST"):
        for number, (series, label) in enumerate(examples_of(source / f"{source.name}_{split}.ts")):
            folder = dest / source.name / split.lower() / label
            folder.mkdir(parents=True, exist_ok=True)
            names = ",".join(f"channel{index}" for index in range(1, series.shape[1] + 1))
            file = folder / f"{number:04}.csv"
            np.savetxt(file, series, fmt="%.9g", delimiter=",", header=names, comments="")


def write_rows(path: Path, names: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    """Write a csv file with a row for each step."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def write(dest: Path) -> None:
    """Write all sets."""
    sktime, statsmodels = folder_of("sktime") / "data", folder_of("statsmodels")
    for name in CLASSES:
        write_classes(sktime / name, dest)

    def rows_of(path: Path) -> list[list[str]]:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))[1:]

    co2 = rows_of(statsmodels / "co2" / "co2.csv")
    dates = (f"{day[:4]}-{day[4:6]}-{day[6:]}" for day, _ in co2)
    weekly = zip(dates, (value for _, value in co2), strict=True)
    write_rows(dest / "co2.csv", ("date", "co2 [ppm]"), weekly)
    years = rows_of(statsmodels / "elnino" / "elnino.csv")
    monthly = ((f"{y}-{m:02}", value) for y, *values in years for m, value in enumerate(values, 1))
    write_rows(dest / "elnino.csv", ("month", "temperature [°C]"), monthly)
    spots = ((year, value) for year, value in rows_of(statsmodels / "sunspots" / "sunspots.csv"))
    write_rows(dest / "sunspots.csv", ("year", "sunspots"), spots)
    flights = ((month, value) for month, value in rows_of(sktime / "Airline" / "Airline.csv"))
    write_rows(dest / "airline.csv", ("month", "passengers"), flights)
    solar = ((time, value) for time, value in rows_of(sktime / "solar" / "solar.csv"))
    write_rows(dest / "solar.csv", ("time", "solar"), solar)


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Return the weights of a ridge regression with an intercept, (features + 1, outputs)."""
    x = np.hstack([x, np.ones((len(x), 1))])
    weights = penalty * np.eye(x.shape[1])
    weights[-1, -1] = 0
    if len(x) >= x.shape[1]:
        return np.linalg.lstsq(x.T @ x + weights, x.T @ y, rcond=None)[0]
    mean_x, mean_y = x[:, :-1].mean(0), y.mean(0)  # in the space of the examples, which are fewer
    centred = x[:, :-1] - mean_x
    kernel = centred @ centred.T + penalty * np.eye(len(x))
    slopes = centred.T @ np.linalg.solve(kernel, y - mean_y)
    return np.vstack([slopes, mean_y - mean_x @ slopes])


def applied(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the outputs of `ridge` for examples."""
    return x @ weights[:-1] + weights[-1]


def best_ridge(
    parts: dict[str, tuple[np.ndarray, np.ndarray]], error: Callable[[str, np.ndarray], float]
) -> float:
    """Return the test error of the ridge whose validation error is the lowest."""
    x, y = parts["train"]
    each = [ridge(x, y, 10.0**power) for power in range(-4, 6)]
    scored = [error("validation", applied(w, parts["validation"][0])) for w in each]
    return error("test", applied(each[int(np.argmin(scored))], parts["test"][0]))


def rivals_of_forecast(model: PerceiverIOModel, splits: Splits) -> dict[str, float]:
    """Return the test MASE of the naive forecast and of a linear model of the window."""
    targets = targets_of(model)
    truths, parts = {}, {}
    for name, examples in splits.examples.items():
        batch, labels = examples.__getitems__(range(len(examples)))
        truth = targets.truth(batch, labels).numpy()
        truths[name] = truth
        known = batch[:, : model.output.length, 1:]
        mean, scale = window_moments(known)
        x = ((known - mean) / scale).nan_to_num(0.0).flatten(1).numpy()
        first = mean[:, 0, : truth.shape[2]].numpy()[:, None]
        y = (np.where(np.isnan(truth[..., 0]), truth[..., 3], truth[..., 0]) - first) / truth[
            ..., 2
        ]
        parts[name] = x, y.reshape(len(y), -1)
        truths[f"{name} mean"] = first
    unit = model.output.mase_scale.numpy()

    def mase(name: str, said: np.ndarray) -> float:
        truth = truths[name]
        forecast = said.reshape(truth.shape[:3]) * truth[..., 2] + truths[f"{name} mean"]
        return float(np.nanmean(np.nanmean(np.abs(forecast - truth[..., 0]) / unit, axis=(0, 1))))

    naive = np.abs(truths["test"][..., 3] - truths["test"][..., 0]) / unit
    return {
        "seasonal naive": float(np.nanmean(np.nanmean(naive, axis=(0, 1)))),
        "linear": best_ridge(parts, mase),
    }


def rivals_of_classes(splits: Splits) -> dict[str, float]:
    """Return the test accuracy of a linear model of the window."""
    parts, labels = {}, {}
    for name, examples in splits.examples.items():
        batch, labels[name] = examples.__getitems__(range(len(examples)))
        x = batch[..., 1:].nan_to_num(0.0).flatten(1).numpy()
        parts[name] = x, 2.0 * np.eye(len(splits.labels))[labels[name].numpy()] - 1
    mean, std = parts["train"][0].mean(0), parts["train"][0].std(0)
    parts = {name: ((x - mean) / np.where(std > 0, std, 1), y) for name, (x, y) in parts.items()}

    def error(name: str, said: np.ndarray) -> float:
        return float((said.argmax(1) != labels[name].numpy()).mean())

    return {"linear": 1 - best_ridge(parts, error)}


def rivals(run_dir: Path) -> str:
    """Return the scores of a run and of its rivals, as the row of a table."""
    recipe, model = read_recipe(run_dir), load(run_dir)
    splits = read_recipe_splits(recipe, saved=read_saved_splits(run_dir))
    scores = read_json(run_dir / "metrics.json")["test"]
    if recipe.model.task == "forecasting":
        found = {"perceiver": scores["mase"], **rivals_of_forecast(model, splits)}
    else:
        found = {"perceiver": scores["top1"], **rivals_of_classes(splits)}
    counts = "/".join(str(len(splits.examples[name])) for name in ("train", "validation", "test"))
    cells = " | ".join(f"{name} {value:.3f}" for name, value in found.items())
    return f"{run_dir.name} | {counts} | {cells}"


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write").add_argument("dest", type=Path)
    commands.add_parser("rivals").add_argument("runs", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "write":
        options.dest.mkdir(parents=True, exist_ok=True)
        write(options.dest)
    for run_dir in getattr(options, "runs", ()):
        print(rivals(run_dir))


if __name__ == "__main__":
    main()

"""Write the time series that two Python packages bring with them, and score rivals on them.

    pip install sktime statsmodels
    python examples/series_sets.py write DEST

`write` makes a folder of csv files by class for each classification set (with its official split),
and one csv for each series to forecast.

Sources and licences. The packages are under the BSD 3-clause licence. The classification sets are
of the UCR and UEA archives (timeseriesclassification.com), free for research. CO2 at Mauna Loa
(Keeling and Whorf), sea surface temperatures (NOAA) and sunspots (NGDC) are in the public domain;
the airline passengers are of Box and Jenkins (1976); the solar generation of Great Britain is of
Sheffield Solar's PV_Live.
"""

import argparse
import csv
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np

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


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["write"])
    parser.add_argument("dest", type=Path)
    options = parser.parse_args()
    options.dest.mkdir(parents=True, exist_ok=True)
    write(options.dest)


if __name__ == "__main__":
    main()

"""Train `train folder` with its defaults on small real sets, and simple rivals beside it.

    pip install perceivers[all,examples]
    python examples/small_sets.py --data DIR [--folds 0 1] [--only wine digits] [--out OUT]

DIR holds what other recipes read: fsdd/recordings/*.wav, grid/ and kicad/ (as for `grid_clips.py`
and `kicad_ply.py`), text/rt-polarity.{neg,pos} and cifar-100-python; nothing is taken from the
test splits of these recipes. The digits and the tables come with scikit-learn and statsmodels. The
examples are divided into five folds by a hash of their names. Each fold is the test split once,
with its number as the seed, so that every example is tested once: a test split of 30 to 400
examples says little. Each score is written to OUT, and those that are there already are not
computed again. The table is printed and written to OUT/table.md.
"""

import argparse
import hashlib
import json
import re
import statistics
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from all_modalities import format_scores
from grid_clips import DIGIT, test_clips
from kicad_ply import UNIT, test_parts
from PIL import Image

from perceivers.cli import main as command
from perceivers.data.cifar import read_cifar

RATE = 8_000  # Hz, of both sets of sounds
FOLDS = 5


class Example(NamedTuple):
    """An example of a set."""

    name: str
    """Name that decides the fold; examples of one name are in the same fold."""
    label: str
    """Its class."""
    value: Any
    """An image (H, W[, 3]) uint8, a sound (S,) int16, a cloud (M, 3), a text, or a row of cells."""


def fold_of(name: str) -> int:
    """Return the fold of the examples of a name, below `FOLDS`."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) * FOLDS // 2**32


def digits(_: Path) -> Iterator[Example]:
    """1,797 handwritten digits of 8×8 pixels (UCI, CC BY 4.0), from scikit-learn."""
    from sklearn.datasets import load_digits

    data = load_digits()
    for i, (image, label) in enumerate(zip(data.images, data.target, strict=True)):
        yield Example(f"digit {i}", str(label), np.uint8(np.round(image * 255 / 16)))


def cifar(source: Path) -> Iterator[Example]:
    """The first 100 training images of each of the first ten classes of CIFAR-100 (no licence)."""
    (images, labels), _, names = read_cifar("cifar100", source / "cifar-100-python")
    labels = np.asarray(labels)
    for label in range(10):
        for i in np.flatnonzero(labels == label)[:100]:
            yield Example(f"cifar {i}", names[label], np.asarray(images[i]))


def spoken(source: Path) -> Iterator[Example]:
    """320 training recordings of FSDD (CC BY-SA 4.0): 32 of each digit, of all six speakers."""
    files = sorted((source / "fsdd" / "recordings").glob("*.wav"))
    files = [file for file in files if int(file.stem.split("_")[2]) >= 5]
    if len(files) < 320:
        folder = source / "fsdd" / "recordings"
        raise ValueError(f"{folder} has {len(files)} training recordings (*.wav); expected 2,700")
    for digit in "0123456789":
        mine = [file for file in files if file.name[0] == digit]
        for file in mine[:: len(mine) // 32][:32]:
            with wave.open(str(file)) as sound:
                samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
            yield Example(file.name, digit, samples)


def grid(source: Path) -> Iterator[Example]:
    """The sound of 400 training clips of GRID's talker s1 (CC BY 4.0): which of ten digits."""
    audio = np.load(source / "grid" / "audio.npy", mmap_mode="r")
    with np.load(source / "grid" / "labels.npz", allow_pickle=False) as file:
        ids, labels = file["ids"], file["labels"][:, DIGIT]
    for i in np.flatnonzero(~test_clips(labels))[::2]:
        yield Example(str(ids[i]), str(labels[i]), np.array(audio[i]))


def kicad(source: Path) -> Iterator[Example]:
    """Up to 60 training parts of each of KiCad's 7 classes of most families (CC BY-SA 4.0)."""
    points = np.load(source / "kicad" / "points.npy", mmap_mode="r")
    with np.load(source / "kicad" / "labels.npz", allow_pickle=False) as file:
        labels, names, classes = file["label"], file["name"], file["classes"]
        radii = UNIT * file["scale"]
    families = np.array([re.sub(r"[0-9.]+", "#", Path(str(name)).stem) for name in names])
    train = np.flatnonzero(~test_parts(labels, names))
    rng = np.random.default_rng(0)
    counts = [len(np.unique(families[train][labels[train] == k])) for k in range(len(classes))]
    for label in np.argsort(counts, kind="stable")[::-1][:7]:
        for i in rng.permutation(train[labels[train] == label])[:60]:
            cloud = np.float32(rng.permutation(points[i]) * radii[i])
            yield Example(str(families[i]), str(classes[label]), cloud)


def reviews(source: Path) -> Iterator[Example]:
    """2,000 training sentences of rt-polarity (no licence): whether a review is positive."""
    from perceivers.data.splits import read_splits
    from perceivers.modalities import build_reader
    from perceivers.modalities.text.decode import OFFSET
    from perceivers.recipes import get_recipe

    recipe = get_recipe("rt-polarity")
    data = replace(recipe.data, path=str(source / "text"))
    splits = read_splits(data, build_reader(recipe.model.input))
    train = splits.examples["train"]
    for label in (0, 1):
        for i in np.flatnonzero(np.asarray(train.labels) == label)[:1000].tolist():
            ids = train.__getitems__([i])[0][0]
            text = bytes((ids[ids >= OFFSET] - OFFSET).tolist()).decode()
            yield Example(text, splits.labels[label], text)


def from_sklearn(load: str) -> Callable[[Path], Iterator[Example]]:
    """Return a function that yields the rows of a table of scikit-learn (UCI, CC BY 4.0)."""

    def rows(_: Path) -> Iterator[Example]:
        from sklearn import datasets

        table = getattr(datasets, load)(as_frame=True)
        for i, (_, row) in enumerate(table.data.iterrows()):
            yield Example(f"{load} {i}", str(table.target_names[table.target[i]]), dict(row))

    return rows


def from_statsmodels(name: str, label: Callable[[Any], str], target: str) -> Any:
    """Return a function that yields the first 2,000 rows of a table of statsmodels, shuffled."""

    def rows(_: Path) -> Iterator[Example]:
        import statsmodels.api as sm

        table = getattr(sm.datasets, name).load_pandas().data
        table = table.sample(frac=1, random_state=0)[:2000]
        for i, row in table.iterrows():
            yield Example(f"{name} {i}", label(row[target]), dict(row.drop(target)))

    return rows


@dataclass(frozen=True)
class Set:
    """A small set."""

    kind: str
    """Images, sounds, clouds, texts or tables; decides the files and the rivals."""
    examples: Callable[[Path], Iterator[Example]]
    """Yields the examples, given the folder of the data."""


SETS = {
    "digits": Set("image", digits),
    "cifar": Set("image", cifar),
    "spoken": Set("sound", spoken),
    "grid": Set("sound", grid),
    "kicad": Set("cloud", kicad),
    "reviews": Set("text", reviews),
    "cancer": Set("table", from_sklearn("load_breast_cancer")),
    "wine": Set("table", from_sklearn("load_wine")),
    "iris": Set("table", from_sklearn("load_iris")),
    # Public domain: whom respondents of the ANES of 1996 voted for.
    "votes": Set("table", from_statsmodels("anes96", lambda x: "Dole" if x else "Clinton", "vote")),
    # With permission of the author (R. Fair, 1978): whether a married woman had an affair.
    "affairs": Set("table", from_statsmodels("fair", lambda x: "yes" if x else "no", "affairs")),
}


def write(examples: list[Example], kind: str, dest: Path, fold: int) -> Path:
    """Write DEST/{train,test}/LABEL/FILE, or a table; return the path that `--data` takes."""
    splits = ["test" if fold_of(e.name) == fold else "train" for e in examples]
    if kind == "table":
        import pandas

        rows = [
            {**e.value, "label": e.label, "split": split}
            for e, split in zip(examples, splits, strict=True)
        ]
        dest.mkdir(parents=True, exist_ok=True)
        pandas.DataFrame(rows).to_csv(dest / "rows.csv", index=False)
        return dest / "rows.csv"
    for i, (example, split) in enumerate(zip(examples, splits, strict=True)):
        folder = dest / split / example.label
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / f"{i:05d}", kind, example.value)
    return dest


def write_file(path: Path, kind: str, value: Any) -> None:
    """Write one example to a file of the given name, without its suffix."""
    if kind == "image":
        Image.fromarray(value).save(path.with_suffix(".png"))
    elif kind == "cloud":
        np.save(path.with_suffix(".npy"), value)
    elif kind == "text":
        path.with_suffix(".txt").write_text(value, encoding="utf-8")
    else:
        with wave.open(str(path.with_suffix(".wav")), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(value.tobytes())


def perceiver(data: Path, run: Path, seed: int) -> float:
    """Return the test accuracy after `perceivers train folder --data DATA --seed SEED`."""
    arguments = ["--data", str(data), "--out", str(run), "--seed", str(seed)]
    if status := command(["train", "folder", *arguments]):
        raise SystemExit(status)
    return json.loads((run / "metrics.json").read_text())["test"]["top1"]


def timed(path: Path, score: Callable[[], float]) -> dict[str, float]:
    """Return a score and its seconds from the file `path`; compute and write them if it is new."""
    if not path.exists():
        started = time.perf_counter()
        top1 = score()
        result = {"top1": top1, "seconds": time.perf_counter() - started}
        path.write_text(json.dumps(result) + "\n")
    return json.loads(path.read_text())


def scores_of(name: str, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Return the scores on each fold of `train folder` and of each rival on a set."""
    from small_rivals import RIVALS

    kind = SETS[name].kind
    examples = list(SETS[name].examples(options.data))
    results: dict[str, list[dict[str, float]]] = {}
    for fold in options.folds:
        train = [(e.value, e.label) for e in examples if fold_of(e.name) != fold]
        test = [(e.value, e.label) for e in examples if fold_of(e.name) == fold]
        print(f"{name}, fold {fold}: {len(train)} training and {len(test)} test examples")
        jobs = {rival: partial(score, train, test, fold) for rival, score in RIVALS[kind].items()}
        if not options.rivals_only:
            data = write(examples, kind, options.out / "data" / f"{name}-{fold}", fold)
            jobs["train folder"] = partial(perceiver, data, options.out / f"{name}-{fold}", fold)
        for model, job in jobs.items():
            path = options.out / f"{name}-{model.replace(' ', '-')}-{fold}.json"
            results.setdefault(model, []).append(timed(path, job))
    return results


def main() -> None:
    """Read the options and compute the scores."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="the folder DIR with all data")
    folds = range(FOLDS)
    parser.add_argument("--folds", type=int, nargs="+", choices=folds, default=folds, help="tests")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS), help="sets to use")
    parser.add_argument("--out", type=Path, default=Path("runs/small-sets"), help="where scores go")
    parser.add_argument("--rivals-only", action="store_true", help="leave out `train folder`")
    options = parser.parse_args()
    try:
        run(options)
    except (OSError, ValueError) as error:  # data that is missing or damaged
        parser.exit(1, f"error: {error}\n")


def run(options: argparse.Namespace) -> None:
    """Compute the scores that are missing; print the table and write it to a file."""
    options.out.mkdir(parents=True, exist_ok=True)
    table = ["| set | kind | model | test top-1 % | seconds |", "|---|---|---|---|---|"]
    for name in options.only:
        for model, results in scores_of(name, options).items():
            seconds = statistics.median(result["seconds"] for result in results)
            shown = format_scores([result["top1"] for result in results])
            table.append(f"| {name} | {SETS[name].kind} | {model} | {shown} | {seconds:.1f} |")
            print(table[-1], flush=True)
    (options.out / "table.md").write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()

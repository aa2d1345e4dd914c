"""Compare rules that choose the epoch whose weights are kept, on small sets of real files.

    python examples/stopping_rules.py DATA OUT [--sets …] [--seeds 0 1] [--schedules …]

DATA holds fsdd/recordings/*.wav, text/rt-polarity.{neg,pos}, kicad/points.npy with labels.npz, and
cifar-100-python. A few hundred examples of each, drawn with the seed, are written as a folder of
classes, for which `train folder` chooses a recipe. It is trained without early stopping; after each
epoch its weights and their running average are scored on the validation split of about 30 examples
and on `JUDGE` others. From these scores each rule chooses an epoch, and is judged by the scores of
that epoch on the others. Writes one JSON file a training to OUT and prints the table of all files.
"""

import argparse
import copy
import dataclasses
import json
import math
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from perceivers.autoconfig.choose import choose_for, warmup
from perceivers.data.cifar import read_cifar
from perceivers.data.examples import ExampleSet
from perceivers.models.build import build
from perceivers.models.classifier import PerceiverClassifier
from perceivers.training.batches import batches
from perceivers.training.loop import make_trainer, quiet_lightning
from perceivers.training.measuring import measure_normalisation
from perceivers.training.recipe_data import fit_to_data, read_recipe_splits
from perceivers.training.task import Learner

TRAIN, JUDGE = 300, 300  # examples to train on, of which a tenth is held out; examples to judge by
DECAY = 0.98  # of the running average of the weights, per step
SETS = ("fsdd", "text", "rare", "kicad", "cifar")
Writer = Callable[[Path, int], None]


def draw(labels: np.ndarray, shares: dict[int, float], seed: int) -> tuple[list[int], list[int]]:
    """Draw examples to train on and to judge by, with the same share of each class."""
    order = np.random.default_rng(seed).permutation(len(labels))
    train: list[int] = []
    judge: list[int] = []
    for label, share in shares.items():
        members = order[labels[order] == label].tolist()
        first = max(3, round(TRAIN * share))
        train += members[:first]
        judge += members[first : first + max(3, round(JUDGE * share))]
    return train, judge


def write_set(name: str, source: Path, dest: Path, seed: int) -> None:
    """Write DEST/{train,test}/CLASS/FILE of a set; the classes have equal shares but for "rare"."""
    labels, write = _examples(name, source)
    classes = np.unique(labels)[:10].tolist()
    shares = dict.fromkeys(classes, 1 / len(classes))
    if name == "rare":
        shares = {0: 0.87, 1: 0.13}
    if name == "kicad":
        classes, counts = np.unique(labels, return_counts=True)
        shares = {int(c): n / counts.sum() for c, n in zip(classes, counts, strict=True) if n >= 60}
    for split, chosen in zip(("train", "test"), draw(labels, shares, seed), strict=True):
        for index in chosen:
            folder = dest / split / f"class{labels[index]:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            write(folder, index)


def _examples(name: str, source: Path) -> tuple[np.ndarray, Writer]:
    """Return the labels of a set and a function that writes one example into a folder."""
    if name == "fsdd":
        files = sorted((source / "fsdd" / "recordings").glob("*.wav"))
        return np.array(
            [int(file.name[0]) for file in files]
        ), lambda folder, i: shutil.copy(files[i], folder) and None
    if name in ("text", "rare"):
        parts = [
            (source / "text" / f"rt-polarity.{end}").read_text("latin-1").splitlines()
            for end in ("neg", "pos")
        ]
        lines = parts[0] + parts[1]
        labels = np.repeat([0, 1], [len(part) for part in parts])
        return labels, lambda folder, i: (folder / f"{i}.txt").write_text(lines[i]) and None
    if name == "kicad":
        points = np.load(source / "kicad" / "points.npy", mmap_mode="r")
        with np.load(source / "kicad" / "labels.npz", allow_pickle=False) as file:
            labels = file["label"]
        return labels, lambda folder, i: np.save(
            folder / f"{i}.npy", np.random.default_rng(i).permutation(points[i])[:256]
        )
    (images, labels), _, _ = read_cifar("cifar100", source / "cifar-100-python")
    return np.asarray(labels), lambda folder, i: Image.fromarray(images[i]).save(
        folder / f"{i}.png"
    )


class Judge(pl.Callback):
    """Callback that scores the weights and their running average after each epoch."""

    def __init__(self, sets: dict[str, ExampleSet], data: Any, kinds: Sequence[str]) -> None:
        self.sets, self.data, self.kinds = sets, data, kinds
        self.rows: list[dict[str, Any]] = []
        self.average: PerceiverClassifier | None = None
        self.sums: dict[str, torch.Tensor] = {}  # of the weights after each of the last epochs

    def on_train_batch_end(self, trainer: pl.Trainer, learner: Any, *_: Any) -> None:
        """Update the running average."""
        if self.average is None:
            self.average = copy.deepcopy(learner.model)
        with torch.no_grad():
            for a, p in zip(self.average.parameters(), learner.model.parameters(), strict=True):
                a.lerp_(p, 1 - DECAY)

    def on_train_epoch_end(self, trainer: pl.Trainer, learner: Any) -> None:
        """Record the scores of both."""
        learner.model.eval()
        row: dict[str, Any] = {"epoch": trainer.current_epoch + 1}
        for name, model in (("raw", learner.model), ("ema", self.average)):
            if name in self.kinds:
                row[name] = self.scores(model)
        self.rows.append(row)
        learner.model.train()
        epochs = trainer.max_epochs or 1
        if trainer.current_epoch >= epochs - max(1, epochs // 3):
            for name, parameter in learner.model.named_parameters():
                self.sums[name] = self.sums.get(name, 0) + parameter.detach()

    @torch.inference_mode()
    def scores(self, model: Any) -> dict[str, Any]:
        """Return the scores of a model on both sets, and its losses of each validation example."""
        model.eval()
        found: dict[str, Any] = {}
        for split, examples in self.sets.items():
            pairs = [(model(x).float(), y) for x, y in batches(examples, self.data)]
            outputs, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
            losses = F.cross_entropy(outputs, labels, reduction="none")
            guess = outputs.argmax(1)
            recalls, f1s = [], []
            for c in labels.unique():
                hits = ((guess == c) & (labels == c)).sum().item()
                recalls.append(hits / (labels == c).sum().item())
                f1s.append(2 * hits / ((guess == c).sum() + (labels == c).sum()).item())
            found[split] = {
                "loss": losses.mean().item(),
                "top1": (guess == labels).float().mean().item(),
                "f1": statistics.mean(f1s),
                "recall": statistics.mean(recalls),
            }
            if split == "val":
                found["losses"] = losses.tolist()
        return found


def train(folder: Path, seed: int, schedule: str, kinds: Sequence[str]) -> dict[str, Any]:
    """Train the chosen recipe without early stopping; return the scores of every epoch."""
    recipe = choose_for(str(folder)).recipe
    epochs = recipe.trainer.max_epochs
    if schedule.startswith("cosine/"):
        epochs = max(4, round(epochs / float(schedule.removeprefix("cosine/"))))
    recipe = dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, path=str(folder), test=0.0),
        trainer=dataclasses.replace(
            recipe.trainer, max_epochs=epochs, ema_decay=0.0, patience=0, seed=seed
        ),
        optimizer=dataclasses.replace(
            recipe.optimizer,
            schedule="constant" if schedule == "constant" else "cosine",
            warmup_epochs=warmup(recipe, epochs),
        ),
    )
    splits = read_recipe_splits(recipe)
    recipe = fit_to_data(recipe, splits)
    torch.manual_seed(seed)
    model = build(recipe.model, splits.labels)
    measure_normalisation(model.adapter, splits.examples["train"])
    judge = Judge(
        {"val": splits.examples["validation"], "test": splits.examples["test"]},
        recipe.data,
        kinds,
    )
    began = time.perf_counter()
    with quiet_lightning(), tempfile.TemporaryDirectory() as root:
        trainer = make_trainer(
            recipe.trainer,
            max_epochs=epochs,
            callbacks=[judge],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            default_root_dir=root,
        )
        loader = batches(splits.examples["train"], recipe.data, shuffle_seed=seed)
        trainer.fit(Learner(model, recipe), loader)
    for name, parameter in model.named_parameters():
        parameter.data = judge.sums[name] / max(1, epochs // 3)
    counts = {name: len(examples) for name, examples in splits.examples.items()}
    return {
        "counts": counts,
        "epochs": epochs,
        "seconds": time.perf_counter() - began,
        "rows": judge.rows,
        "swa": judge.scores(model),
    }


def smooth(values: Sequence[float], width: int) -> list[float]:
    """Return the mean of each value and up to width - 1 values before it."""
    return [statistics.mean(values[max(0, i + 1 - width) : i + 1]) for i in range(len(values))]


def rules(rows: list[dict[str, Any]], kind: str) -> dict[str, int]:
    """Return the epoch, counted from 0, that each rule chooses; ties go to the lower loss."""
    val, epochs = [row[kind]["val"] for row in rows], range(len(rows))
    loss = [v["loss"] for v in val]

    def highest(name: str, width: int = 1) -> int:
        values = smooth([v[name] for v in val], width)
        return max(epochs, key=lambda i: (round(values[i], 9), -loss[i]))

    def lowest(width: int = 1) -> int:
        return min(epochs, key=smooth(loss, width).__getitem__)

    each = np.array(rows[lowest()][kind]["losses"])
    limit = min(loss) + each.std(ddof=1) / len(each) ** 0.5
    within = [i for i in epochs if loss[i] <= limit]
    return {
        "lowest loss": lowest(),
        "lowest loss, mean of 3 epochs": lowest(3),
        "first within a standard error of the lowest loss": within[0],
        "last within a standard error of the lowest loss": within[-1],
        "highest top-1": highest("top1"),
        "highest macro F1": highest("f1"),
        "highest macro F1, mean of 3 epochs": highest("f1", 3),
        "highest macro F1, mean of 5 epochs": highest("f1", 5),
        "last epoch": len(rows) - 1,
    }


def stopped(rows: list[dict[str, Any]], kind: str, patience: int, either: bool) -> int:
    """Return the number of epochs after which early stopping ends a training.

    Args:
        rows: scores of all epochs.
        kind: "raw" or "ema".
        patience: epochs without improvement; 0: no early stopping.
        either: whether a higher macro F1 is an improvement too, besides a lower loss.
    """
    lowest, highest, improved = math.inf, -1.0, 0
    for epoch, row in enumerate(rows, 1):
        loss, f1 = row[kind]["val"]["loss"], row[kind]["val"]["f1"]
        if loss < lowest or (either and f1 > highest):
            improved = epoch
        lowest, highest = min(lowest, loss), max(highest, f1)
        if patience and epoch - improved >= patience:
            return epoch
    return len(rows)


def table(out: Path) -> None:
    """Print the mean test scores of each rule over all sets and seeds in a folder of results."""
    results = {file.stem: json.loads(file.read_text()) for file in sorted(out.glob("*.json"))}
    for schedule in sorted({name.split("@")[1] for name in results}):
        for kind in ("raw", "ema"):
            chosen = {
                name: result
                for name, result in results.items()
                if name.split("@")[1] == schedule and kind in result["rows"][0]
            }
            if chosen:
                print(f"\n{schedule}, {kind}: {', '.join(n.split('@')[0] for n in chosen)}")
                _print_rules(chosen, kind)


def _print_rules(results: dict[str, Any], kind: str) -> None:
    criteria = {
        "all epochs": (0, False),
        **{f"loss {n}": (n, False) for n in (5, 10)},
        **{f"either {n}": (n, True) for n in (5, 10, 15)},
    }
    counts, scores = defaultdict[str, list[float]](list), defaultdict[str, list[str]](list)
    for name, (patience, either) in criteria.items():
        top1, f1 = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        for result in results.values():
            rows = result["rows"]
            count = stopped(rows, kind, patience, either)
            counts[name].append(count / len(rows))
            for rule, epoch in rules(rows[:count], kind).items():
                top1[rule].append(rows[epoch][kind]["test"]["top1"])
                f1[rule].append(rows[epoch][kind]["test"]["f1"])
            if kind == "raw":
                top1["mean weights of the last third"].append(result["swa"]["test"]["top1"])
                f1["mean weights of the last third"].append(result["swa"]["test"]["f1"])
        for rule in top1:
            means = 100 * statistics.mean(top1[rule]), 100 * statistics.mean(f1[rule])
            scores[rule].append(f"{means[0]:.1f} / {means[1]:.1f}")
    heads = [f"{name} ({100 * statistics.mean(share):.0f}%)" for name, share in counts.items()]
    print("| weights | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    for rule, cells in scores.items():
        print(f"| {rule} | " + " | ".join(cells) + " |")


def main() -> None:
    """Train what is not there yet, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--schedules", nargs="+", default=["cosine"])
    parser.add_argument("--kinds", nargs="+", default=["raw", "ema"])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for schedule in options.schedules:
        for seed in options.seeds:
            for name in options.sets:
                file = options.out / f"{name}-{seed}@{schedule.replace('/', '_')}.json"
                if file.exists():
                    continue
                with tempfile.TemporaryDirectory() as root:
                    write_set(name, options.data, Path(root), seed)
                    result = train(Path(root), seed, schedule, options.kinds)
                file.write_text(json.dumps(result))
                print(f"{file.stem}: {result['epochs']} epochs, {result['seconds']:.0f} s, "
                      f"{result['counts']}", flush=True)  # fmt: skip
    table(options.out)


if __name__ == "__main__":
    main()

"""Files for the tests: folders of images, tables, and CIFAR in its four official forms."""

import csv
import gc
import hashlib
import importlib
import io
import pickle
import socket
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from tiny import FILES, tiny_classifier

import perceivers
from perceivers.data import cifar

# Hypothesis draws the same examples in every run, so that failures can be reproduced.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


# The modules of all tests and of the libraries they import are 800,000 objects, which the garbage
# collector would go through again and again: a fifth of the time of collecting the tests.
gc.disable()


def pytest_collection_finish():
    """Leave what was imported out of every later garbage collection."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _imports_stay_frozen():
    """Freeze again after tests that start worker processes, which thaw all objects."""
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path):
    """Keep tests off the Hugging Face hub, and the cache of `datasets` in the test's own folder."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


REPORTING = {"report", "serve"}  # rooms whose tests read reports


@pytest.fixture(scope="module", autouse=True)
def _reports_where_they_are_read(request):
    """Train without drawing a report, which takes longer than the trainings of these tests."""
    from perceivers.report.write import write

    def only_of_eval(*arguments, **place):
        return write(*arguments, **place) if place else []

    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name not in REPORTING:
            for module in ("perceivers.api", "perceivers.report.write"):
                patch.setattr(importlib.import_module(module), "write", only_of_eval)
        yield


@pytest.fixture
def empty_report(monkeypatch):
    """Let `eval` write an empty report.html, which takes longer than all the rest."""
    monkeypatch.setattr(
        importlib.import_module("perceivers.report.write"), "report_page", lambda *_: ""
    )


@pytest.fixture(scope="module", autouse=True)
def _without_curves():
    """Train without drawing curves.png, a quarter of a tiny run; return the method that draws."""
    from perceivers.training.recorder import Recorder

    draw = Recorder._draw_curves
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "_draw_curves", lambda *_: None)
        yield draw


@pytest.fixture
def drawn_curves(_without_curves, monkeypatch):
    """Draw curves.png, for tests that look at it."""
    from perceivers.training.recorder import Recorder

    monkeypatch.setattr(Recorder, "_draw_curves", _without_curves)


@pytest.fixture(scope="module", autouse=True)
def _few_digits():
    """Train on a fifth of the digits, in a fifth of the steps; return the function that reads all.

    Nearly all of the time of a tiny run goes to its steps.
    """
    from perceivers.data import splits

    read = splits.read_digits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "read_digits", lambda: tuple(x[::5].clone() for x in read()))
        yield read


@pytest.fixture
def all_digits(_few_digits, monkeypatch):
    """Train on all 1,797 digits, for tests of what is learnt and of published numbers."""
    monkeypatch.setattr("perceivers.data.splits.read_digits", _few_digits)


@pytest.fixture
def image_folder(tmp_path):
    """Return a folder of two classes, bright and dark, with 12 images of various sizes each."""
    return write_image_folder(tmp_path / "photos")


def write_image_folder(root: Path, count: int = 12) -> Path:
    """Write two classes, bright and dark, of `count` images each."""
    rng = np.random.default_rng(0)
    for label, low in (("bright", 160), ("dark", 0)):
        (root / label).mkdir(parents=True)
        for index in range(count):
            size = (int(rng.integers(8, 20)), int(rng.integers(8, 20)), 3)
            pixels = rng.integers(low, low + 90, size, dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{index}.png")
    return root


@pytest.fixture(scope="session")
def mixed_table(tmp_path_factory):
    """Return a folder with a manifest.csv written by `write_mixed_table`."""
    return write_mixed_table(tmp_path_factory.mktemp("mixed"))


def write_mixed_table(root: Path, rows: int = 160) -> Path:
    """Write a table of images (bright or dark), sounds (loud or soft), text, numbers, categories.

    The label is how many of "bright" and "loud" are true, so that it takes both columns to predict.
    """
    rng = np.random.default_rng(0)
    table = []
    for row in range(rows):
        bright, loud = rng.integers(0, 2, 2)
        pixels = rng.integers(160 * bright, 160 * bright + 90, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{row}.png")
        write_sound(root / f"{row}.wav", rng.normal(size=640) * (200 + 9000 * loud))
        cells = {
            "photo": f"{row}.png",
            "sound": "" if row % 40 == 7 else f"{row}.wav",
            "note": f"seen on day {rng.integers(100)} of {row}",
            "age [years]": "" if row % 40 == 9 else f"{rng.normal(40, 9):.1f}",
            "town": rng.choice(["Bern", "Oslo", "Rome"]),
            "tags": "|".join(t for t, on in (("bright", bright), ("loud", loud)) if on) or "|",
            "price [CHF]": f"{10 + 5 * bright + 2 * loud + rng.normal() / 9:.3f}",
            "label": ["none", "one", "both"][bright + loud],
        }
        table.append(cells)
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    return root


def write_sound(path: Path, samples: np.ndarray) -> None:
    """Write 16-bit samples as a mono wav file of 8 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


class Cifar:
    """Writer of random images in the official layouts. It sets the checksums in `LAYOUTS`."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
        self.labels = np.arange(60) % 10

    def write(self, name: str, form: str, *, archive: bool) -> Path:
        """Write the files unpacked or as one tar.gz; return the path of the folder or archive."""
        layout = cifar.LAYOUTS[name][form == "binary"]
        members, checksums = {}, []
        for files, start, stop in ((layout.train, 0, 50), (layout.test, 50, 60)):
            parts = np.array_split(np.arange(start, stop), len(files))
            for file, part in zip(files, parts, strict=True):
                members[file] = self._encode(name, form, part)
            checksums.append({file: hashlib.md5(members[file]).hexdigest() for file in files})
        names = [f"class{index}" for index in range(10)]
        if form == "binary":
            members[layout.names] = "\n".join(names).encode() + b"\n"
        else:
            key = b"label_names" if name == "cifar10" else b"fine_label_names"
            members[layout.names] = pickle.dumps({key: [n.encode() for n in names]}, protocol=3)
        layouts = list(cifar.LAYOUTS[name])
        layouts[form == "binary"] = cifar.Layout(
            layout.archive, layout.folder, *checksums, layout.names
        )
        self.monkeypatch.setitem(cifar.LAYOUTS, name, tuple(layouts))
        if archive:
            return self._pack(layout, members)
        folder = self.root / layout.folder
        folder.mkdir()
        for file, raw in members.items():
            (folder / file).write_bytes(raw)
        return folder

    def _pack(self, layout: cifar.Layout, members: dict[str, bytes]) -> Path:
        with tarfile.open(self.root / layout.archive, "w:gz") as tar:
            for file, raw in members.items():
                info = tarfile.TarInfo(f"{layout.folder}/{file}")
                info.size = len(raw)
                tar.addfile(info, io.BytesIO(raw))
        return self.root / layout.archive

    def _encode(self, name: str, form: str, part: np.ndarray) -> bytes:
        rows = self.images[part].transpose(0, 3, 1, 2).reshape(len(part), 3072)
        labels = self.labels[part]
        if form == "binary":
            columns = [labels[:, None].astype(np.uint8), rows]
            if name == "cifar100":
                columns.insert(0, labels[:, None].astype(np.uint8) // 5)  # the coarse label
            return np.concatenate(columns, 1).tobytes()
        key = b"labels" if name == "cifar10" else b"fine_labels"
        return pickle.dumps({b"data": rows, key: labels.tolist()}, protocol=3)


@pytest.fixture
def cifar_files(tmp_path, monkeypatch):
    """Return a writer of CIFAR-10 or CIFAR-100 files in any of the official forms."""
    return Cifar(tmp_path, monkeypatch)


@pytest.fixture
def free_port():
    """Return a TCP port of this machine that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def file_models(tmp_path_factory):
    """Return the directory of a saved tiny model of each modality of files."""
    root = tmp_path_factory.mktemp("models")
    for name, config in FILES.items():
        perceivers.save(tiny_classifier(config), root / name)
    return root

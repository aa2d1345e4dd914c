"""Every format with its files, its mutations, and how the library reads it."""

import contextlib
import dataclasses
import io
import json
import os
import random
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the modules with the files of the tests

import safetensors.torch
import torch
from tiny import tiny_classifier

import perceivers
from fuzz import labelled, seeds
from fuzz.mutate import json_mutant, mutant, png_checksums
from perceivers import checkpoint
from perceivers.data import cifar
from perceivers.data.config import DataConfig
from perceivers.modalities import (
    AudioConfig,
    FusionConfig,
    ImageConfig,
    MelConfig,
    PointsConfig,
    RowsConfig,
    SeriesConfig,
    TabularConfig,
    TextConfig,
    VideoConfig,
    modality_of,
)

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Format:
    """A format of files."""

    name: str
    suffix: str
    files: list[bytes]
    read: Read
    """Reads a file; any exception but the library's own is a fault."""
    mutate: Callable[[bytes, list[bytes], random.Random], bytes] = mutant
    slow: bool = False
    """Whether reading takes much longer than a few milliseconds."""

    def mutant(self, seed: int, index: int) -> bytes:
        """Return the mutant with a number."""
        rng = random.Random(f"{seed} {self.name} {index}")
        return self.mutate(rng.choice(self.files), self.files, rng)


class Returned(Exception):
    """An error of the library's own that it made and returned, without raising it."""


def predicting(config, *, own_size=True, probed=True) -> Read:
    """Return a function that predicts a file, also at its own size, and measures it."""
    model = tiny_classifier(config)
    predictors = [perceivers.Predictor(model)]
    if own_size:
        predictors.append(perceivers.Predictor(model, own_size=True))

    def read(path):
        errors = []
        for predictor in predictors:
            errors += [x for _, x in predictor.predict_files([path]) if isinstance(x, Exception)]
        if probed:
            try:
                modality_of(config).probe(path)
            except ValueError as error:
                errors.append(error)
        if errors:
            raise errors[0] if errors[0].__traceback__ else Returned(errors[0])

    return read


def formats(folder: Path) -> dict[str, Format]:
    """Return all formats by name.

    Args:
        folder: folder for the models that damaged weights belong to.
    """
    images = seeds.images()
    arrays = {"image-npy": images.pop("image-npy")}
    found = [
        *_of_modality(images, predicting(ImageConfig(image_size=8, num_bands=2))),
        *_of_modality(arrays, predicting(ImageConfig(image_size=8, num_bands=2), probed=False)),
        *_of_modality(
            seeds.sounds(), predicting(AudioConfig(num_samples=800, sample_rate=8000, patch_size=80,
                                                   num_bands=2))
        ),
        *_of_modality(
            seeds.videos(), predicting(VideoConfig(num_frames=2, image_size=8, num_bands=2))
        ),
        *_of_modality(seeds.points(), predicting(PointsConfig(num_points=16, num_bands=2))),
        Format("txt", "txt", seeds.TEXTS,
               predicting(TextConfig(max_length=32, embedding_dim=8), own_size=False)),
        *_of_modality(seeds.tables(), _read_table()),
        *_of_labels_and_series(folder),
        Format("hub-parquet", "parquet", seeds.parquet_images(), _read_parquet_images, slow=True),
        *_of_weights(folder),
        *_of_cifar(),
    ]  # fmt: skip
    return {format_.name: format_ for format_ in found}


def _of_labels_and_series(folder: Path) -> list[Format]:
    predict = predicting(SeriesConfig(length=8, channels=2), own_size=False)

    def read_series(path):
        labelled.measured_series(path)
        predict(path)

    plys, npzs = seeds.labelled_points()
    return [
        Format("csv-series", "csv", seeds.series(), read_series),
        Format("spans", "jsonl", seeds.spans(), labelled.spans),
        Format("ply-labels", "ply", plys, labelled.points),
        Format("npz-labels", "npz", npzs, labelled.points, _zip_mutant),
        Format("mask", "png", seeds.masks(), labelled.mask_of(folder), _png_mutant),
    ]


def _of_modality(files: dict[str, list[bytes]], read: Read) -> list[Format]:
    return [
        Format(name, name.split("-")[-1] if name != "csv-points" else "csv", raw, read,
               MUTATE.get(name, mutant), slow=name == "mpg")
        for name, raw in files.items()
    ]  # fmt: skip


def _png_mutant(raw, others, rng):
    changed = mutant(raw, others, rng)
    return png_checksums(changed) if rng.random() < 0.7 else changed


def _zip_mutant(raw, others, rng):
    """Return a mutant of an archive, or, more often, of the files inside it."""
    if rng.random() < 0.4:
        return mutant(raw, others, rng)
    return seeds.zip_again(
        raw, lambda member: mutant(member, [member], rng) if rng.random() < 0.5 else member
    )


MUTATE = {"png": _png_mutant, "npz": _zip_mutant}


def _read_table() -> Read:
    from perceivers.autoconfig.inspect_table import inspect_table

    cells = TabularConfig(
        numeric=("age",), categorical=("town",), categories=(("Bern", "Oslo"),), embedding_dim=8
    )
    parts = {"cells": cells, "note": TextConfig(max_length=16, embedding_dim=8)}
    config = RowsConfig(parts=parts, texts={"note": "note"})
    predict = predicting(config, own_size=False, probed=False)

    def read(path):
        inspect_table(path, DataConfig())
        predict(path)

    return read


def _read_parquet_images(path):
    from perceivers.data.splits import read_splits
    from perceivers.modalities import build_reader

    folder = path.with_name(f"{path.stem}-set")
    folder.mkdir(exist_ok=True)
    (folder / "train.parquet").write_bytes(path.read_bytes())
    reader = build_reader(ImageConfig(image_size=8))
    read_splits(DataConfig(path=str(folder)), reader, hold_out=False)


def _of_weights(folder: Path) -> list[Format]:
    """Return the formats of saved models, of runs, and of weights of other libraries."""
    saved = folder / "saved"
    checkpoint.save(tiny_classifier(ImageConfig(image_size=8, num_bands=2)), saved)
    configs = [_config_file(folder / kind, config) for kind, config in CONFIGS.items()]
    weights = saved / checkpoint.WEIGHTS
    image = folder / "image.png"
    image.write_bytes(seeds.images()["png"][0])

    # Without a checksum, as other programs and older versions write it: damage is not found by it.
    plain = [safetensors.torch.save(safetensors.torch.load(weights.read_bytes()))] * 3

    def read_weights(path):
        weights.write_bytes(path.read_bytes())
        perceivers.load(saved)

    def read_config(path):
        raw = path.read_bytes()
        kind = raw[:1].isdigit() and int(raw[:1])
        target = folder / list(CONFIGS)[kind or 0]
        (target / checkpoint.CONFIG).write_bytes(raw[1:])
        predictor = perceivers.Predictor(target)
        if not kind:
            predictor([image])

    def mutate_config(raw, others, rng):
        return raw[:1] + json_mutant(raw[1:], [x[1:] for x in others], rng)

    numbered = [str(i).encode() + raw for i, raw in enumerate(configs)]
    return [
        Format("safetensors", "safetensors", [weights.read_bytes(), *plain], read_weights),
        Format("config.json", "json", numbered, read_config, mutate_config),
        *_of_run(folder),
        *_of_libraries(folder),
    ]


CONFIGS = {
    "image": ImageConfig(image_size=8, num_bands=2),
    "mel": MelConfig(num_samples=1600, num_bands=2, n_mels=8),
    "points": PointsConfig(num_points=16, num_bands=2),
    "text": TextConfig(max_length=16, embedding_dim=8),
    "fusion": FusionConfig(
        parts={
            "audio": AudioConfig(num_samples=80, patch_size=8, num_bands=2),
            "video": VideoConfig(num_frames=2, image_size=8, num_bands=2),
        }
    ),
    "rows": RowsConfig(
        parts={
            "cells": TabularConfig(
                numeric=("age",), categorical=("town",), categories=(("Bern", "Oslo"),),
                embedding_dim=8,
            )
        }
    ),
}  # fmt: skip


def _config_file(folder: Path, config) -> bytes:
    checkpoint.save(tiny_classifier(config), folder)
    return (folder / checkpoint.CONFIG).read_bytes()


def _of_run(folder: Path) -> list[Format]:
    """Return the formats of the files of a run: its checkpoint and its configuration."""
    from tiny_recipes import tiny

    from perceivers.training import engine
    from perceivers.training.recipe_data import read_recipe

    run = folder / "run"
    with _quiet():
        engine.train(tiny(epochs=1), run)
    last, config = run / engine.LAST_CHECKPOINT, run / checkpoint.CONFIG
    good, described = last.read_bytes(), config.read_bytes()
    unmarked = {name: value for name, value in json.loads(described).items() if name != "id"}
    older = good[: good.rindex(b"\n", 0, -1)]
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    def restore(changed, raw):
        for path, content in kept.items():
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)
        changed.write_bytes(raw)

    def resume(path):
        raw = path.read_bytes()
        restore(last, raw[1:])
        if raw[:1] != b"N":  # a run of an older version, whose checkpoint has no checksum
            config.write_text(json.dumps(unmarked))
        recipe = read_recipe(run)
        trainer = dataclasses.replace(recipe.trainer, max_epochs=2)
        with _quiet():
            engine.resume(run, dataclasses.replace(recipe, trainer=trainer))

    def mutate(raw, others, rng):
        return raw[:1] + _zip_mutant(raw[1:], [other[1:] for other in others], rng)

    def read_run(path):
        restore(config, path.read_bytes())
        with _quiet():
            perceivers.load(run)
            read_recipe(run)

    return [
        Format("last.ckpt", "ckpt", [b"N" + good, *[b"O" + older] * 3], resume, mutate, slow=True),
        Format("run config.json", "json", [described], read_run, json_mutant),
    ]


def _of_libraries(folder: Path) -> list[Format]:
    """Return the formats of the weights of perceiver-pytorch and of the Keras example."""
    from perceiver_pytorch import Perceiver

    from perceivers.interop import convert, from_keras, to_keras
    from perceivers.models.build import build
    from perceivers.models.config import KerasExampleConfig

    arguments = {
        "num_freq_bands": 2, "depth": 1, "max_freq": 8, "num_latents": 4, "latent_dim": 8,
        "latent_heads": 2, "cross_dim_head": 8, "latent_dim_head": 8, "num_classes": 3,
    }  # fmt: skip
    torch.manual_seed(0)
    state = Perceiver(**arguments).state_dict()
    files = []
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        buffer = io.BytesIO()
        torch.save(state, buffer, **options)
        files.append(buffer.getvalue())
    image = ImageConfig(image_size=8, patch_size=2, projection_dim=8, position="learned",
                        position_dim=8, fusion="add")  # fmt: skip
    keras = build(
        KerasExampleConfig(num_classes=3, input=image, num_latents=4, latent_dim=8,
                           num_layers_per_block=1, num_self_heads=2, self_qk_dim=16, head_dim=8)
    )  # fmt: skip
    path = folder / "a.weights.h5"
    to_keras(keras, path)
    hdf5 = path.read_bytes()
    buffer = io.BytesIO()
    import zipfile

    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", hdf5)

    def mutate_torch(raw, others, rng):
        zipped = raw[:2] == b"PK"
        return (_zip_mutant if zipped else mutant)(raw, others, rng)

    return [
        Format("pt", "pt", files, lambda path: convert(path, **arguments), mutate_torch),
        Format("h5", "h5", [hdf5], from_keras),
        Format("keras", "keras", [buffer.getvalue()], from_keras, _zip_mutant),
    ]


def _of_cifar() -> list[Format]:
    """Return the archives of CIFAR-10; their checksums are not verified, so that more is read."""
    python, binary = cifar.LAYOUTS["cifar10"]

    def read(path):
        layout = binary if path.read_bytes().startswith(b"B") else python
        folder = path.with_name(f"{path.stem}-cifar")
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        (folder / layout.archive).write_bytes(path.read_bytes()[1:])
        verified = cifar._read_verified
        cifar._read_verified = lambda read, file, md5: read(file)
        try:
            cifar.read_cifar("cifar10", folder)
        finally:
            cifar._read_verified = verified

    def marked(mark, files):
        return [mark + raw for raw in files]

    def mutate(raw, others, rng):
        return raw[:1] + mutant(raw[1:], [other[1:] for other in others], rng)

    return [
        Format("cifar-python", "tar", marked(b"P", seeds.cifar_archives(python, False)), read,
               mutate),
        Format("cifar-binary", "tar", marked(b"B", seeds.cifar_archives(binary, True)), read,
               mutate),
    ]  # fmt: skip


@contextlib.contextmanager
def _quiet():
    with (
        warnings.catch_warnings(),
        open(os.devnull, "w") as null,
        contextlib.redirect_stdout(null),
        contextlib.redirect_stderr(null),
    ):
        warnings.simplefilter("ignore")
        yield

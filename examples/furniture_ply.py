"""Write the furniture of the Debian package sweethome3d-furniture as point clouds by kind.

    apt-get download sweethome3d-furniture
    dpkg-deb -x sweethome3d-furniture_*.deb PACKAGE
    pip install trimesh scipy
    python examples/furniture_ply.py PACKAGE DEST

The kind of a model is the noun of its name in the catalogue: "Double window 3 panes" is a window.
Of each model of the ten kinds that are listed below, 2,048 points are drawn uniformly on the
surface, in metres and with z upright, at the size that the catalogue states. Models whose clouds
are nearly equal go to the same split; a quarter of each kind is the test split. Models of one
series, such as the windows of one designer, may be in both.

Licences: the models are public domain, CC-BY or under the Free Art License; see the package's
copyright file.
"""

import argparse
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import trimesh
from scipy.spatial import cKDTree

KINDS = {
    "table": "table",
    "chair": "chair",
    "armchair": "armchair",
    "sofa": "sofa|couch",
    "bed": "bed",
    "cabinet": "cabinet|wardrobe|bookcase",
    "lamp": "lamp|light",
    "door": "door",
    "window": "window",
    "plant": "plant|tree",
}
"""Nouns of each kind."""
POINTS = 2048
TEST = 0.25  # approximate share of each kind in the test split
ALIKE = 0.02  # mean distance of clouds, in radii of their sphere, below which they are variants
COMPARED = 256  # points of a cloud that are compared


def kind_of(name: str) -> str | None:
    """Return the kind of a model by its name, or None if the noun is none of those known."""
    name = re.sub(r" (with|on|of) .*| (\d |small |large )panes?$", "", name.lower())
    return next(
        (kind for kind, nouns in KINDS.items() if name.split()[-1] in nouns.split("|")), None
    )


def models_of(archive: zipfile.ZipFile) -> Iterator[dict[str, str]]:
    """Yield the properties of each model of a catalogue."""
    text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
    models: dict[str, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)\s*=\s*(.*?)\s*$", text, re.MULTILINE):
        models.setdefault(number, {})[key] = value
    yield from (model for model in models.values() if "model" in model)


def sample(path: Path, size: tuple[float, float, float], seed: int) -> np.ndarray:
    """Return points (POINTS, 3) of a model's surface; z is upright, which is y in the file.

    Args:
        path: obj file.
        size: width, depth and height.
        seed: seed of the points.
    """
    mesh = trimesh.load(path, force="mesh", skip_materials=True, process=False)
    points, _ = trimesh.sample.sample_surface(mesh, POINTS, seed=seed)
    low, high = mesh.bounds
    points = (points - (low + high) / 2) / np.where(high > low, high - low, 1.0)
    return (points[:, [0, 2, 1]] * [1, -1, 1] * size).astype(np.float32)


def groups_of(clouds: list[np.ndarray]) -> np.ndarray:
    """Return the group of each cloud: clouds nearer than ALIKE are in one group, and so on."""
    unit = [(cloud - cloud.mean(0))[:: POINTS // COMPARED] for cloud in clouds]
    unit = [cloud / np.linalg.norm(cloud, axis=1).max() for cloud in unit]
    trees, groups = [cKDTree(cloud) for cloud in unit], np.arange(len(clouds))
    for i, cloud in enumerate(unit):
        for j in range(i):
            apart = max(trees[j].query(cloud)[0].mean(), trees[i].query(unit[j])[0].mean())
            if apart < ALIKE:
                groups[groups == groups[i]] = groups[j]
    return groups


def test_models(groups: np.ndarray) -> np.ndarray:
    """Return a mask of the test models of one kind: whole groups, drawn with a fixed seed."""
    chosen = np.zeros(len(groups), bool)
    for group in np.random.default_rng(0).permutation(np.unique(groups)):
        members = groups == group
        if (chosen | members).sum() <= round(1.3 * TEST * len(groups)):
            chosen |= members
        if chosen.sum() >= TEST * len(groups):
            break
    return chosen


def main(package: Path, dest: Path) -> None:
    """Write DEST/train/KIND/*.ply and DEST/test/KIND/*.ply."""
    clouds: dict[str, list[tuple[str, np.ndarray]]] = {kind: [] for kind in KINDS}
    for path in sorted((package / "usr/share/sweethome3d/furniture").glob("*.sh3f")):
        with zipfile.ZipFile(path) as archive, TemporaryDirectory() as folder:
            for number, model in enumerate(models_of(archive)):
                kind = kind_of(model["name"])
                if kind is None:
                    continue
                size = tuple(float(model[key]) / 100 for key in ("width", "depth", "height"))
                file = archive.extract(model["model"].lstrip("/"), folder)
                name = re.sub(r"\W+", "-", f"{path.stem}-{number:03}-{model['name']}".lower())
                clouds[kind].append((name, sample(Path(file), size, number)))
    counts: Counter[str] = Counter()
    for kind, named in clouds.items():
        groups = groups_of([cloud for _, cloud in named])
        for (name, cloud), held_out in zip(named, test_models(groups), strict=True):
            split = "test" if held_out else "train"
            counts[f"{split} {kind}"] += 1
            (dest / split / kind).mkdir(parents=True, exist_ok=True)
            trimesh.PointCloud(cloud).export(dest / split / kind / f"{name}.ply")
        counts["groups"] += len(np.unique(groups))
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="folder of the unpacked package")
    parser.add_argument("dest", type=Path, help="folder to write to")
    main(**vars(parser.parse_args()))

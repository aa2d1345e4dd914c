"""Write the KiCad point clouds as ply files, in one folder per class, split by part family.

    python examples/kicad_ply.py SOURCE DEST

SOURCE contains points.npy (parts, points, 3) in the unit sphere and labels.npz (label, name,
classes, scale: the sphere's radius in units of 0.1 inch). Points are written in millimetres. Parts
whose names differ only in numbers are close variants of one family. All parts of a family go to the
same split, so that no test part has a variant in the training split.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import trimesh

UNIT = 2.54  # millimetres per unit of `scale`, KiCad's convention for its VRML files
TEST = 0.2  # approximate share of each class's parts in the test split


def test_parts(labels: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Return a mask (parts,) of the test parts.

    Whole families are drawn with a fixed seed until they make up a fifth of each class.
    """
    families = np.array([re.sub(r"[0-9.]+", "#", Path(name).stem) for name in names])
    rng = np.random.default_rng(0)
    chosen = np.zeros(len(names), bool)
    for label in np.unique(labels):
        members = labels == label
        kinds, counts = np.unique(families[members], return_counts=True)
        for kind in rng.permutation(len(kinds)):
            taken = (chosen & members).sum()
            if taken + counts[kind] <= max(1, round(1.3 * TEST * members.sum())):
                chosen |= members & (families == kinds[kind])
            if (chosen & members).sum() >= TEST * members.sum():
                break
    return chosen


def main(source: Path, dest: Path) -> None:
    """Write DEST/train/CLASS/*.ply and DEST/test/CLASS/*.ply."""
    points = np.load(source / "points.npy", mmap_mode="r")
    with np.load(source / "labels.npz", allow_pickle=False) as file:
        labels, names, classes = file["label"], file["name"], file["classes"]
        radii = UNIT * file["scale"]
    chosen = test_parts(labels, names)
    for index, (label, name) in enumerate(zip(labels, names, strict=True)):
        folder = dest / ("test" if chosen[index] else "train") / str(classes[label])
        folder.mkdir(parents=True, exist_ok=True)
        cloud = trimesh.PointCloud(np.asarray(points[index] * radii[index], np.float32))
        cloud.export(folder / f"{index:04d}-{Path(str(name)).stem}.ply")
    print(f"{(~chosen).sum()} training parts, {chosen.sum()} test parts")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of points.npy and labels.npz")
    parser.add_argument("dest", type=Path, help="folder to write to")
    main(**vars(parser.parse_args()))

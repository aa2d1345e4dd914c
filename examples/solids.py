"""Write points of solids that no run has seen, and compare what a run makes of them with the truth.

    python examples/solids.py RUN DEST [COUNT]

RUN is a run of the recipe `shape-vae`. DEST/0000.ply and so on have 1,024 points each, of the
surface of COUNT (default 40) unions of boxes, balls and tori, drawn as the recipe draws its own but
with another seed. The IoU of the solids, on a grid of 64³ places, is printed, and DEST/solids.png
shows the points, the true surface and the one that the run makes, of the worst, of a few between
and of the best solid. `perceivers predict RUN DEST/0000.ply` writes the mesh of one.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import perceivers
from perceivers.data.shapes import Union, random_union
from perceivers.modalities.points.draw import draw_points, draw_surface
from perceivers.modalities.points.marching import surface_of
from perceivers.modalities.points.ply import ply_bytes
from perceivers.models.perceiver_io import PerceiverIOModel
from perceivers.predict.solids import Points, occupancy, read_points

SEED = 20261127  # the recipe's is another
POINTS, RESOLUTION, SHOWN = 1024, 64, 5


def truth(solid: Union, given: Points) -> np.ndarray:
    """Return 1 for places of the grid that are inside of a solid, else -1, (R, R, R)."""
    line = np.linspace(-1, 1, RESOLUTION)
    places = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = solid.contains(places * given.extent + given.centre)
    return np.where(inside, 1.0, -1.0).reshape((RESOLUTION,) * 3)


def main(run: str, dest: Path, count: int) -> None:
    """Write, compare and draw the solids."""
    model = perceivers.load(run)
    assert isinstance(model, PerceiverIOModel)
    dest.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        random = np.random.default_rng((SEED, number))
        solid = random_union(random)
        file = dest / f"{number:04}.ply"
        file.write_bytes(ply_bytes(solid.sample(POINTS, random), {}))
        given = read_points(model, file)
        said, true = occupancy(model, given.content, RESOLUTION), truth(solid, given)
        inside = np.stack([said > 0, true > 0])
        rows.append((float(inside.all(0).sum() / inside.any(0).sum()), given.content, true, said))
    ious = np.array([row[0] for row in rows])
    print(f"IoU of {count} solids: mean {ious.mean():.2%}, median {np.median(ious):.2%}, "
          f"lowest {ious.min():.2%}")  # fmt: skip
    shown = ious.argsort()[np.linspace(0, count - 1, min(SHOWN, count)).astype(int)]
    figure = Figure(figsize=(6.6, 2.2 * len(shown)))
    for line, row in zip(figure.subfigures(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        iou, content, true, said = rows[row]
        panels = line.subfigures(1, 3)
        titles = ("points", "true surface", f"surface made of them, IoU {iou:.1%}")
        for panel, title in zip(panels, titles, strict=True):
            panel.suptitle(title, fontsize=8)
        draw_points(panels[0], content)
        draw_surface(panels[1], *surface_of(true))
        draw_surface(panels[2], *surface_of(said))
    figure.savefig(dest / "solids.png", dpi=80)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run of the recipe shape-vae")
    parser.add_argument("dest", type=Path, help="folder to write to")
    parser.add_argument("count", type=int, nargs="?", default=40, help="number of solids [40]")
    main(**vars(parser.parse_args()))

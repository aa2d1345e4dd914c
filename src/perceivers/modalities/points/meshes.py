"""Meshes and clouds that trimesh reads: ply, off, obj, stl."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import missing_extra


@dataclass(frozen=True)
class Cloud:
    """Points, in the order of the file."""

    values: np.ndarray
    """(M, C): coordinates, then normals, then colours in [0, 1], where there are any. float64, but
    of a `.npy` file that lies on disk as it is there."""

    @property
    def channels(self) -> int:
        """C."""
        return int(self.values.shape[1])


@dataclass(frozen=True)
class Mesh:
    """A surface of triangles, to take points from."""

    surface: Any
    """A `trimesh.Trimesh`."""
    coloured: bool
    """Its corners or faces have colours; a texture is not read."""

    @property
    def channels(self) -> int:
        """Of a sampled point: coordinates and normal, and colour if there is one."""
        return 9 if self.coloured else 6

    def sample(self, count: int, seed: int) -> np.ndarray:
        """Random points of the surface, equally likely everywhere on it: (count, C) float64.

        The normal is that of the face, the colour that of the face or between its corners'.
        """
        import trimesh

        surface = self.surface
        if not surface.area > 0:
            raise ValueError(
                f"the {len(surface.faces)} faces have no area, so no point can be taken from them; "
                "repair the mesh or save its points alone"
            )
        points, faces, corners = trimesh.sample.sample_surface(
            surface, count, seed=seed, return_barycentric=True
        )
        parts = [points, surface.face_normals[faces]]
        if self.coloured and surface.visual.kind == "face":
            parts.append(_scaled(surface.visual.face_colors)[faces])
        elif self.coloured:
            of_corners = _scaled(surface.visual.vertex_colors)[surface.faces[faces]]
            parts.append((of_corners * corners[..., None]).sum(axis=1))
        return np.concatenate(parts, axis=1)


def read_geometry(raw: bytes, kind: str) -> Cloud | Mesh:
    """ply, off, obj or stl, through trimesh. Lines, materials and textures are left alone."""
    try:
        import trimesh
    except ImportError:
        raise missing_extra("trimesh", "media") from None
    if kind != "ply" and not _is_binary_stl(raw, kind):
        _check_text(raw, kind)
        # Only comments and names are more than ASCII, in whichever encoding.
        raw = raw.decode("utf-8", "replace").encode()
    try:
        scene = trimesh.load_scene(
            io.BytesIO(raw), file_type=kind, process=False, skip_materials=True
        )
        parts = list(scene.geometry.values())
        # One part as it is: trimesh's joining of parts drops clouds.
        found = parts[0] if len(parts) == 1 else scene.to_mesh()
        result = _from_trimesh(found)
    except Exception as error:  # its parsers raise whatever they trip over
        hint = "; if other programs open it, save it as triangles" if kind == "ply" else ""
        raise ValueError(f"damaged {kind} file ({error}){hint}") from None
    if kind == "ply":
        _check_ply(found)
    return result


def _from_trimesh(found: Any) -> Cloud | Mesh:
    vertices = np.asarray(found.vertices, np.float64)
    if len(getattr(found, "faces", ())):
        found.area_faces  # noqa: B018 - raises if a face has a corner that is not there
        return Mesh(found, coloured=found.visual.kind in ("vertex", "face"))
    columns = [vertices.reshape(-1, 3)]
    raw = found.metadata.get("_ply_raw", {}).get("vertex", {})  # trimesh drops a cloud's normals
    if {"nx", "ny", "nz"} <= set(raw.get("properties", ())):
        columns.append(np.column_stack([raw["data"][name] for name in ("nx", "ny", "nz")]))
    colours = getattr(found, "colors", None)
    if colours is not None and len(colours) == len(vertices) > 0:
        columns.append(_scaled(colours))
    return Cloud(np.concatenate(columns, axis=1))


def _scaled(colours: np.ndarray) -> np.ndarray:
    """uint8 RGBA → RGB in [0, 1]."""
    return np.asarray(colours)[:, :3] / 255.0


def _is_binary_stl(raw: bytes, kind: str) -> bool:
    """ValueError for one that is cut short: trimesh would take it for text."""
    if kind != "stl" or len(raw) < 84:
        return False
    faces = int.from_bytes(raw[80:84], "little")
    if len(raw) == 84 + 50 * faces:
        return True
    if not raw.lstrip().startswith(b"solid"):
        raise ValueError(
            f"damaged stl file: {len(raw)} bytes; {84 + 50 * faces} expected of {faces} faces"
        )
    return False


def _check_text(raw: bytes, kind: str) -> None:
    """ValueError where fewer lines follow than were announced, which trimesh passes over."""
    if kind == "stl" and b"endsolid" not in raw:
        raise ValueError("damaged stl file: it does not end with 'endsolid'")
    if kind == "off":
        lines = [line.split(b"#")[0].strip() for line in raw.splitlines()]
        # The counts may follow on the line that says OFF.
        _, _, body = b"\n".join(lines).partition(b"OFF")
        counts, *rest = [line for line in body.split(b"\n") if line] or [b""]
        announced = counts.split()[:2]
        if len(announced) < 2 or not all(count.isdigit() for count in announced):
            raise ValueError("damaged off file: no counts of points and faces after 'OFF'")
        points, faces = map(int, announced)
        if len(rest) < points + faces:
            raise ValueError(
                f"damaged off file: {len(rest)} lines after its counts of {points} points and "
                f"{faces} faces"
            )


def _check_ply(found: Any) -> None:
    """ValueError where a text ply has fewer rows than its header says."""
    for name, element in found.metadata.get("_ply_raw", {}).items():
        data = element.get("data")
        if data is None or not element["length"]:
            continue
        rows = len(next(iter(data.values())) if isinstance(data, dict) else data)
        if rows < element["length"]:
            raise ValueError(
                f"damaged ply file: {rows} rows of {name}, {element['length']} announced"
            )

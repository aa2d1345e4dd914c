"""Clouds and meshes, and their parser for the formats that trimesh reads: ply, off, obj, stl."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import missing_extra
from ...reading import check_limit, parser_errors
from ..notices import notice

# Properties of the points of a ply file that are read, or belong to one that is.
PLY_COLOURS = ("red", "green", "blue")
PLY_CHANNELS = frozenset({"x", "y", "z", "nx", "ny", "nz", *PLY_COLOURS, "alpha"})


@dataclass(frozen=True)
class Cloud:
    """The points of a file, in the order of the file."""

    values: np.ndarray
    """(M, C): coordinates, then normals and colours in [0, 1], if the file has them. float64, or
    the file's own type if it is a memory-mapped `.npy` file."""
    has_normals: bool = False
    """Whether channels 4 to 6 are normals."""
    others: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Further values at the points, by name: they are no channels."""

    @property
    def channels(self) -> int:
        """Number of channels of a point."""
        return int(self.values.shape[1])


@dataclass(frozen=True)
class Mesh:
    """A surface of triangles from which points can be sampled."""

    surface: Any
    """A `trimesh.Trimesh`."""
    coloured: bool
    """Whether its vertices or faces have colours. Textures are not read."""

    @property
    def channels(self) -> int:
        """Number of channels of a sampled point: coordinates, normal and, if coloured, colour."""
        return 9 if self.coloured else 6

    def sample(self, count: int, seed: int) -> np.ndarray:
        """Sample points uniformly over the surface.

        A point has the normal of its face, and the colour of its face or the colours of its
        vertices, interpolated.

        Args:
            count: number of points.
            seed: seed of the random choice.

        Returns:
            float64 (count, C).

        Raises:
            ValueError: the surface has no area.
        """
        import trimesh

        surface = self.surface
        if not surface.area > 0:
            raise ValueError(
                f"the {len(surface.faces)} faces have no area, so no points can be sampled; repair "
                "the mesh or save only its points"
            )
        points, faces, barycentric = trimesh.sample.sample_surface(
            surface, count, seed=seed, return_barycentric=True
        )
        parts = [points, surface.face_normals[faces]]
        if self.coloured and surface.visual.kind == "face":
            parts.append(_rgb(surface.visual.face_colors)[faces])
        elif self.coloured:
            vertex_colours = _rgb(surface.visual.vertex_colors)[surface.faces[faces]]
            parts.append((vertex_colours * barycentric[..., None]).sum(axis=1))
        return np.concatenate(parts, axis=1)


def read_geometry(raw: bytes, kind: str) -> Cloud | Mesh:
    """Parse a ply, off, obj or stl file with trimesh. Lines, materials and textures are ignored.

    Args:
        raw: contents of the file.
        kind: its suffix in lower case, without the dot.

    Raises:
        ImportError: trimesh is not installed.
        ValueError: damaged.
    """
    try:
        import trimesh
    except ImportError:
        raise missing_extra("trimesh", "media") from None
    if kind == "ply":
        _check_ply_header(raw)
    elif not _is_binary_stl(raw, kind):
        _check_text(raw, kind)
        # Only comments and names can hold other characters than ASCII, in any encoding.
        raw = raw.decode("utf-8", "replace").encode()
    hint = "; if other programs open it, save it as triangles" if kind == "ply" else ""
    with parser_errors(f"{kind} file", hint):
        scene = trimesh.load_scene(
            io.BytesIO(raw), file_type=kind, process=False, skip_materials=True
        )
        parts = list(scene.geometry.values())
        # A single part is taken as it is, because joining parts drops clouds.
        geometry = parts[0] if len(parts) == 1 else scene.to_mesh()
        result = _from_trimesh(geometry)
    if kind == "obj" and isinstance(result, Cloud) and re.search(rb"^\s*vn\s", raw, re.M):
        notice("has normals at its points (vn) that are not read; save it as ply")
    if kind == "ply":
        _check_ply(geometry)
    return result


def mesh_bytes(vertices: np.ndarray, faces: np.ndarray, kind: str) -> bytes:
    """Return a mesh as the content of a file: binary ply or stl, or obj.

    Args:
        vertices: (V, 3).
        faces: corners of the triangles, (F, 3).
        kind: "ply", "obj" or "stl".

    Raises:
        ImportError: trimesh is not installed.
    """
    try:
        import trimesh
    except ImportError:
        raise missing_extra("trimesh", "media") from None
    content: Any = trimesh.Trimesh(vertices, faces, process=False).export(file_type=kind)
    return content.encode() if isinstance(content, str) else content


def _from_trimesh(geometry: Any) -> Cloud | Mesh:
    vertices = np.asarray(geometry.vertices, np.float64)
    # Normals and colours come from the raw data: trimesh drops the normals of a cloud, and of
    # colours it converts only bytes and floats up to 1.
    stored = geometry.metadata.get("_ply_raw", {})
    if len(getattr(geometry, "faces", ())):
        _set_colours(geometry.visual, stored)
        geometry.area_faces  # noqa: B018 - raises if a face refers to a vertex that does not exist
        return Mesh(geometry, coloured=geometry.visual.kind in ("vertex", "face"))
    columns, has_normals = [vertices.reshape(-1, 3)], False
    raw = stored.get("vertex", {})
    if {"nx", "ny", "nz"} <= set(raw.get("properties", ())):
        columns.append(np.column_stack([raw["data"][name] for name in ("nx", "ny", "nz")]))
        has_normals = True
    names = [name for name in raw.get("properties", ()) if name not in PLY_CHANNELS]
    others = {name: np.ravel(raw["data"][name]) for name in names}
    colours = _stored_colours(raw)
    colours = getattr(geometry, "colors", None) if colours is None else colours
    if colours is not None and len(colours) == len(vertices) > 0:
        columns.append(_rgb(colours))
    return Cloud(np.concatenate(columns, axis=1), has_normals, others)


def _set_colours(visual: Any, stored: Any) -> None:
    """Set the colours of a mesh from the raw data of its ply file."""
    vertices, faces = (_stored_colours(stored.get(name, {})) for name in ("vertex", "face"))
    if visual.kind == "face" and faces is not None:
        visual.face_colors = faces
    elif visual.kind == "vertex" and vertices is not None:
        visual.vertex_colors = vertices


def _stored_colours(element: Any) -> np.ndarray | None:
    """Return the colours of the rows of a ply file as bytes (M, 3); None if they have none."""
    data = element.get("data")
    if data is None or not set(PLY_COLOURS) <= set(element.get("properties", ())):
        return None
    shades = np.column_stack([np.ravel(data[name]) for name in PLY_COLOURS])
    fraction, shades = shades.dtype.kind == "f", np.nan_to_num(shades.astype(np.float64))
    full = full_scale(float(shades.max(initial=0)), fraction=fraction)
    return np.rint(shades.clip(0, full) * (255 / full)).astype(np.uint8)


def full_scale(high: float, *, fraction: bool) -> float:
    """Return the number that stands for full brightness: 1, 255 or 65,535.

    Args:
        high: the highest shade of a file.
        fraction: whether shades up to 1 are fractions of full brightness.
    """
    if fraction and high <= 1:
        return 1.0
    return 255.0 if high <= 255 else 65_535.0


def _rgb(colours: np.ndarray) -> np.ndarray:
    """Convert uint8 RGBA to RGB in [0, 1]."""
    return np.asarray(colours)[:, :3] / 255.0


def _is_binary_stl(raw: bytes, kind: str) -> bool:
    """Return whether this is a binary stl file; raise ValueError if it is truncated.

    trimesh would take a truncated binary file for text.
    """
    if kind != "stl" or len(raw) < 84:
        return False
    faces = int.from_bytes(raw[80:84], "little")
    if len(raw) == 84 + 50 * faces:
        return True
    if not raw.lstrip().startswith(b"solid"):
        raise ValueError(
            f"damaged stl file: {len(raw)} bytes; expected {84 + 50 * faces} for {faces} faces"
        )
    return False


def _check_ply_header(raw: bytes) -> None:
    """Check that a ply file can have as many rows as its header states, each of a byte at least."""
    header = raw[: max(0, raw.find(b"end_header"))]
    stated = sum(int(count) for count in re.findall(rb"^\s*element\s+\S+\s+(\d+)", header, re.M))
    if stated > len(raw):
        raise ValueError(
            f"damaged ply file: its header states {stated:,} rows; the file has {len(raw):,} bytes"
        )
    check_limit("points", stated, "vertices and faces", "Save its points as .npy")


def _check_text(raw: bytes, kind: str) -> None:
    """Check that a text file is not truncated, which trimesh does not notice."""
    check_limit("points", raw.count(b"\n"), "lines", "Save its points as .npy")
    if kind == "stl" and b"endsolid" not in raw:
        raise ValueError("damaged stl file: it does not end with 'endsolid'")
    if kind == "off":
        lines = [line.split(b"#")[0].strip() for line in raw.splitlines()]
        # The counts may be on the same line as OFF.
        _, _, body = b"\n".join(lines).partition(b"OFF")
        counts, *rest = [line for line in body.split(b"\n") if line] or [b""]
        stated = counts.split()[:2]
        if len(stated) < 2 or not all(count.isdigit() for count in stated):
            raise ValueError("damaged off file: no counts of points and faces after 'OFF'")
        points, faces = map(int, stated)
        if len(rest) < points + faces:
            raise ValueError(
                f"damaged off file: {len(rest)} lines after the counts; expected {points} points "
                f"and {faces} faces"
            )


def _check_ply(geometry: Any) -> None:
    """Check that a text ply file has as many rows as its header states."""
    for name, element in geometry.metadata.get("_ply_raw", {}).items():
        data = element.get("data")
        if data is None or not element["length"]:
            continue
        rows = len(next(iter(data.values())) if isinstance(data, dict) else data)
        if rows < element["length"]:
            raise ValueError(
                f"damaged ply file: {rows} rows of {name}; its header states {element['length']}"
            )

"""Files of points and meshes of every kind, made in memory."""

import io
import struct

import numpy as np
import trimesh

CLOUD = np.random.default_rng(0).normal(size=(20, 3)).round(3).astype(np.float32)
COLOURS = np.random.default_rng(1).integers(0, 256, (20, 3), dtype=np.uint8)
NORMALS = np.tile(np.float32([0, 0.6, 0.8]), (20, 1))
BOX = trimesh.creation.box((1, 2, 3))
TRIANGLE = b"v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nf 1 2 3\n"


def ply_cloud(encoding="ascii", *, columns=(CLOUD, NORMALS, COLOURS)):
    """Return a ply file of points with normals and colours, assembled byte by byte."""
    floats, colours = np.concatenate(columns[:2], axis=1), columns[2]
    names = ("x", "y", "z", "nx", "ny", "nz")
    lines = ["ply", f"format {encoding} 1.0", f"element vertex {len(floats)}"]
    lines += [f"property float {name}" for name in names]
    lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
    header = "\n".join([*lines, "end_header\n"]).encode()
    if encoding == "ascii":
        rows = (" ".join(map(str, (*f, *c))) for f, c in zip(floats, colours, strict=True))
        return header + "\n".join(rows).encode() + b"\n"
    order = "<" if "little" in encoding else ">"
    rows = (struct.pack(f"{order}6f3B", *f, *c) for f, c in zip(floats, colours, strict=True))
    return header + b"".join(rows)


def arrays(**named):
    buffer = io.BytesIO()
    np.savez(buffer, **named)
    return buffer.getvalue()


def array(values, **options):
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


def text(values, delimiter=",", header=""):
    buffer = io.StringIO()
    np.savetxt(buffer, values, delimiter=delimiter, header=header, comments="", fmt="%.6g")
    return buffer.getvalue().encode()


def mesh_file(kind, mesh=BOX):
    raw = mesh.export(file_type=kind)
    return raw.encode() if isinstance(raw, str) else raw


PLY = ply_cloud()
STL = mesh_file("stl")

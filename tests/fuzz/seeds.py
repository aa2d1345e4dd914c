"""Small valid files of every format that the library reads, by the name of the format."""

import csv
import gzip
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
from media_files import numbered, sound, video, wav
from PIL import Image

RATE = 8000
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (14, 17, 3), np.uint8)
SMOOTH = Image.fromarray(PIXELS).resize((40, 33), Image.Resampling.BICUBIC)
WAVE = 0.3 * np.sin(np.arange(2400) * np.linspace(0.05, 0.3, 2400))
POINTS = RNG.normal(size=(24, 3))
ARRAYS = [POINTS, POINTS.astype("f4"), (50 * RNG.normal(size=(9, 6))).astype("i2")]


def pillow(form, *images, **options):
    """Return the images encoded as files of a format."""
    files = []
    for image in images:
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        files.append(buffer.getvalue())
    return files


def array(values):
    """Return an array as a npy file."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def images():
    """Return files of images by format."""
    modes = {mode: SMOOTH.convert(mode) for mode in ("RGB", "L", "RGBA", "P", "1", "LA", "CMYK")}
    deep = Image.fromarray(np.linspace(0, 65535, 33 * 40).astype(np.uint16).reshape(33, 40))
    common = [modes["RGB"], modes["L"]]
    frames = [modes["P"], SMOOTH.rotate(90).resize(SMOOTH.size).convert("P")]
    gif = pillow("GIF", frames[0]) + pillow("GIF", frames[0], save_all=True, append_images=frames)
    tags = Image.Exif()
    tags[0x0112] = 6
    return {
        "png": pillow("PNG", *common, *(modes[m] for m in ("RGBA", "P", "1", "LA")), deep),
        "jpg": pillow("JPEG", *common, modes["CMYK"]) + pillow("JPEG", SMOOTH, exif=tags)
        + pillow("JPEG", SMOOTH, progressive=True),
        "gif": gif,
        "webp": pillow("WEBP", modes["RGB"], modes["RGBA"])
        + pillow("WEBP", modes["RGB"], lossless=True),
        "avif": pillow("AVIF", modes["RGB"], modes["RGBA"]),
        "tif": pillow("TIFF", *common, deep, modes["1"])
        + [f for c in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits", "group4")
           for f in pillow("TIFF", modes["1" if c == "group4" else "RGB"], compression=c)],
        "bmp": pillow("BMP", *common, modes["P"], modes["1"]),
        "ppm": [*pillow("PPM", modes["RGB"]), b"P3\n2 2 255\n1 2 3 4 5 6 7 8 9 250 251 252\n"],
        "pgm": [*pillow("PPM", modes["L"], modes["1"]), b"P2\n# a\n3 2 15\n1 2 3 4 5 6\n"],
        "tga": pillow("TGA", *common) + pillow("TGA", SMOOTH, compression="tga_rle"),
        "pcx": pillow("PCX", *common),
        "sgi": pillow("SGI", *common),
        "qoi": pillow("QOI", modes["RGB"], modes["RGBA"]),
        "ico": pillow("ICO", modes["RGBA"].resize((16, 16))),
        "jp2": pillow("JPEG2000", *common),
        "image-npy": [array(PIXELS), array(PIXELS[..., 0]), array(PIXELS[..., :1])],
    }  # fmt: skip


def sounds():
    """Return files of sounds by format."""
    stereo = np.stack([WAVE, -WAVE], 1)
    return {
        "wav": [wav((WAVE * 9000).astype(int), RATE), wav((stereo * 99).astype(int), RATE, 1),
                sound(WAVE, RATE, "wav", "pcm_f32le")],
        "flac": [sound(WAVE, RATE, "flac", "flac")],
        "mp3": [sound(np.tile(WAVE, 3), 16000, "mp3", "libmp3lame")],
        "ogg": [sound(WAVE, RATE, "ogg", "flac"),
                sound(np.tile(stereo, (3, 1)), 16000, "ogg", "libopus", "stereo")],
        "opus": [sound(WAVE, RATE, "ogg", "libopus")],
        "m4a": [sound(np.tile(WAVE, 2), 16000, "ipod", "aac")],
        "aiff": [sound(WAVE, RATE, "aiff", "pcm_s16be")],
        "mka": [sound(WAVE, RATE, "matroska", "flac")],
    }  # fmt: skip


def videos():
    """Return files of videos by format, with and without sound."""
    frames, track = numbered(6), ("pcm_s16le", RATE, WAVE)
    return {
        "mp4": [video(frames, "mp4", "libx264", "yuv420p", bf=2),
                video(frames, "mp4", "mpeg4", "yuv420p", sound=("aac", 16000, WAVE))],
        "mkv": [video(frames, sound=("flac", RATE, WAVE)),
                video(frames, "matroska", "libx264", "yuv420p")],
        "avi": [video(frames, "avi", "mjpeg", "yuvj420p", sound=track),
                video(frames, "avi", "mpeg4", "yuv420p")],
        "webm": [video(frames, "webm", "libvpx-vp9", "yuv420p"),
                 video(frames, "webm", "libvpx", "yuv420p", sound=("libopus", RATE, WAVE))],
        "mov": [video(frames, "mov", "mjpeg", "yuvj420p")],
        "mpg": [video(frames, "mpeg", "mpeg1video", "yuv420p")],
    }  # fmt: skip


def points():
    """Return files of points by format."""
    import trimesh

    box = trimesh.creation.box()
    cloud = trimesh.PointCloud(POINTS, colors=RNG.integers(0, 255, (24, 4), np.uint8))
    rows = [" ".join(f"{x:.4f}" for x in point) for point in POINTS]
    table = ["x,y,z,red", *(row.replace(" ", ",") + ",3" for row in rows)]
    arrays = []
    for values in ARRAYS:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, points=values)
        arrays.append(buffer.getvalue())
    return {
        "ply": [box.export(file_type="ply"), box.export(file_type="ply", encoding="ascii"),
                cloud.export(file_type="ply")],
        "off": [box.export(file_type="off").encode()],
        "obj": [box.export(file_type="obj").encode(), cloud.export(file_type="obj").encode()],
        "stl": [box.export(file_type="stl"), box.export(file_type="stl_ascii").encode()],
        "npy": [array(values) for values in ARRAYS],
        "npz": arrays,
        "csv-points": ["\n".join(table).encode()],
        "xyz": ["\n".join(rows).encode(), "\n".join(["# a cloud", *rows]).encode()],
    }  # fmt: skip


def cells(count=12):
    """Return the rows of a table."""
    return [
        {"age": f"{20 + i}", "town": ("Bern", "Oslo")[i % 2], "note": f"seen on day {i} by us",
         "when": f"2024-01-{i + 1:02d}", "label": ("a", "b")[i % 2]}
        for i in range(count)
    ]  # fmt: skip


def tables():
    """Return tables by format."""
    import pyarrow
    import pyarrow.parquet

    rows = cells()

    def delimited(delimiter):
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
        return buffer.getvalue().encode()

    typed = {
        "age": [float(row["age"]) for row in rows],
        "town": pyarrow.array([row["town"] for row in rows]).dictionary_encode(),
        "note": [row["note"] for row in rows],
        "when": pyarrow.array([1_700_000_000_000_000 + i for i in range(12)],
                              pyarrow.timestamp("us")),
        "label": [row["label"] for row in rows],
    }  # fmt: skip
    files = []
    for options in ({}, {"compression": "none", "use_dictionary": False}, {"compression": "gzip"}):
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(typed), buffer, **options)
        files.append(buffer.getvalue())
    lines = "\n".join(json.dumps({**row, "age": float(row["age"])}) for row in rows)
    return {
        "csv": [delimited(","), delimited(";")],
        "tsv": [delimited("\t")],
        "jsonl": [lines.encode()],
        "parquet": files,
    }


def series():
    """Return tables of a series: plain, with a decimal comma, and with months."""
    rows = range(1, 13)
    return [
        "\n".join(["date,load,wind", *(f"2024-01-{i:02d},{i * 1.5},{i}" for i in rows)]).encode(),
        "\n".join(["date;load;wind", *(f"{i}.1.2024;{i}.000,5;{i}" for i in rows)]).encode(),
        "\n".join(["month,load,wind", *(f"2024-{i:02d},{i},1e{i}" for i in rows)]).encode(),
    ]


def spans():
    """Return lines of texts with spans of characters."""
    row = {"text": "Zoë lives in Åre", "spans": [{"start": 0, "end": 3, "label": "NAME"}]}
    return [b"\n".join(json.dumps(each).encode() for each in (row, {**row, "spans": []}))]


def labelled_points():
    """Return clouds with a label for each point, ply files and an npz file."""
    from perceivers.modalities.points.ply import ply_bytes

    labels, buffer = np.arange(len(POINTS)) % 3, io.BytesIO()
    np.savez_compressed(buffer, points=POINTS, labels=labels)
    ply = ply_bytes(POINTS.astype("f4"), {"label": labels.astype(np.int32)})
    return [ply], [buffer.getvalue()]


def masks():
    """Return masks of an image of `SMOOTH`'s size, with grey values, a palette and 16 bits."""
    values = (np.arange(33 * 40).reshape(33, 40) // 200).astype(np.uint8)
    grey = Image.fromarray(values)
    return pillow("PNG", grey, grey.convert("P"), Image.fromarray(values.astype(np.uint16)))


def parquet_images():
    """Return a parquet file of images and classes, as the hub has them."""
    import datasets

    data = {
        "image": [{"bytes": file, "path": None} for file in pillow("PNG", *[SMOOTH] * 6)],
        "label": [0, 1, 0, 1, 0, 1],
    }
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    )
    buffer = io.BytesIO()
    datasets.Dataset.from_dict(data, features=features).to_parquet(buffer)
    return [buffer.getvalue()]


def zip_again(raw: bytes, change) -> bytes:
    """Return a zip archive with one of its members changed and its checksums right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(buffer, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, change(old.read(info)))
    return buffer.getvalue()


def cifar_batch(count=4):
    """Return a batch of the Python version of CIFAR-10."""
    data = RNG.integers(0, 256, (count, 3072), np.uint8)
    return pickle.dumps({b"data": data, b"labels": [i % 10 for i in range(count)]}, protocol=3)


def cifar_archives(layout, binary):
    """Return an archive of CIFAR-10, and the same unpacked from gzip."""
    rows = np.concatenate(
        [np.array([[1], [2]], np.uint8), RNG.integers(0, 256, (2, 3072), "u1")], 1
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in [*layout.train, *layout.test]:
            _add(tar, f"{layout.folder}/{name}", rows.tobytes() if binary else cifar_batch(2))
        names = [f"class{i}" for i in range(10)]
        meta = pickle.dumps({b"label_names": [n.encode() for n in names]}, protocol=3)
        _add(tar, f"{layout.folder}/{layout.names}", "\n".join(names).encode() if binary else meta)
    raw = buffer.getvalue()
    return [raw, gzip.compress(raw, 1)]


def _add(tar, name, raw):
    info = tarfile.TarInfo(name)
    info.size = len(raw)
    tar.addfile(info, io.BytesIO(raw))


TEXTS = [b"words of a text\nand more\n", "naïve – text\r\n".encode(), b"\xef\xbb\xbfbom"]

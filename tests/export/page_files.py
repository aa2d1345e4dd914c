"""Files of many kinds, for pages to read."""

import functools
import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms
from tests import media_files
from tests.media_files import sound, wav

SIZES = ((37, 53), (53, 37), (64, 32), (90, 131), (9, 7))
rng = np.random.default_rng(0)


def seeded(make):
    """Let a function draw the same numbers whenever it is called."""

    @functools.wraps(make)
    def seeded_make(*arguments):
        global rng
        rng = np.random.default_rng(0)
        return make(*arguments)

    return seeded_make


def smooth(height, width, bands):
    """Return a picture of waves with a little noise, uint8 (height, width, bands)."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + k) + y / 9) * 80 + 40 * np.cos(y / (4 + k)) for k in range(bands)]
    return (127 + np.stack(waves, -1) + rng.normal(size=(height, width, 1)) * 4).astype(np.uint8)


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@seeded
def pngs():
    files = {}
    for height, width in SIZES:
        size = f"{height}x{width}"
        colours = Image.fromarray(smooth(height, width, 3))
        grey = Image.fromarray(smooth(height, width, 1)[..., 0])
        files |= {
            f"grey{size}.png": encoded(grey),
            f"bits{size}.png": encoded(grey.convert("1")),
            f"rgb{size}.png": encoded(colours),
            f"rgba{size}.png": encoded(Image.fromarray(smooth(height, width, 4))),
            f"la{size}.png": encoded(Image.fromarray(smooth(height, width, 2))),
            f"palette{size}.png": encoded(colours.quantize(17)),
            f"clear{size}.png": encoded(colours.quantize(17), transparency=3),
            f"key{size}.png": encoded(colours.quantize(9).convert("RGB"), transparency=(1, 2, 3)),
            f"deep{size}.png": encoded(Image.fromarray(np.array(grey).astype(np.uint16) * 256 + 7)),
        }
    for turn in range(1, 9):
        files[f"turned{turn}.png"] = encoded(Image.fromarray(smooth(37, 53, 3)), exif=exif(turn))
    files["lossless.webp"] = encoded(Image.fromarray(smooth(37, 53, 3)), "WEBP", lossless=True)
    files["first.gif"] = encoded(Image.fromarray(smooth(37, 53, 3)).quantize(30), "GIF")
    files["plain.bmp"] = encoded(Image.fromarray(smooth(37, 53, 3)), "BMP")
    return files


@seeded
def jpegs():
    """Return JPEG files whose pixels libjpeg decodes in each of its ways."""
    files = {}
    photograph = media_files.photograph()
    crop = photograph.crop((200, 60, 330, 190))
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            name = f"_{subsampling}{'p' * progressive}.jpg"
            options = {"subsampling": subsampling, "progressive": progressive}
            files[f"crop{name}"] = encoded(crop, "JPEG", **options)
            files[f"large{name}"] = encoded(photograph, "JPEG", quality=50, **options)
            for h, w in SIZES:
                odd = Image.fromarray(smooth(h, w, 3))
                files[f"odd{h}x{w}{name}"] = encoded(odd, "JPEG", **options)
            square = encoded(crop.crop((0, 0, 64, 64)), "JPEG", **options)
            for factors in {1: (0x12,), 2: (0x41, 0x14)}.get(subsampling, ()):
                files[f"factors{factors}{name}"] = sampled(square, factors)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    inks = encoded(crop.convert("CMYK"), "JPEG")
    files |= {
        "photograph.jpg": media_files.PHOTOGRAPH.read_bytes(),
        "grey.jpg": encoded(photograph.convert("L"), "JPEG"),
        "rgb.jpg": encoded(crop, "JPEG", keep_rgb=True),
        "cmyk.jpg": inks,
        "ycck.jpg": inks.replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2"),
        "restart.jpg": encoded(crop, "JPEG", restart_marker_blocks=3),
        "profile.jpg": encoded(crop, "JPEG", icc_profile=profile),
        "xmp.jpg": encoded(crop, "JPEG", xmp=b'<x tiff:Orientation="6"/>'),
    }
    for turn in range(1, 9):
        files[f"turned{turn}.jpg"] = encoded(
            Image.fromarray(smooth(37, 53, 3)), "JPEG", exif=exif(turn)
        )
    return files


def sampled(jpeg, factors):
    """Return a JPEG file of 64 × 64 pixels that states other sampling factors of its brightness."""
    changed = bytearray(jpeg)
    frame = next(i for i in range(len(jpeg)) if jpeg[i] == 0xFF and jpeg[i + 1] in (0xC0, 0xC2))
    changed[frame + 11] = factors
    return bytes(changed)


@seeded
def compressed_images():
    photograph = media_files.photograph()
    clear = photograph.copy()
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    return {
        "a.webp": encoded(photograph, "WEBP", quality=60),
        "clear.webp": encoded(clear, "WEBP", quality=60),
        "a.avif": encoded(photograph, "AVIF", quality=60),
        "clear.gif": encoded(photograph.quantize(64), "GIF", transparency=5),
        "clear.bmp": encoded(clear, "BMP"),
    }


@seeded
def plain_pngs():
    """Return PNG files of each type and depth, with and without a transparent colour."""
    files = {}
    for kind, depths in {
        0: (1, 2, 4, 8, 16),
        2: (8, 16),
        3: (1, 2, 4, 8),
        4: (16,),
        6: (16,),
    }.items():
        for depth in depths:
            bands = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
            values = rng.integers(0, 2**depth, (23, 37, bands))
            chunks = {}
            if kind == 3:
                chunks["PLTE"] = rng.integers(0, 256, 3 * 2**depth, np.uint8).tobytes()
            for interlaced in (0, 1):
                name = f"type{kind}_{depth}{'i' * interlaced}"
                files[f"{name}.png"] = plain_png(values, kind, depth, interlaced, chunks)
                if kind < 4:
                    key = values[3, 5].astype(">u2").tobytes()
                    shades = rng.integers(0, 256, 2**depth // 2, np.uint8).tobytes()
                    clear = {**chunks, "tRNS": shades if kind == 3 else key}
                    files[f"{name}_clear.png"] = plain_png(values, kind, depth, interlaced, clear)
    files["short_palette.png"] = plain_png(
        values[..., :1] % 16, 3, 8, 0, {"PLTE": bytes(range(24))}
    )
    return files


def plain_png(values, kind, depth, interlaced, chunks):
    """Return a PNG file of values (H, W, bands) without filters."""
    passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    raw = b""
    for left, top, right, down in passes if interlaced else [(0, 0, 1, 1)]:
        for row in values[top::down, left::right]:
            bits = row.reshape(-1, 1) >> np.arange(depth)[::-1] & 1
            raw += b"\0" + np.packbits(bits.astype(np.uint8)).tobytes()
    height, width = values.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    parts = {"IHDR": head, **chunks, "IDAT": zlib.compress(raw), "IEND": b""}
    file = b"\x89PNG\r\n\x1a\n"
    for name, content in parts.items():
        checked = name.encode() + content
        file += struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
    return file


def float_wav(samples, rate):
    """Return a wav file of float32 samples (S, C)."""
    x = np.asarray(samples, np.float32)
    channels = x.shape[1]
    form = struct.pack("<IHHIIHH", 16, 3, channels, rate, 4 * rate * channels, 4 * channels, 32)
    head = b"RIFF" + struct.pack("<I", 36 + x.nbytes) + b"WAVEfmt " + form
    return head + b"data" + struct.pack("<I", x.nbytes) + x.tobytes()


@seeded
def wavs():
    files = {"tiny.wav": wav(np.arange(10) * 100, 16_000)}
    for rate in (8000, 16_000, 11_025, 11_111):
        for channels in (1, 2):
            x = (rng.normal(size=(rate // 3, channels)) * 0.1).clip(-1, 1)
            name = f"{rate}_{channels}.wav"
            files["u8_" + name] = wav((x * 127 + 128).astype(int), rate, 1)
            files["s16_" + name] = wav((x * 32_767).astype(int), rate, 2)
            files["s24_" + name] = wav((x * 8_388_607).astype(int), rate, 3)
            files["float_" + name] = float_wav(x, rate)
    return files


@seeded
def compressed():
    x = np.convolve(rng.normal(size=24_000) * 0.1, np.hanning(31), "same")[:, None] / 8
    return {
        "a.flac": sound(x, 16_000, "flac", "flac"),
        "b.flac": sound(np.hstack([x, x[::-1]]), 44_100, "flac", "flac", "stereo"),
        "a.mp3": sound(np.hstack([x, x[::-1]]), 22_050, "mp3", "libmp3lame", "stereo"),
        "a.aac": sound(x, 22_050, "adts", "aac"),
        "a.m4a": sound(x, 22_050, "mp4", "aac"),
        "b.mp3": sound(x, 44_100, "mp3", "libmp3lame"),
        "c.ogg": sound(x, 48_000, "ogg", "libopus"),
    }


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def ply(points, colours, form):
    """Return a ply file of points and their colours."""
    kinds = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
    properties = [f"property double {axis}" for axis in "xyz"]
    properties += [f"property uchar {name}" for name in ("red", "green", "blue")]
    lines = ["ply", f"format {form} 1.0", f"element vertex {len(points)}", *properties]
    head = "\n".join([*lines, "end_header\n"]).encode()
    if form == "ascii":
        rows = zip(points.tolist(), colours.tolist(), strict=True)
        return head + "".join(" ".join(map(str, [*a, *b])) + "\n" for a, b in rows).encode()
    rows = np.zeros(len(points), [("xyz", kinds[form] + "f8", 3), ("rgb", "u1", 3)])
    rows["xyz"], rows["rgb"] = points, colours
    return head + rows.tobytes()


@seeded
def clouds(coloured=False):
    points = rng.normal(size=(200, 3)) * [3, 1, 2] + [1e5, 2e5, 5]
    colours = rng.integers(0, 256, (200, 3))
    forms = ("ascii", "binary_little_endian", "binary_big_endian")
    rows = [",".join(map(str, [*c, *p])) for c, p in zip(colours, points.tolist(), strict=True)]
    files = {f"{form}.ply": ply(points, colours, form) for form in forms}
    files["floats.ply"] = ply(points, colours / 255, "ascii").replace(b"uchar", b"float")
    files["named.csv"] = "\n".join(["r,g,b,x,y,z", *rows]).encode()
    if coloured:
        return files
    large = rng.normal(size=(12_000, 3))
    return files | {
        "double.npy": npy(points),
        "half.npy": npy(large[:200].astype(np.float16)),
        "integers.npy": npy(colours.astype(np.int16)),
        "float.npy": npy(large[:200].astype(np.float32)),
        "fortran.npy": npy(np.asfortranarray(points)),
        "big_endian.npy": npy(points.astype(">f4")),
        "few.npy": npy(points[:20]),
        "same.npy": npy(np.ones((5, 3))),
        "chosen.npy": npy(large[:3000]),
        "shuffled.npy": npy(large),
        "blanks.xyz": b"# x y z\r\n"
        + b"\r\n".join(b"%r %r %r" % tuple(p) for p in points.tolist()),
    }


TEXTS = {
    "umlauts.txt": "Grüße aus Köln, ß\r\n\r\nzwei\n\n".encode(),
    "emoji.txt": "ab👍🏽".encode() * 6,
    "cut.txt": ("ä" * 50).encode(),
    "mark.txt": "\ufeffhello".encode(),
    "empty.txt": b"",
}

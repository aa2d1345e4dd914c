"""Hostile requests, drawn at random from a seed."""

import functools
import io
import json
import random
import struct
import zipfile
import zlib

import numpy as np
from tests.serve.running import form, request
from tests.serve.test_app import png

NAMES = [
    b"../../../etc/passwd.png", b"/etc/shadow.png", b"C:\\\\windows\\\\x.png", b"..\\\\..\\\\x.png",
    b"<script>alert(1)</script>.png", b"\\\"><img src=x onerror=alert(1)>.png", b"a\x00b.png",
    b"\xff\xfe.png", "‮gnp.exe".encode(), "é́́.png".encode() * 9, b"a" * 5000 + b".png",
    b"", b".", b"..", b".png", b"x.png/", b"CON.png", b"x.png;rm -rf ~.png", b"$(touch x).png",
    b"`touch x`.png", b"x.PNG", b"%2e%2e%2fx.png", b"\x1b[2J.png", b"x.png\x00.exe", b"~/.bashrc",
]  # fmt: skip
SUFFIXES = [
    b"png", b"jpg", b"gif", b"bmp", b"tif", b"webp", b"npy", b"npz", b"zip", b"svg", b"wav", b"mp4",
    b"ply", b"pkl", b"pt", b"onnx", b"csv", b"html", b"exe", b"", b"txt", b"json", b"ico", b"ppm",
]  # fmt: skip


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@functools.cache
def png_bomb(width, height, *, whole=False):
    """Return a PNG that states a size; its rows are there if it is `whole`."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = zlib.compress(bytes((3 * width + 1) * height if whole else 1000), 9)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@functools.cache
def text_bomb():
    """Return a PNG with a text chunk that expands to 50 MB."""
    text = chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(50_000_000), 9))
    return png()[:33] + text + png()[33:]


@functools.cache
def npz_bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(60_000_000))
    return file.getvalue()


def npy(head):
    text = head.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64)


BOMBS = [
    (b"png", lambda: png_bomb(50_000, 50_000)),
    (b"png", lambda: png_bomb(2**31 - 1, 2**31 - 1)),
    (b"png", lambda: png_bomb(6000, 6000, whole=True)),
    (b"png", text_bomb),
    (b"png", lambda: png_bomb(0, 0)),
    (b"npz", npz_bomb),
    (b"npy", lambda: npy("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}")),
    (b"npy", lambda: npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999, 99999)}")),
    (b"npy", lambda: npy("__import__('os').system('touch hacked')")),
    (b"gif", lambda: b"GIF89a\xff\xff\xff\xff\x80\x00\x00" + bytes(100)),
    (b"bmp", lambda: b"BM" + struct.pack("<IIIIiiHH", 99, 0, 54, 40, 70_000, 70_000, 1, 24)),
    (b"ppm", lambda: b"P6 99999 99999 255\n" + bytes(100)),
    (b"svg", lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    (b"svg", lambda: b"<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><svg>&b;</svg>"),
    (b"pkl", lambda: b"cos\nsystem\n(S'touch hacked'\ntR."),
    (b"zip", npz_bomb),
    (b"tif", lambda: b"II*\x00\x08\x00\x00\x00\xff\xff" + b"\xff" * 400),
]


def damaged(chance):
    """Return an image that is cut, has bytes changed, or is something else."""
    content = bytearray(png(seed=chance.randrange(99)))
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(content[: chance.randrange(len(content) - 20)])
    if kind == 1:  # the checksum of the size is wrong
        content[16 + chance.randrange(8)] ^= 1 + chance.randrange(255)
        return bytes(content)
    if kind == 2:
        return chance.randbytes(chance.randrange(3000))
    return b""


def file_upload(chance):
    name = chance.choice(NAMES) if chance.random() < 0.5 else b"x." + chance.choice(SUFFIXES)
    return form((b"file", name, damaged(chance)))


def bomb(chance):
    suffix, make = chance.choice(BOMBS)
    return form((b"file", b"x." + chance.choice([suffix, b"png"]), make()))


def broken_form(chance):
    good = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="x.png"\r\n\r\n'
    body = chance.choice(
        [
            b"", b"--", b"--edge", b"--edge--", b"--edge\r\n", b"--edge--\r\n", good, good + png(),
            good + png() + b"\r\n--edge", good + png() + b"\r\n--other--\r\n", b"\r\n" * 5000,
            good.replace(b"name=", b"nam=") + png() + b"\r\n--edge--\r\n",
            good.replace(b"form-data", b"attachment") + png() + b"\r\n--edge--\r\n",
            good.replace(b"\r\n\r\n", b"\r\n") + b"\r\n--edge--\r\n",
            b"--edge\r\n" + b"X: 1\r\n" * 5000 + good[8:] + png() + b"\r\n--edge--\r\n",
            b"--edge\r\n\r\n" * 3000 + b"--edge--", b"--edge\n" + good[8:] + b"\n--edge--",
            chance.randbytes(chance.randrange(2000)), b"\0" * chance.randrange(2000),
        ]
    )  # fmt: skip
    boundary = chance.choice([b"edge", b'"edge"', b"", b"=", b"e" * 500, b"\xff", b'"', b"edgy"])
    if boundary in {b"edge", b'"edge"'} and body.startswith(good) and body.endswith(b"edge--\r\n"):
        boundary = b"none"
    return request(body, kind=b"multipart/form-data; boundary=" + boundary)


def many_fields(chance):
    count = chance.choice([65, 1100, 3000])
    name = chance.choice([b"file", b"f\x00", b"\xff", b"__proto__", b"a" * 500])
    filename = chance.choice([b"x.png", None]) if count > 1000 else b"x.png"
    return form(*[(name, filename, b"")] * count)


def broken_json(chance):
    body = chance.choice(
        [
            b"[" * 100_000, b'{"texts":' * 50_000, b'{"texts": [1e999]}', b'{"rows": [NaN]}', b"",
            b'{"rows": [{"a": {"b": []}}]}', b"\xff\xfe", b"null", b"1" * 10_000, b'"\\ud800"',
            b'{"texts": ["\\ud800\\u0000"]}', b'{"__proto__": {"texts": []}}', b'{"texts": {}}',
            json.dumps({"rows": [{}] * 100_000}).encode(), b'{"texts": [], "rows": []}',
        ]
    )  # fmt: skip
    return request(body, kind=b"application/json")


def wrong_head(chance):
    body = png()
    return chance.choice(
        [
            request(body, kind=b"image/png"), request(body, kind=b"text/html\x00"),
            request(body, kind=b""), request(body, kind=b"multipart/mixed; boundary=edge"),
            request(body, path="/v1/predict?top_k=-1"), request(body, path="/v1/predict?top_k=1e9"),
            request(body, path="/v1/predict?top_k=" + "9" * 3000), request(body, path="/" * 9000),
            request(body, path="/../../etc/passwd"), request(body, path="/%00"),
            request(body, path="/v1/explain?output=%ff%00"), request(body, path="/é"),
            request(body, path="/v1/nothing"), request(body, path="/app.js/../../config.json"),
            form((b"file", b"x.png", body), head=b"X: " + b"a" * 40_000 + b"\r\n"),
            form((b"file", b"x.png", body), head=b"X: 1\r\n" * 20_000),
            form((b"file", b"x.png", body), head=b"Content-Length: 5\r\n"),
            form((b"file", b"x.png", body), head=b"Transfer-Encoding: chunked\r\n"),
            form((b"file", b"x.png", body), head=b"Authorization: \xff\xfe\r\n").replace(
                b"/v1/predict", b"/v1/predicted"
            ),
            b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n" + body,
            b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"POST /v1/predict HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00", b"GET\r\n\r\n", b"\0" * 99,
            b"DELETE /v1/predict HTTP/1.1\r\nHost: x\r\n\r\n", b"POST\t/ HTTP/1.1\r\n\r\n",
            (b"GET /v1/predict HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Key: x\r\n\r\n"), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ]
    )  # fmt: skip


def incomplete(chance):
    """Return a request that states more bytes than it sends."""
    whole = form((b"file", b"x.png", png()))
    return whole[: whole.find(b"\r\n\r\n") + 4 + chance.randrange(100)]


def large(chance):
    pixels = np.random.default_rng(chance.randrange(9)).bytes(chance.choice([10**6, 15 * 10**6]))
    return form((b"file", b"x.png", pixels))


KINDS = [
    (30, file_upload), (14, bomb), (18, broken_form), (4, many_fields), (12, broken_json),
    (18, wrong_head), (1, incomplete), (3, large),
]  # fmt: skip


def hostile(count, seed=0):
    """Yield (kind, request) pairs."""
    chance = random.Random(seed)
    kinds, weights = [kind for _, kind in KINDS], [weight for weight, _ in KINDS]
    for _ in range(count):
        kind = chance.choices(kinds, weights)[0]
        yield kind.__name__, kind(chance)

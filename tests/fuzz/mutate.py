"""Seeded mutations of files: flips, truncations, insertions, splices, numbers of headers, JSON."""

import json
import random
import re
import struct
import zlib

HEADER = 512  # bytes at the start that are mutated more often than the rest
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**20, 2**28, 2**31 - 1, 2**31, 2**32 - 1)
NUMBERS = (b"0", b"-1", b"1", b"7", b"255", b"65536", b"99999999", b"4294967296", b"1e308", b"nan")
NUMBERS += (b"999999999999999", b"-5.5", b"1e-320", b"")
VALUES = (None, True, False, 0, -1, 1, 2.5, 10**9, 10**30, -1e300, float("nan"), float("inf"))
VALUES += ("", "x", "fourier", [], [1], [[0]], {}, {"kind": "image"}, [None] * 9, "\ud800")


def mutant(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return a file with one to three mutations."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        raw = rng.choice(MUTATIONS)(raw, others, rng)
    return raw


def _place(raw: bytes, rng: random.Random) -> int:
    return rng.randrange(min(len(raw), HEADER) if rng.random() < 0.6 else len(raw)) if raw else 0


def _flip(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 8)):
        if changed:
            changed[_place(raw, rng)] = rng.randrange(256)
    return bytes(changed)


def _bit(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    changed = bytearray(raw)
    if changed:
        changed[_place(raw, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    return raw[: rng.randrange(len(raw) + 1)]


def _insert(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    at = _place(raw, rng)
    return raw[:at] + rng.choice((rng.randbytes(rng.randint(1, 64)), bytes(32))) + raw[at:]


def _delete(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    at = _place(raw, rng)
    return raw[:at] + raw[at + rng.randint(1, 40) :]


def _splice(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    other = rng.choice(others)
    start, at = rng.randrange(len(other) + 1), _place(raw, rng)
    return raw[:at] + other[start : start + rng.randint(1, 400)] + raw[at + rng.randint(0, 400) :]


def _field(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Set a binary number of 1 to 8 bytes to an extreme value."""
    size, at = rng.choice((1, 2, 4, 8)), _place(raw, rng)
    value = rng.choice((*EXTREMES, 2**63, 2**64 - 1)) & (256**size - 1)
    return raw[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + raw[at + size :]


def _float(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    value = rng.choice((float("nan"), float("inf"), -1e300, 1e300, 1e-310))
    at, form = _place(raw, rng), rng.choice(("<d", ">d", "<f"))
    packed = struct.pack(form, value if form != "<f" else rng.choice((float("nan"), 3e38)))
    return raw[:at] + packed + raw[at + len(packed) :]


def _number(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Replace a number that is written as text."""
    found = list(re.finditer(rb"-?\d[\d.]*", raw[: 8 * HEADER]))
    if not found:
        return _field(raw, others, rng)
    chosen = rng.choice(found)
    return raw[: chosen.start()] + rng.choice(NUMBERS) + raw[chosen.end() :]


MUTATIONS = (_flip, _bit, _truncate, _insert, _delete, _splice, _field, _field, _float, _number)


def json_mutant(raw: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return a JSON file with values replaced, removed or added, or a mutant of its bytes."""
    if rng.random() < 0.15:
        return mutant(raw, others, rng)
    if rng.random() < 0.03:
        return rng.choice((b"[" * 100_000, b'{"a":' * 100_000, b"[]", b"1", b"null", b'"x"'))
    data = json.loads(raw)
    for _ in range(rng.randint(1, 3)):
        holder, key = rng.choice(list(_places(data)))
        action = rng.random()
        if action < 0.75:
            holder[key] = rng.choice(VALUES)
        elif action < 0.9:
            del holder[key]
        elif isinstance(holder, dict):
            holder[rng.choice(("x", "kind", "input", "parts", ""))] = rng.choice(VALUES)
        if not isinstance(data, dict) or not data:
            break
    return json.dumps(data).encode()


def _places(data):
    pairs = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(pairs):
        yield data, key
        if isinstance(value, dict | list):
            yield from _places(value)


def png_checksums(raw: bytes) -> bytes:
    """Correct the checksums of the chunks of a PNG file, so that damage is not found by them."""
    fixed, at = bytearray(raw), 8
    while at + 12 <= len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        end = at + 8 + size
        if end + 4 > len(raw):
            break
        fixed[end : end + 4] = zlib.crc32(raw[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(fixed)

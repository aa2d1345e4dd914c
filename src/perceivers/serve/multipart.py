"""Bodies of the type multipart/form-data (RFC 7578), which are in memory as a whole."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from .uploads import Refused

MAX_PART_HEAD = 8 * 1024  # bytes of the headers of a part
BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
DISPOSITION = re.compile(rb"^content-disposition:[ \t]*form-data[ \t]*(;.*)$", re.I | re.M)
# Browsers escape a quote as %22; others write \". A backslash elsewhere is part of the name.
PARAMETER = re.compile(
    rb';[ \t]*(name|filename)[ \t]*=[ \t]*(?:"((?:\\"|[^"])*)"|([^\s;"]+))', re.I
)


class Part(NamedTuple):
    """A part of a form."""

    name: str
    filename: str | None
    """None for a field that is no file."""
    content: bytes


def parts_of(body: bytes, content_type: str, most: int) -> Iterator[Part]:
    """Return the parts of a form.

    Args:
        body: the body of a request.
        content_type: its header Content-Type, which has the boundary.
        most: largest number of parts.

    Raises:
        Refused: the body is malformed or incomplete, or has too many parts.
    """
    found = BOUNDARY.search(content_type)
    if found is None:
        raise Refused("multipart/form-data without a boundary", 400)
    edge = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    # The first piece is what precedes the first part, the last one follows the last part.
    pieces = (b"\r\n" + body).split(edge, most + 2)
    if len(pieces) > most + 2:
        raise Refused(f"the form has too many parts; expected at most {most}", 413)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Refused("the form is malformed or incomplete: its last boundary is missing", 400)
    return map(_part, pieces[1:-1])


def _part(piece: bytes) -> Part:
    end = piece.find(b"\r\n\r\n", 0, MAX_PART_HEAD)
    disposition = None if end < 0 else DISPOSITION.search(piece[:end].replace(b"\r\n", b"\n"))
    if disposition is None or piece[: piece.find(b"\r\n")].strip(b" \t"):
        raise Refused("a part of the form is malformed: expected Content-Disposition", 400)
    values = {
        name.lower(): (quoted.replace(b'\\"', b'"') or bare).decode(errors="replace")
        for name, quoted, bare in PARAMETER.findall(disposition[1])
    }
    if b"name" not in values:
        raise Refused("a part of the form has no name", 400)
    return Part(values[b"name"], values.get(b"filename"), piece[end + 4 :])

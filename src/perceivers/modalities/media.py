"""Opening sound and video files with PyAV: tracks, times, packets and frames.

Times are seconds on the container's clock; `start_time` is its first moment. Sound and video of one
file are decoded against the same clock, so equal `start` and `seconds` give matching parts of both.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, Literal

from ..errors import missing_extra
from ..reading import check_limit, check_regular, limits, parser_errors
from .files import PathOrBytes

Kind = Literal["audio", "video"]

NAMES: dict[Kind, str] = {"audio": "sound", "video": "video"}  # for error messages
# Suffixes of files that hold video, and usually sound.
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mkv", ".webm", ".mov", ".qt", ".avi", ".mpg", ".mpeg", ".mpe", ".vob"}
    | {".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".ogm", ".ts", ".mts", ".m2ts"}
    | {".m2t", ".divx"}
)
# Containers that hold their own data. Play lists and image sequences are left out for security:
# they make FFmpeg open other files, which a file from an untrusted source must not do.
CONTAINERS = (
    "3gp,aac,ac3,aiff,amr,ape,asf,au,avi,caf,flac,flv,gif,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,"
    "wav,webm,wv"
)
# Formats without timestamps: FFmpeg estimates positions in the file from the bit rate.
UNTIMED = {"mp3", "aac", "ac3", "amr"}
# Formats that do not store their duration: FFmpeg estimates it too.
UNMEASURED = UNTIMED | {"mpeg", "mpegts", "flv"}


class NoTrack(ValueError):
    """The file can be read but has no track of the requested kind."""


@contextmanager
def open_track(source: PathOrBytes, kind: Kind) -> Iterator[tuple[Any, Any]]:
    """Open a file and yield its container and its best track of one kind.

    An error of PyAV raised inside the `with` block becomes a ValueError.

    Args:
        source: a path, or the file's bytes.
        kind: "audio" or "video".

    Yields:
        The PyAV container and stream.

    Raises:
        NoTrack: the file has no track of this kind.
        ValueError: the file does not exist, holds neither sound nor video, uses an unknown codec,
            or is damaged; the message does not name the file.
    """
    av = import_av()
    with parser_errors(NAMES[kind]), _open_container(av, source) as container:
        track = _select_track(av, container, kind)
        if kind == "video":
            context = track.codec_context
            check_limit("frame_pixels", context.width * context.height, "pixels in a frame")
            context.options = {**context.options, "max_pixels": str(limits().frame_pixels)}
        yield container, track


def start_time(container: Any) -> float:
    """Return the time in seconds at which a container starts.

    It is not always 0; a cut broadcast keeps the times of the original.
    """
    return (container.start_time or 0) / 1e6


def declared_end_time(container: Any, track: Any) -> float | None:
    """Return the end of a track as the container declares it, in seconds; None if it does not."""
    if container.format.name in UNMEASURED:
        return None
    if track.duration is not None:
        return float(((track.start_time or 0) + track.duration) * track.time_base)
    # The duration of a Matroska file is that of its longest track; a tag holds each track's own.
    if tag := re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", track.metadata.get("DURATION", "")):
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    if len(container.streams) == 1 and container.duration is not None:
        return start_time(container) + container.duration / 1e6
    return None


def end_time(source: PathOrBytes, kind: Kind) -> float:
    """Return the time in seconds at which the track of one kind ends, without decoding it.

    All packets are read if the container does not declare the end.

    Args:
        source: a path, or the file's bytes.
        kind: "audio" or "video".

    Returns:
        Seconds on the container's clock; 0 for a track without packets.

    Raises:
        ValueError: as `open_track`.
    """
    with open_track(source, kind) as (container, track):
        declared = declared_end_time(container, track)
        return _end_of_packets(container, track) if declared is None else declared


def last_time(source: PathOrBytes, kind: Kind, near: float) -> float:
    """Return the time in seconds at which the last packet of a track ends.

    Only the packets from the last key frame before `near` on are read.

    Args:
        source: a path, or the file's bytes.
        kind: "audio" or "video".
        near: a time shortly before the end, in seconds on the container's clock.

    Raises:
        ValueError: as `open_track`.
    """
    with open_track(source, kind) as (container, track):
        container.seek(int(near / track.time_base), stream=track)
        return _end_of_packets(container, track)


def _end_of_packets(container: Any, track: Any) -> float:
    """Return the end in seconds of the packet that ends last, of those not yet read."""
    return max(
        (
            float((packet.pts + (packet.duration or 0)) * packet.time_base)
            for packet in packets(container, track)
            if packet.pts is not None
        ),
        default=0.0,
    )


def packets(container: Any, track: Any) -> Iterator[Any]:
    """Yield the packets of a track in stored order."""
    # If other tracks begin midway, PyAV 18 raises an IndexError after the last packet.
    with suppress(IndexError):
        yield from container.demux(track)


def frames(container: Any, track: Any) -> Iterator[Any]:
    """Yield the decoded frames of a track in presentation order."""
    for packet in packets(container, track):
        yield from packet.decode()


def frames_from(container: Any, track: Any, time: float) -> Iterator[Any]:
    """Seek, then yield decoded frames; the first one is at or before `time`, if the file has one.

    Formats without timestamps are decoded from their start, because FFmpeg can only guess where to
    seek.

    Args:
        container: an open PyAV container.
        track: its stream.
        time: seconds on the container's clock.
    """
    start = start_time(container)
    # Without an index, or if frames depend on later ones, a seek may land too late: try earlier.
    targets = [start] if container.format.name in UNTIMED else [time, time - 10, start]
    for target in targets:
        container.seek(int(max(target, start) / track.time_base), stream=track)
        following = frames(container, track)
        first = next(following, None)
        if first is not None and first.time is not None and first.time <= time:
            break
    return following if first is None else chain([first], following)


@contextmanager
def _open_container(av: Any, source: PathOrBytes) -> Iterator[Any]:
    if isinstance(source, bytes):
        file: Any = io.BytesIO(source)
    else:
        check_regular(source)
        file = f"file:{source}"  # so that a file named "http://…" is not taken for a URL
    try:
        container = av.open(
            file,
            container_options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except PermissionError as error:
        raise ValueError(f"cannot be opened: {error.strerror}") from error
    except (av.error.FFmpegError, IndexError) as error:
        raise ValueError(
            "neither sound nor video in a format that FFmpeg can read, or damaged at its start; "
            "convert the file to wav, flac or mp4"
        ) from error
    with container:
        yield container


def _select_track(av: Any, container: Any, kind: Kind) -> Any:
    """Return the best track of a kind; cover pictures of sound files do not count as video."""
    cover = av.stream.Disposition.attached_pic
    tracks = [track for track in container.streams if not track.disposition & cover]
    track = container.streams.best(kind)
    if track not in tracks:
        if any(other.type == kind for other in tracks):
            raise ValueError(f"damaged {NAMES[kind]}: the parameters of its track are missing")
        contents = " and ".join(sorted({NAMES.get(other.type, other.type) for other in tracks}))
        raise NoTrack(f"no {NAMES[kind]} track; the file holds {contents or 'nothing'}")
    if track.codec_context is None:
        raise ValueError(
            f"unknown codec of the {NAMES[kind]}; convert it to "
            f"{'flac' if kind == 'audio' else 'mp4 (H.264)'}"
        )
    return track


def import_av() -> Any:
    """Return PyAV.

    Raises:
        ImportError: it is not installed; the message says how to install it.
    """
    try:
        import av
    except ImportError:
        raise missing_extra("PyAV", "media") from None
    return av

"""Sound and video files opened by PyAV: the track that is read, its clock, and what may be wrong.

Readers of one file agree on one clock: seconds from where the container starts, so that sound and
pictures asked for by the same `start` and `seconds` belong together.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, Literal

from ..errors import missing_extra
from .files import PathOrBytes, opening

Kind = Literal["audio", "video"]

NAMES: dict[Kind, str] = {"audio": "sound", "video": "video"}
# Suffixes of files that hold pictures, and usually sound.
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp"}
    | {".ogv", ".ts", ".mts"}
)
# Containers that hold what they play. A play list or an image sequence has FFmpeg open other files,
# which a file that somebody hands us must not.
CONTAINERS = (
    "3gp,aac,ac3,aiff,amr,ape,asf,au,avi,caf,flac,flv,gif,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,"
    "wav,webm,wv"
)
# Without times: a bare codec, in which FFmpeg guesses from the bit rate what lies where.
UNTIMED = {"mp3", "aac", "ac3", "amr"}
# Their length is not written down, and FFmpeg guesses that too.
UNMEASURED = UNTIMED | {"mpeg", "mpegts", "flv"}


class NoTrack(ValueError):
    """A file that can be read has no track of the kind that was asked for."""


@contextmanager
def opened(source: PathOrBytes, kind: Kind) -> Iterator[tuple[Any, Any]]:
    """The container and the track to read; what PyAV raises inside becomes a ValueError.

    Raises:
        ValueError: no such file, none of sound or video, no track of that kind (`NoTrack`), unknown
            codec, or damaged; the message does not name the file.
    """
    av = _pyav()
    with _container(av, source) as container:
        track = _track(av, container, kind)
        try:
            yield container, track
        except av.error.FFmpegError as error:
            raise ValueError(f"damaged {NAMES[kind]} ({error.strerror})") from None


def zero(container: Any) -> float:
    """Where the container's clock starts, in seconds: not always 0, as in a cut broadcast."""
    return (container.start_time or 0) / 1e6


def stated_end(container: Any, track: Any) -> float | None:
    """Seconds on the container's clock at which the track ends; None: not written down."""
    if container.format.name in UNMEASURED:
        return None
    if track.duration is not None:
        return float(((track.start_time or 0) + track.duration) * track.time_base)
    # Matroska's own length is that of the longest track; a tag gives each track's.
    if tag := re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", track.metadata.get("DURATION", "")):
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    if len(container.streams) == 1 and container.duration is not None:
        return zero(container) + container.duration / 1e6
    return None


def end(source: PathOrBytes, kind: Kind) -> float:
    """Seconds on the container's clock at which the track ends, if need be by reading all packets.

    Nothing is decoded. 0 for a track without packets.
    """
    with opened(source, kind) as (container, track):
        stated = stated_end(container, track)
        if stated is not None:
            return stated
        return max(
            (
                float((packet.pts + (packet.duration or 0)) * packet.time_base)
                for packet in packets(container, track)
                if packet.pts is not None
            ),
            default=0.0,
        )


def packets(container: Any, track: Any) -> Iterator[Any]:
    """The track's packets in the order they are stored in."""
    # PyAV 18 ends with an IndexError, after all else, where other tracks begin midway.
    with suppress(IndexError):
        yield from container.demux(track)


def frames(container: Any, track: Any) -> Iterator[Any]:
    """The track's decoded frames in the order they are shown in."""
    for packet in packets(container, track):
        yield from packet.decode()


def frames_from(container: Any, track: Any, time: float) -> Iterator[Any]:
    """Decoded frames of a track in order, the first at or before `time` on the container's clock.

    Where FFmpeg would have to guess what lies where, the file is read from its start.
    """
    start = zero(container)
    # Without an index, or where frames lean on later ones, a seek may land too late: try earlier.
    tries = [start] if container.format.name in UNTIMED else [time, time - 10, start]
    for target in tries:
        container.seek(int(max(target, start) / track.time_base), stream=track)
        following = frames(container, track)
        first = next(following, None)
        if first is not None and first.time is not None and first.time <= time:
            break
    return following if first is None else chain([first], following)


@contextmanager
def _container(av: Any, source: PathOrBytes) -> Iterator[Any]:
    if isinstance(source, bytes):
        opened: Any = io.BytesIO(source)
    else:
        with opening(), open(source, "rb"):
            opened = f"file:{source}"  # a name such as "http://…" is a path too
    try:
        container = av.open(
            opened,
            container_options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except av.error.FFmpegError:
        raise ValueError(
            "neither sound nor video, of a kind that FFmpeg cannot read, or damaged at its start"
        ) from None
    with container:
        yield container


def _track(av: Any, container: Any, kind: Kind) -> Any:
    cover = av.stream.Disposition.attached_pic  # the picture of a record is no video
    tracks = [track for track in container.streams if not track.disposition & cover]
    track = container.streams.best(kind)
    if track not in tracks:
        if any(other.type == kind for other in tracks):
            raise ValueError(f"damaged {NAMES[kind]}: its track does not say what it holds")
        found = " and ".join(sorted({NAMES.get(other.type, other.type) for other in tracks}))
        raise NoTrack(f"no {NAMES[kind]} track; the file holds {found or 'nothing'}")
    if track.codec_context is None:
        raise ValueError(
            f"unknown codec of the {NAMES[kind]}; convert it to "
            f"{'flac' if kind == 'audio' else 'mp4 (H.264)'}"
        )
    return track


def _pyav() -> Any:
    try:
        import av
    except ImportError:
        raise missing_extra("PyAV", "media") from None
    return av

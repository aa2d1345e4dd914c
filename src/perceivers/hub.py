"""Names of repositories on the Hugging Face hub (`hf://owner/name`), and download of saved models.

Whatever does not begin with `hf://` is a path, so that a mistyped path never goes to the hub.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import missing_extra

PREFIX = "hf://"

CONNECTION_LIBRARIES = ("httpx", "httpx2", "httpcore", "requests", "urllib3")

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def is_hub_name(name: str) -> bool:
    """Return whether a name is that of a repository on the hub, not a path."""
    return name.startswith(PREFIX)


def repository(name: str) -> str:
    """Return the repository, owner/name, that a hub name stands for.

    Args:
        name: hub name, hf://owner/name.

    Raises:
        ValueError: it has another form.
    """
    short = name.removeprefix(PREFIX)
    if not _REPOSITORY.fullmatch(short):
        inner = re.search(r"([\w.-]+/[\w.-]+)/?$", short, re.ASCII)
        hint = f", such as {PREFIX}{inner[1]}" if inner else ""
        raise ValueError(f"{name}: expected the name of a repository, {PREFIX}owner/name{hint}")
    return short


def not_found(kind: str, path: str) -> FileNotFoundError:
    """Return the error for a path that does not exist.

    If the path could be meant as the name of a repository, the message says how that is written.

    Args:
        kind: what is looked for, such as "folder or table".
        path: the path.
    """
    if path.startswith(PREFIX[:4]):  # as a `Path`, it has one slash
        name = re.sub("^hf:/+", PREFIX, path)
        return FileNotFoundError(
            f"{name} is a name on the Hugging Face hub; expected a {kind} here"
        )
    name = re.sub(r"^https?://huggingface\.co/(datasets/)?", "", path).rstrip("/")
    hint = ""
    if _REPOSITORY.fullmatch(name) and not name.startswith("."):
        hint = f"; for one of the Hugging Face hub write {PREFIX}{name}"
    return FileNotFoundError(f"no {kind} {path}; check the path{hint}")


def upgraded(path: str) -> str:
    """Return the hub name that a path saved by an older version stands for; other paths as is.

    Older versions saved the name of a repository as owner/name, and local paths as absolute ones.
    """
    is_old_name = _REPOSITORY.fullmatch(path) and not path.startswith(".")
    return f"{PREFIX}{path}" if is_old_name and not Path(path).exists() else path


def download(name: str, files: Sequence[str], **options: Any) -> Path:
    """Download files of a repository and return the directory that holds them.

    Args:
        name: name of the repository, hf://owner/name.
        files: names of the files.
        **options: arguments of `huggingface_hub.snapshot_download`, such as `revision`.

    Raises:
        FileNotFoundError: the hub cannot be reached or has no such repository.
        ValueError: the name has another form.
        ImportError: `huggingface_hub` is not installed.
    """
    id_ = repository(name)
    with download_errors(id_, options.get("cache_dir")):
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(id_, allow_patterns=list(files), **options))


@contextmanager
def download_errors(id_: str, cache_dir: str | Path | None = None) -> Iterator[None]:
    """Turn what goes wrong in a download into a FileNotFoundError of one line.

    Args:
        id_: the repository, owner/name.
        cache_dir: directory that is looked in; None: the hub's usual cache.

    Raises:
        FileNotFoundError: the hub cannot be reached or has no such repository.
        ImportError: `huggingface_hub` is not installed.
    """
    try:
        from huggingface_hub import constants, errors
    except ImportError:
        raise missing_extra("huggingface_hub", "data") from None
    try:
        yield
    except errors.RevisionNotFoundError:
        raise FileNotFoundError(
            f"{PREFIX}{id_} has no such revision; check the name of the branch, tag or commit"
        ) from None
    except errors.RepositoryNotFoundError:
        raise FileNotFoundError(
            f"the Hugging Face hub has no public repository {id_}; check the name, and for a "
            "private one log in: hf auth login"
        ) from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"{PREFIX}{id_} could not be downloaded from the Hugging Face hub "
            f"({type(error).__name__}), and the cache {cache_dir or constants.HF_HUB_CACHE} does "
            "not hold it; check the name and your connection"
        ) from None


@contextmanager
def upload_errors(id_: str) -> Iterator[None]:
    """Turn what goes wrong in an upload into an OSError of one line.

    Args:
        id_: the repository, owner/name.

    Raises:
        PermissionError: the hub knows no token, or one that may not write there.
        ConnectionError: the hub cannot be reached, or failed.
    """
    from huggingface_hub import errors

    try:
        yield
    except (errors.HfHubHTTPError, errors.LocalTokenNotFoundError) as error:
        status = getattr(getattr(error, "response", None), "status_code", 401)
        if status in (401, 403, 404):
            raise PermissionError(
                f"the Hugging Face hub refuses to write to {id_} ({status}); log in with a token "
                "that may: hf auth login"
            ) from None
        raise ConnectionError(
            f"{id_} could not be uploaded: the Hugging Face hub answered {status}; try again later"
        ) from None
    except Exception as error:
        # Which library makes the connections, and which errors it raises, depends on the version.
        if isinstance(error, ValueError) or not _is_of_connection(error):
            raise
        raise ConnectionError(
            f"{id_} could not be uploaded: the Hugging Face hub cannot be reached "
            f"({type(error).__name__}); check your connection"
        ) from None


def _is_of_connection(error: Exception) -> bool:
    library = type(error).__module__.partition(".")[0]
    return isinstance(error, ConnectionError | TimeoutError) or library in CONNECTION_LIBRARIES

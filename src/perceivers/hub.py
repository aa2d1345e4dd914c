"""Names of repositories on the Hugging Face hub (`hf://owner/name`), and download of saved models.

Whatever does not begin with `hf://` is a path, so that a mistyped path never goes to the hub.
"""

import re
from collections.abc import Sequence
from pathlib import Path

PREFIX = "hf://"

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


def download(name: str, files: Sequence[str]) -> Path:
    """Download files of a repository and return the directory that holds them.

    Args:
        name: name of the repository, hf://owner/name.
        files: names of the files.

    Raises:
        FileNotFoundError: the hub cannot be reached or has no such repository.
        ValueError: the name has another form.
        ImportError: `huggingface_hub` is not installed.
    """
    id_ = repository(name)
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )
    except ImportError:
        raise ImportError(
            "the package huggingface_hub is not installed but needed for models of the hub; "
            "install it: pip install 'perceivers[data]'"
        ) from None
    try:
        return Path(snapshot_download(id_, allow_patterns=list(files)))
    except RepositoryNotFoundError:
        raise FileNotFoundError(
            f"the Hugging Face hub has no public repository {id_}; check the name"
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"{name} could not be downloaded from the Hugging Face hub ({type(error).__name__}), "
            f"and the cache {constants.HF_HUB_CACHE} does not hold it; check the name and your "
            "connection"
        ) from None

"""Download of saved models from the Hugging Face hub."""

from collections.abc import Sequence
from pathlib import Path


def could_be_hub_name(name: str) -> bool:
    """Return whether a name has the form owner/name and is not written as a path."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


def download(name: str, files: Sequence[str]) -> Path:
    """Download files of a repository and return the directory that holds them.

    Args:
        name: name of the repository, owner/name.
        files: names of the files.

    Raises:
        FileNotFoundError: the hub cannot be reached or has no such repository.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise FileNotFoundError(
            f"there is no directory {name}; to load it from the Hugging Face hub: "
            "pip install 'perceivers[data]'"
        ) from None
    try:
        return Path(snapshot_download(name, allow_patterns=list(files)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"there is no directory {name}, and the download from the Hugging Face hub failed "
            f"({type(error).__name__}); check the name or your connection"
        ) from None

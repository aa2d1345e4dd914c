"""Models as repositories of the Hugging Face hub, by the hub's own mixin."""

from pathlib import Path
from typing import Any

from torch import nn
from typing_extensions import override

from .checkpoint import check_rebuildable, load, original, save
from .core import Resampler
from .errors import missing_extra
from .hub import PREFIX, download_errors, repository, upload_errors
from .interop.transformers import download_model
from .models.base import PerceiverModel
from .report.card import markdown_card

try:
    from huggingface_hub import ModelCard, ModelHubMixin
except ImportError:
    raise missing_extra("huggingface_hub", "data") from None

Model = PerceiverModel | Resampler


class HubModel(ModelHubMixin, library_name="perceivers"):
    """A model with the methods of `huggingface_hub.ModelHubMixin`.

    They are `save_pretrained`, `push_to_hub` and `from_pretrained`. What they write is what
    `perceivers.save` writes, and a model card.

    Args:
        wrapped: the model.
        card: the content of its README.md.
    """

    def __init__(self, wrapped: Model, card: str = "") -> None:
        self.wrapped = wrapped
        self.card = card

    @override
    def _save_pretrained(self, save_directory: Path) -> None:
        save(self.wrapped, save_directory)

    @classmethod
    @override
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> "HubModel":
        names = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        known = {name: options[name] for name in names}
        return cls(load(download_model(f"{PREFIX}{model_id}", **known)))

    @override
    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        return ModelCard(self.card)


def push_to_hub(
    model: Model | str | Path,
    name: str,
    *,
    private: bool | None = None,
    license: str | None = None,
    token: str | None = None,
    branch: str | None = None,
    message: str = "Upload a model of perceivers",
) -> str:
    """Upload a model to the Hugging Face hub, with a model card.

    `config.json`, `model.safetensors` and `README.md` are uploaded. Of a run, the card has the
    settings and the scores; the names and the place of its files stay here.

    Args:
        model: a model, or the directory of a run or saved model.
        name: owner/name of the repository, with or without hf:// before it; it is created if there
            is none.
        private: whether a new repository is private; None: it is public, unless the owner's
            default is another.
        license: name of the license, such as "apache-2.0", for the card; None: none is named.
        token: token of the hub; None: the one that `hf auth login` saved.
        branch: branch to upload to; None: main.
        message: message of the commit.

    Returns:
        The address of the commit.

    Raises:
        ValueError: the name has another form, or the model could not be rebuilt from its files.
        OSError: the hub cannot be reached or refuses the upload.
        ImportError: `huggingface_hub` is not installed.
    """
    id_ = repository(name)
    directory = Path(model) if isinstance(model, str | Path) else None
    wrapped = original(model) if isinstance(model, nn.Module) else load(model)
    check_rebuildable(wrapped)
    card = markdown_card(id_, wrapped, directory, license=license)
    with upload_errors(id_):
        return HubModel(wrapped, card).push_to_hub(
            id_, private=private, token=token, branch=branch, commit_message=message
        )


def from_pretrained(
    name: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> Model:
    """Load a model of the Hugging Face hub, in eval mode on the CPU.

    `perceivers.load("hf://owner/name")` does the same with the defaults.

    Args:
        name: owner/name of the repository, with or without hf:// before it. It holds what
            `push_to_hub` uploaded, or a Perceiver of transformers.
        revision: branch, tag or commit; None: main.
        token: token of the hub, for private repositories; None: the one that `hf auth login` saved.
        cache_dir: directory for downloaded files; None: the hub's usual cache.
        force_download: whether files are downloaded again that are in the cache.
        local_files_only: whether the cache alone is looked in.

    Raises:
        FileNotFoundError: the hub cannot be reached and the cache does not hold the model, or there
            is no such repository.
        ValueError: the name has another form, or the files are damaged.
        ImportError: `huggingface_hub` is not installed.
    """
    id_ = repository(name)
    with download_errors(id_, cache_dir):
        return HubModel.from_pretrained(
            id_,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        ).wrapped

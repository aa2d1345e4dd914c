"""Models as repositories of the Hugging Face hub; a folder takes the place of the hub."""

import dataclasses
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard
from huggingface_hub.errors import LocalTokenNotFoundError
from tests.tiny import tiny_classifier
from tests.tiny_recipes import tiny

import perceivers
from perceivers import publishing
from perceivers.checkpoint import write_config
from perceivers.files import write_json
from perceivers.modalities import ImageConfig
from perceivers.models.config import to_dict
from perceivers.publishing import HubModel

INPUT = ImageConfig(image_size=8, channels=1, num_bands=2)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A folder that repositories are uploaded to and downloaded from."""
    folder = tmp_path / "hub"

    def create_repo(api, repo_id, **_):
        return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

    def upload_folder(api, *, repo_id, folder_path, commit_message, **_):
        shutil.copytree(folder_path, folder / repo_id)
        return f"https://huggingface.co/{repo_id}/commit/{commit_message}"

    def download(id_, **options):
        assert options.get("revision") in (None, "main")
        return str(folder / id_)

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(
        "huggingface_hub.hub_mixin.hf_hub_download",
        lambda repo_id, filename, **_: str(folder / repo_id / filename),
    )
    return folder


def equal(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(x, theirs[n]) for n, x in ours.items())


def test_what_is_pushed_is_loaded_again(hub):
    model = tiny_classifier(INPUT)
    address = perceivers.push_to_hub(model, "hf://me/tiny", license="mit", message="first")
    assert address == "https://huggingface.co/me/tiny/commit/first"
    names = sorted(path.name for path in (hub / "me/tiny").iterdir())
    assert names == ["README.md", "config.json", "model.safetensors"]
    again = perceivers.from_pretrained("me/tiny", revision="main")
    assert equal(again, model)
    assert not again.training
    assert equal(perceivers.load("hf://me/tiny"), model)
    card = ModelCard.load(hub / "me/tiny" / "README.md")
    assert (card.data.library_name, card.data.license) == ("perceivers", "mit")
    assert 'perceivers.Predictor("hf://me/tiny")' in card.text


def test_the_card_of_a_run_has_its_scores_and_no_paths(hub, tmp_path):
    run = tmp_path / "run"
    model = tiny_classifier(INPUT)
    model.labels = ("one", "two", "three")
    perceivers.save(model, run)
    recipe = tiny(data={"path": str(tmp_path / "private")})
    write_config(run, recipe=to_dict(dataclasses.replace(recipe, model=model.config)))
    scores = {"top1": 0.625, "macro_f1": 0.5, "balanced_accuracy": 0.5, "examples": 8}
    metrics = {"test": scores, "skipped_files": ["secret.png"], "machine": "a CPU"}
    write_json(run / "metrics.json", metrics)
    perceivers.push_to_hub(run, "me/digits")
    text = (hub / "me/digits" / "README.md").read_text()
    assert "Test: top-1 62.50%, macro F1 50.00%" in text
    assert "| data set | digits |" in text
    assert "`one`, `two`" in text
    for part in (hub / "me/digits").glob("*.[jm]*"):
        content = part.read_bytes()
        assert str(tmp_path).encode() not in content
        assert b"secret" not in content


def test_names_of_labels_cannot_break_the_card():
    model = tiny_classifier(INPUT)
    model.labels = ("a|b\n# c", "``", "<b>")
    text = publishing.markdown_card("me/x", model, None, license=None)
    assert "Labels: `a¦b # c`, ``` `` ```, `<b>`" in text


def test_a_model_that_could_not_be_rebuilt_is_not_pushed(hub):
    model = tiny_classifier(INPUT)
    model.head = torch.nn.Linear(16, 7)
    with pytest.raises(ValueError, match="not the one that its configuration describes"):
        perceivers.push_to_hub(model, "me/tiny")
    assert not hub.exists()


class Response:
    status_code = 503


class Unavailable(huggingface_hub.errors.HfHubHTTPError):
    def __init__(self):
        Exception.__init__(self, "503")
        self.response = Response()


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            ConnectionError("no route"),
            ConnectionError,
            "cannot be reached .ConnectionError.; check",
        ),
        (LocalTokenNotFoundError("no token"), PermissionError, "log in with a token that may"),
        (Unavailable(), ConnectionError, "answered 503; try again later"),
    ],
)
def test_uploads_that_fail_say_why_in_one_line(hub, monkeypatch, error, kind, message):
    def fail(api, repo_id, **_):
        raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", fail)
    with pytest.raises(kind, match=message) as caught:
        perceivers.push_to_hub(tiny_classifier(INPUT), "me/tiny")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="expected the name of a repository"):
        perceivers.push_to_hub(tiny_classifier(INPUT), "me/tiny/more")


def test_the_cache_that_was_looked_in_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match=f"the cache {tmp_path} does not hold it"):
        perceivers.from_pretrained("me/nothing", cache_dir=tmp_path)


def test_the_mixin_saves_and_loads_directories(tmp_path):
    model = tiny_classifier(INPUT)
    card = publishing.markdown_card("me/tiny", model, None, license=None)
    HubModel(model, card).save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "README.md").read_text() == card
    assert equal(perceivers.load(Path(tmp_path / "saved")), model)

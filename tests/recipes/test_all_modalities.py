"""The script `all_modalities.py`: one architecture, no repeated runs, rivals that learn."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from media_files import wav

from perceivers.models.build import build_on_meta
from perceivers.recipes import get_recipe

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def scripts(monkeypatch):
    """Import `all_modalities` and `rivals`, which lies beside it, from the folder of examples."""
    monkeypatch.syspath_prepend(EXAMPLES)
    import all_modalities
    import rivals

    yield all_modalities, rivals
    for name in ("all_modalities", "rivals"):
        sys.modules.pop(name)


def test_model_and_settings_are_those_of_kicad(scripts):
    script, _ = scripts
    kicad = get_recipe("kicad")
    for name, place in script.PLACES.items():
        shared, own = script.one_architecture(name, Path("/data"), 3), get_recipe(name)
        assert shared.model == dataclasses.replace(
            kicad.model, input=own.model.input, num_classes=own.model.num_classes, qk_dim=96
        )
        assert build_on_meta(shared.model).adapter.dim == build_on_meta(own.model).adapter.dim
        assert shared.optimizer == kicad.optimizer
        assert shared.trainer == dataclasses.replace(
            kicad.trainer,
            max_epochs=30 if name == "cifar100-small" else own.trainer.max_epochs,
            monitor=own.trainer.monitor,
            precision=own.trainer.precision,
            seed=3,
        )
        assert shared.data == dataclasses.replace(
            own.data, path=f"/data/{place}" if place else None
        )


def test_recipes_of_small_sets_have_one_architecture_and_one_optimiser(scripts):
    """But for digits (a smaller model), rt-polarity (smaller steps), and grid-video and kicad (four
    heads read the input)."""
    fsdd = get_recipe("fsdd")
    for name in scripts[0].PLACES.keys() - {"cifar10", "cifar100-small"}:
        own = get_recipe(name)
        assert (own.trainer.monitor == "last") == (own.data.validation == 0)
        assert (own.optimizer == fsdd.optimizer) == (name != "rt-polarity"), name
        heads = 4 if name in ("grid-video", "kicad") else 1
        model = dataclasses.replace(
            fsdd.model,
            input=own.model.input,
            num_classes=own.model.num_classes,
            num_cross_heads=heads,
        )
        assert (model == own.model) == (name != "digits"), name


def test_finished_runs_are_not_repeated(scripts, tmp_path, monkeypatch, capsys):
    script, _ = scripts
    trained = []

    def train(recipe, run):
        trained.append(run.name)
        run.mkdir()
        score = 0.9 + recipe.trainer.seed / 100
        (run / "metrics.json").write_text(json.dumps({"test": {"top1": score}}))

    monkeypatch.setattr(script.engine, "train", train)
    monkeypatch.setattr(script, "train_rival", lambda recipe: 0.8)
    monkeypatch.setattr(
        sys,
        "argv",
        f"all --data {tmp_path} --out {tmp_path} --only digits fsdd --seeds 0 2".split(),
    )
    for _ in range(2):
        script.main()
    assert trained == ["digits-0", "digits-2", "fsdd-0", "fsdd-2"]
    table = (tmp_path / "table.md").read_text()
    assert "| `digits` | 91.00 ± 1.41 (90.00, 92.00) |  |  |" in table
    assert "| conv net on mels | 80.00 ± 0.00 (80.00, 80.00) |" in table
    assert table.splitlines()[-1] in capsys.readouterr().out


def test_missing_data_is_one_line(scripts, tmp_path, monkeypatch, capsys):
    script, _ = scripts
    arguments = f"all --data {tmp_path} --out {tmp_path}/runs --only kicad".split()
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        script.main()
    last = capsys.readouterr().err.splitlines()[-1]
    assert stop.value.code == 1
    assert last.startswith("error: ")
    assert f"{tmp_path}/kicad" in last


def write_sounds(folder):
    (folder / "recordings").mkdir()
    times = np.arange(4_000) / 8_000
    for digit in (3, 7):
        for index in range(15):
            tone = (20_000 * np.sin(999 * digit * times)).astype(np.int16)
            (folder / "recordings" / f"{digit}_jo_{index}.wav").write_bytes(wav(tone, 8_000))


def write_clouds(folder):
    rng = np.random.default_rng(0)
    for kind, size in (("flat", 0.1), ("long", 3.0)):
        for split in ("train", "test"):
            (folder / split / kind).mkdir(parents=True)
            for index in range(40):
                points = rng.normal(size=(64, 3)) * [1, 1, size]
                trimesh.PointCloud(points).export(folder / split / kind / f"{index}.ply")


def write_texts(folder):
    for kind, words in (("neg", "dull tired"), ("pos", "fine witty")):
        lines = [f"{words.split()[i % 2]} film {i}\n" for i in range(60)]
        (folder / f"rt-polarity.{kind}").write_text("".join(lines))


@pytest.mark.parametrize(
    ("name", "write"),
    [("fsdd", write_sounds), ("kicad", write_clouds), ("rt-polarity", write_texts)],
)
def test_rivals_learn_an_easy_data_set(scripts, tmp_path, name, write):
    _, rivals = scripts
    write(tmp_path)
    recipe = get_recipe(name)
    if name == "kicad":
        inputs = dataclasses.replace(recipe.model.input, num_points=64)
        recipe = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, input=inputs))
    recipe = dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, path=str(tmp_path), batch_size=8, validation=0.2),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=10),
    )
    assert rivals.train_rival(recipe) > 0.8

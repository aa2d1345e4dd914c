"""The recipe chosen for texts whose characters have labels."""

import json

import pytest

from perceivers.autoconfig.choose import choose_for


def write_spans(path, lines):
    span = {"start": 0, "end": 2, "label": "name"}
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "\n".join(json.dumps({"text": f"ab {i}", "spans": [span]}) for i in range(lines))
    )
    return path


def test_one_file_of_texts_with_spans_is_learned_as_its_folder_is(tmp_path):
    path = write_spans(tmp_path / "spans.jsonl", 30)
    choice = choose_for(str(path))
    assert choice.recipe == choose_for(str(tmp_path)).recipe
    assert choice.lines[0].startswith("found: 1 jsonl file with labels of their elements: spans of")
    (tmp_path / "table.jsonl").write_text('{"a": 1, "label": "x"}\n{"a": 2, "label": "y"}\n')
    table = choose_for(str(tmp_path / "table.jsonl"))
    assert table.recipe.model.input.kind != choice.recipe.model.input.kind


@pytest.mark.parametrize(("lines", "size", "epochs"), [(30, 4, 60), (1600, 16, 15)])
def test_the_epochs_follow_from_the_number_of_texts_and_not_of_files(tmp_path, lines, size, epochs):
    recipe = choose_for(
        str(write_spans(tmp_path / "train" / "a.jsonl", lines).parent.parent)
    ).recipe
    assert (recipe.data.batch_size, recipe.trainer.max_epochs) == (size, epochs)

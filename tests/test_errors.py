"""Messages about names that do not exist."""

import pytest
from tests.commands import run

from perceivers.errors import unknown

OPTIONS = ["--own-size", "--top-k", "--trainer.max_epochs", "--trainer.seed", "--data.batch_size"]
OPTIONS += ["--model.num_latents", "--model.norm", "--optimizer.lr", "--limits.points", "--out"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("--own-sise", "--own-size"),
        ("--top_k", "--top-k"),
        ("--max_epoch", "--trainer.max_epochs"),
        ("--epochs", "--trainer.max_epochs"),
        ("--batch-size", "--data.batch_size"),
        ("--lr", "--optimizer.lr"),
        ("--optimizer.rl", "--optimizer.lr"),
        ("--trainer.lr", "--optimizer.lr"),
        ("--output", "--out"),
    ],
)
def test_a_near_name_is_suggested(name, near):
    assert f"did you mean {near!r}?" in str(unknown("option", name, OPTIONS))


@pytest.mark.parametrize(
    "name", ["--nonsense", "--model.nonsense", "--limits.nonsense", "--trainer.foo", "--verbose"]
)
def test_a_name_that_is_like_no_other_gets_no_suggestion(name):
    message = str(unknown("option", name, OPTIONS, "see perceivers train --help"))
    assert message == f"unknown option {name!r}; see perceivers train --help"
    assert "known: --data.batch_size, --limits.points" in str(unknown("option", name, OPTIONS))


def test_commands_point_to_their_help(capsys):
    for command in (["predict", "run", "a.png"], ["train", "digits"], ["cost", "x"]):
        for option in ("--nonsense", "--limits.nonsense"):
            if (command[0], option) != ("train", "--limits.nonsense"):
                status, _, err = run(capsys, *command, option)
                assert status == 1
                assert err == (
                    f"perceivers: unknown option {option!r}; see perceivers {command[0]} --help\n"
                )

"""Hostile uploads to a real service: a 4xx each, little memory, and no file anywhere."""

import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.serve.hostile import hostile
from tests.serve.running import form, running
from tests.serve.test_app import IMAGE, png
from tests.tiny import tiny_classifier

from perceivers import save

MOST_MB = 1000


def files_in(*folders):
    return {path for folder in folders for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("count", "seed"), [(50, 1), pytest.param(1000, 0, marks=pytest.mark.slow)]
)
def test_hostile_uploads_are_refused(tmp_path, count, seed, monkeypatch):
    home, work, temporary = (tmp_path / name for name in ("home", "work", "temporary"))
    for folder in (home, work, temporary):
        folder.mkdir()
    save(tiny_classifier(IMAGE), work / "saved")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "src"))
    monkeypatch.chdir(work)
    with running(work / "saved", "--timeout", "2", temporary=temporary) as service:
        assert service.ask(form((b"file", b"x.png", png())))[0] == 200
        before = files_in(home, work, temporary)
        elsewhere = set(Path(tempfile.gettempdir()).glob("perceivers-*"))
        with ThreadPoolExecutor(4) as pool:
            sent = list(hostile(count, seed))
            answers = list(pool.map(lambda pair: service.ask(pair[1])[:2], sent))
        for (kind, request), (status, answer) in zip(sent, answers, strict=True):
            assert 400 <= status < 500 or status == 503, (kind, request[:300], answer[:300])
            assert b"Traceback" not in answer
            assert str(temporary).encode() not in answer
        assert files_in(home, work, temporary) == before
        assert set(Path(tempfile.gettempdir()).glob("perceivers-*")) <= elsewhere
        assert service.ask(form((b"file", b"x.png", png())))[0] == 200
        memory = service.memory
    print(f"{Counter(status for status, _ in answers)}, {memory:.0f} MB at most")
    assert memory < MOST_MB
    log = "".join(service.lines)
    assert "Traceback" not in log, log[log.find("Traceback") :][:3000]
    assert '"status": 500' not in log

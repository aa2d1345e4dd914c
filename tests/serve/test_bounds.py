"""What the service bounds: sizes of decoded files, time, and what waits."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from tests.serve.test_app import IMAGE, ROWS, client_of, png
from tests.tiny import tiny_classifier

import perceivers
from perceivers.modalities.points.config import PointsConfig
from perceivers.modalities.text.config import TextConfig
from perceivers.reading import Limits
from perceivers.serve import ServeConfig, create_app
from perceivers.serve.service import MAX_EXPLAINING

CLOUD = b"ply\nformat ascii 1.0\nelement vertex 30\n" + b"".join(
    b"property float %c\n" % axis for axis in b"xyz"
)


@pytest.mark.parametrize(
    ("config", "limits", "name", "content"),
    [
        (IMAGE, {"pixels": 100}, "x.png", png((20, 20))),
        (PointsConfig(num_points=20, num_bands=2), {"points": 20}, "x.ply",
         CLOUD + b"end_header\n" + b"0 1 2\n" * 30),
        (TextConfig(max_length=32, embedding_dim=8), {"file_bytes": 50}, "x.txt", b"a" * 60),
        (ROWS, {"file_bytes": 50}, "x.csv", b"age,town\n" + b"1,Oslo\n" * 9),
    ],
    ids=["pixels", "points", "text", "table"],
)  # fmt: skip
def test_files_beyond_a_limit_are_refused(config, limits, name, content):
    with client_of(config, limits=Limits(**limits)) as client:
        answer = client.post("/v1/predict", files={"file": (name, content)})
        assert answer.status_code == 422
        assert "expected at most" in answer.json()["error"]
    with client_of(config) as client:
        assert client.post("/v1/predict", files={"file": (name, content)}).status_code == 200


class Slow(perceivers.Predictor):
    """A predictor whose files take as long to decode as the test wants."""

    def __init__(self):
        super().__init__(tiny_classifier(IMAGE), device="cpu")
        self.decoding, self.go_on = threading.Event(), threading.Event()

    def prepare(self, example):
        self.decoding.set()
        self.go_on.wait(20)
        return super().prepare(example)


def test_others_are_answered_while_a_file_is_decoded_and_a_slow_request_is_given_up():
    predictor = Slow()
    app = create_app(predictor, ServeConfig(timeout=1.0))
    with TestClient(app) as client, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.post, "/v1/predict", files={"file": ("x.png", png())})
        assert predictor.decoding.wait(10)
        assert client.get("/healthz").status_code == 200
        assert not slow.done()
        answer = slow.result()
        predictor.go_on.set()
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert "took too long" in answer.json()["error"]
        assert client.post("/v1/predict", files={"file": ("x.png", png())}).status_code == 200


def test_only_so_many_explanations_wait():
    with client_of(IMAGE) as client, ThreadPoolExecutor(MAX_EXPLAINING + 6) as pool:
        sent = [
            pool.submit(client.post, "/v1/explain", files={"file": ("x.png", png(seed=seed))})
            for seed in range(MAX_EXPLAINING + 6)
        ]
        answers = [answer.result() for answer in sent]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)


def test_only_this_machine_is_answered_unless_told():
    assert ServeConfig().host == "127.0.0.1"

"""The HTTP interface of the service."""

import io
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.tiny import tiny_classifier

import perceivers
from perceivers.modalities.fusion.config import RowsConfig
from perceivers.modalities.image.config import ImageConfig
from perceivers.modalities.points.config import PointsConfig
from perceivers.modalities.table.config import TabularConfig
from perceivers.modalities.text.config import TextConfig
from perceivers.reading import Limits
from perceivers.serve import ServeConfig, create_app

FORM = "multipart/form-data"
IMAGE = ImageConfig(image_size=8, num_bands=2)
TABLE = TabularConfig(numeric=("age",), categorical=("town",), categories=(("Bern", "Oslo"),))
ROWS = RowsConfig(parts={"cells": TABLE, "photo": IMAGE}, files={"photo": "photo"})


def client_of(config, **settings):
    predictor = perceivers.Predictor(tiny_classifier(config), device="cpu")
    app = create_app(predictor, ServeConfig(**settings))
    return TestClient(app, raise_server_exceptions=False)


def png(size=(8, 8), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def images():
    with client_of(IMAGE) as client:
        yield client


@pytest.fixture(scope="module")
def texts():
    with client_of(TextConfig(max_length=32, embedding_dim=8)) as client:
        yield client


@pytest.fixture(scope="module")
def rows():
    with client_of(ROWS) as client:
        yield client


def test_files_are_predicted_as_by_the_predictor(images):
    files = [("file", (f"{i}.png", png(seed=i))) for i in range(3)]
    answer = images.post("/v1/predict", files=files, params={"top_k": 2})
    assert answer.status_code == 200
    predictor = perceivers.Predictor(tiny_classifier(IMAGE), device="cpu")
    expected = predictor([content for _, (_, content) in files], top_k=2)
    for index, (got, prediction) in enumerate(
        zip(answer.json()["predictions"], expected, strict=True)
    ):
        assert got["file"] == f"{index}.png"
        assert [item["label"] for item in got["predictions"]] == [label for label, _ in prediction]
        assert got["predictions"][0]["probability"] == pytest.approx(prediction[0][1], abs=1e-6)


def test_a_bad_file_among_good_ones_has_its_own_error(images):
    files = [("file", ("good.png", png())), ("file", ("bad.png", b"no image"))]
    good, bad = images.post("/v1/predict", files=files).json()["predictions"]
    assert "predictions" in good
    assert bad["error"].startswith("bad.png: ")
    assert "/tmp" not in bad["error"]


@pytest.mark.parametrize(
    ("name", "content", "status", "message"),
    [
        ("x.png", b"", 422, "x.png: "),
        ("x.png", png()[:60], 422, "x.png: damaged image"),
        ("x.wav", b"RIFF", 415, "this model reads images"),
        ("../../etc/passwd", b"x", 415, "passwd: this model reads images"),
        ("<script>alert(1)</script>.png", b"x", 422, "script>.png: "),
        ("\x1b[2J.png", b"x", 422, "\\x1b[2J.png"),
        ("a" * 900 + ".png", b"x", 422, "aaa"),
        ("a" * 9000 + ".png", b"x", 400, ""),
    ],
)
def test_bad_files_are_a_4xx_that_names_them(images, name, content, status, message):
    answer = images.post("/v1/predict", files={"file": (name, content)})
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert len(answer.json()["error"]) < 600


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"content": b"x"}, 415),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"json": {"texts": ["a"]}}, 415),
        ({"json": {"rows": [{}]}}, 415),
        ({"json": [1]}, 400),
        ({"data": {"note": "no file"}, "files": {}}, 415),
        ({"content": b"x", "headers": {"content-type": FORM}}, 400),
        ({"content": b"--b\r\nx", "headers": {"content-type": f"{FORM}; boundary=b"}}, 400),
        ({"files": [("file", ("a.png", b"x"))] * 65}, 413),
        ({"files": {"file": ("a.png", b"x")}, "params": {"top_k": 0}}, 400),
        ({"files": {"file": ("a.png", b"x")}, "params": {"top_k": "many"}}, 422),
    ],
)  # fmt: skip
def test_malformed_requests_are_a_4xx(images, arguments, status):
    answer = images.post("/v1/predict", **arguments)
    assert answer.status_code == status
    assert answer.json()


def test_texts(texts):
    answer = texts.post("/v1/predict", json={"texts": ["good", "bad day"]})
    assert [item["file"] for item in answer.json()["predictions"]] == ["text 1", "text 2"]
    uploaded = texts.post("/v1/predict", files={"file": ("note.txt", b"good")})
    got, expected = (a.json()["predictions"][0]["predictions"] for a in (uploaded, answer))
    assert [item["label"] for item in got] == [item["label"] for item in expected]
    assert texts.post("/v1/predict", json={"texts": [1]}).status_code == 400
    assert texts.post("/v1/predict", json={"texts": []}).status_code == 413


def test_rows_as_json_table_and_form(rows):
    row = {"age": 41, "town": "Oslo"}
    by_json = rows.post("/v1/predict", json={"rows": [row, row]}).json()["predictions"]
    table = rows.post("/v1/predict", files={"file": ("t.csv", b"age,town\n41,Oslo\n41,Oslo\n")})
    assert [x["predictions"] for x in table.json()["predictions"]] == [
        x["predictions"] for x in by_json
    ]
    form = rows.post("/v1/predict", data=row, files={"photo": ("p.png", png())})
    assert form.status_code == 200
    assert form.json()["predictions"][0]["predictions"] != by_json[0]["predictions"]


def test_a_row_cannot_name_a_file_of_the_server(rows, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    by_json = rows.post("/v1/predict", json={"rows": [{"age": 1, "photo": str(secret)}]})
    assert by_json.status_code == 422
    assert "multipart field" in by_json.json()["error"]
    table = f"age,photo\n1,{secret}\n".encode()
    assert rows.post("/v1/predict", files={"file": ("t.csv", table)}).status_code == 422
    form = rows.post("/v1/predict", data={"age": "1", "photo": str(secret)}, files={"x": b"x"})
    assert form.status_code == 422


def test_explain_gives_a_picture_of_a_linear_model():
    linear = TabularConfig(numeric=("age",), linear="logistic", linear_outputs=3)
    with client_of(RowsConfig(parts={"cells": linear})) as client:
        answer = client.post("/v1/explain", json={"rows": [{"age": 1}]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["evidence"].startswith("data:image/png;base64,")


def test_explain_gives_pictures_of_each_cross_attend(images):
    answer = images.post("/v1/explain", files={"file": ("x.png", png())})
    assert answer.status_code == 200
    explained = answer.json()
    assert [step["step"] for step in explained["steps"]] == [1, 2]
    assert explained["evidence"] is None
    for picture in (explained["example"], explained["rollout"], explained["steps"][0]["content"]):
        assert picture.startswith("data:image/png;base64,")
    whole = images.post(
        "/v1/explain", files={"file": ("x.png", png())}, headers={"accept": "image/png"},
        params={"output": "2"},
    )  # fmt: skip
    assert whole.content[:4] == b"\x89PNG"
    wrong = images.post(
        "/v1/explain", files={"file": ("x.png", png())}, params={"output": "nothing"}
    )
    assert wrong.status_code == 422


def test_model_is_described(images, rows):
    described = images.get("/v1/model").json()
    assert described["labels"] == ["0", "1", "2"]
    assert ".png" in described["suffixes"]
    assert described["inputs"][0]["dtype"] == "uint8"
    described = rows.get("/v1/model").json()
    assert described["columns"] == ["photo", "age", "town"]


def test_page_loads_nothing_from_other_hosts(images):
    for path in ("/", "/app.js", "/outputs.js", "/style.css"):
        answer = images.get(path)
        assert answer.status_code == 200
        assert "http://" not in answer.text
        assert "https://" not in answer.text
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_probes_and_counters(images):
    assert images.get("/healthz").json() == {"status": "ok"}
    assert images.get("/readyz").status_code == 200
    images.post("/v1/predict", files={"file": ("x.png", png())})
    images.get("/nowhere")
    text = images.get("/metrics").text
    assert 'perceivers_requests_total{path="/v1/predict",status="200"}' in text
    assert 'path="other",status="404"' in text
    assert "perceivers_batch_size_bucket" in text
    assert "/v1/predict" in images.get("/openapi.json").json()["paths"]
    assert images.get("/report").status_code == 404


def test_not_ready_after_the_end(images):
    predictor = perceivers.Predictor(tiny_classifier(IMAGE), device="cpu")
    app = create_app(predictor)
    client = TestClient(app)
    assert client.get("/readyz").status_code == 503  # not begun
    with client:
        assert client.get("/readyz").status_code == 200
    assert client.get("/readyz").status_code == 503
    answer = client.post("/v1/predict", files={"file": ("x.png", png())})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_token():
    with client_of(IMAGE, token="secret") as client:
        upload = {"files": {"file": ("x.png", png())}}
        assert client.post("/v1/predict", **upload).status_code == 401
        assert client.get("/v1/model", headers={"authorization": "Bearer wrong"}).status_code == 401
        right = {"authorization": "Bearer secret"}
        assert client.post("/v1/predict", headers=right, **upload).status_code == 200
        assert client.get("/").status_code == 200
        assert client.get("/metrics").status_code == 401


def test_limits_of_requests_and_files():
    limits = Limits(pixels=100)
    with client_of(IMAGE, max_request_mb=0.01, limits=limits) as client:
        assert (
            client.post("/v1/predict", files={"file": ("x.png", b"0" * 20_000)}).status_code == 413
        )
        chunks = (b"0" * 1000 for _ in range(30))  # without a Content-Length
        headers = {"content-type": "multipart/form-data; boundary=b"}
        assert client.post("/v1/predict", content=chunks, headers=headers).status_code == 413
        large = client.post("/v1/predict", files={"file": ("x.png", png((20, 20)))})
        assert large.status_code == 422
        assert "too large" in large.json()["error"]
        assert client.post("/v1/predict", files={"file": ("x.png", png())}).status_code == 200


def test_a_full_queue_answers_503_with_retry_after():
    with client_of(IMAGE, max_queue=2) as client:
        files = [("file", (f"{i}.png", png())) for i in range(3)]
        answer = client.post("/v1/predict", files=files)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert client.post("/v1/predict", files=files[:2]).status_code == 200


def test_log_has_no_content_and_no_names(caplog):
    with client_of(IMAGE) as client, caplog.at_level(logging.INFO, logger="perceivers.requests"):
        client.post("/v1/predict", files={"file": ("private-name.png", png())})
        client.get("/private/path")
    said = [r.message for r in caplog.records if r.name.startswith("perceivers")]
    entries = [json.loads(message) for message in said if message[0] == "{"]
    assert [entry["status"] for entry in entries] == [200, 404]
    assert entries[0]["bytes"] > 100
    assert not any("private" in message for message in said)


def test_clouds_are_read_by_their_suffix():
    with client_of(PointsConfig(num_points=20, num_bands=2)) as client:
        file = io.BytesIO()
        np.save(file, np.random.default_rng(0).uniform(size=(30, 3)).astype("f4"))
        answer = client.post("/v1/predict", files={"file": ("cloud.npy", file.getvalue())})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "settings", [{"port": 70000}, {"max_batch": 0}, {"token": " "}, {"timeout": float("nan")}]
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        ServeConfig(**settings)


def test_head_and_documentation(images, tmp_path):
    for path in ("/", "/app.js", "/docs"):
        answer = images.head(path)
        assert answer.status_code == 200
        assert answer.content == b""
    assert images.head("/report").status_code == 404
    page = images.get("/docs").text
    for path in ("/v1/predict", "/v1/explain", "/v1/model", "/metrics"):
        assert path in page
    assert "http" not in page.replace("http-equiv", "")
    (tmp_path / "report.html").write_text("<p>report")
    (tmp_path / "config.json").write_text("{}")
    predictor = perceivers.Predictor(tiny_classifier(IMAGE), device="cpu")
    with TestClient(create_app(predictor, run_dir=tmp_path)) as client:
        assert client.head("/report").status_code == 200
        assert client.get("/report").text == "<p>report"


def test_tokens_of_any_bytes():
    with client_of(IMAGE, token="café") as client:
        right = {"authorization": "bearer café".encode()}
        assert client.get("/v1/model", headers=right).status_code == 200
        for wrong in (b"Bearer cafe", b"Bearer", b"caf\xc3\xa9", b"Basic caf\xc3\xa9", b"\xff"):
            assert client.get("/v1/model", headers={"authorization": wrong}).status_code == 401


def test_explanations_and_predictions_at_once_are_those_alone(images):
    def predict(seed):
        answer = images.post("/v1/predict", files={"file": ("x.png", png(seed=seed))})
        return [item["probability"] for item in answer.json()["predictions"][0]["predictions"]]

    def explain(seed):
        return images.post("/v1/explain", files={"file": ("x.png", png(seed=seed))}).json()

    alone = [predict(seed) for seed in range(30)]
    explained_alone = [explain(seed) for seed in range(2)]
    with ThreadPoolExecutor(3) as pool:
        explained = [pool.submit(explain, seed) for seed in range(2)]
        together = list(pool.map(predict, range(30)))
        assert [future.result() for future in explained] == explained_alone
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_many_large_requests_at_once_are_refused():
    from perceivers.serve import gate

    with client_of(IMAGE) as client:
        inner = client.app.middleware_stack
        while not isinstance(inner, gate.Gate):
            inner = inner.app
        inner.held = gate.HELD_REQUESTS * inner.size
        answer = client.post("/v1/predict", files={"file": ("x.png", png())})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert inner.held == gate.HELD_REQUESTS * inner.size


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'form-data; name="file"; filename="a.png"', "a.png"),
        (b'form-data; filename="a.png"; name="file"', "a.png"),
        (b"form-data; name=file; filename=a.png", "a.png"),
        (b'form-data; name="file"; filename="a;b.png"', "a;b.png"),
        (b'form-data; name="file"; filename="a\\"b.png"', 'a"b.png'),
        (b'Form-Data; NAME="file"; FILENAME="a.png"\r\nContent-Type: image/png', "a.png"),
    ],
)
def test_forms_of_all_spellings(images, head, name):
    body = b"preamble\r\n--b\r\nContent-Disposition: " + head + b"\r\n\r\n" + png()
    answer = images.post(
        "/v1/predict", content=body + b"\r\n--b--\r\nrest",
        headers={"content-type": 'multipart/form-data; boundary="b"'},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["file"] == name

"""A headless browser, and pages that are exported and served for it."""

import base64
import functools
import http.server
import shutil
import subprocess
import tarfile
import threading

import numpy as np
import pytest
import torch

from perceivers import checkpoint
from perceivers.export.page import export_page
from perceivers.export.runtime import PACKAGE, VERSION
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

ASK = """async ([content, name]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  const example = await perceivers.exampleOf(new File([bytes], name), name);
  const outputs = await perceivers.run(example);
  return { data: Array.from(example.data, Number), shape: example.shape, outputs };
}"""


class Pages:
    """Pages of small models with random weights, in a browser."""

    def __init__(self, browser, folder, runtime, address):
        self.browser, self.folder, self.runtime, self.address = browser, folder, runtime, address

    def open(self, config, **options):
        """Return the folder of the model's weights, and the open page of the model."""
        name = f"page{abs(hash(config))}"
        model, page = self.folder / f"{name}-model", self.browser.new_page()
        if not model.exists():
            checkpoint.save(small_model(config, **options), model)
            export_page(model, self.folder / name, runtime=self.runtime)
        self.problems = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda line: self.problems.append(line.text))
        page.goto(f"{self.address}/{name}/index.html")
        page.locator("#status:empty").wait_for(state="attached")
        assert not self.problems
        return model, page


def small_model(config, **options):
    torch.manual_seed(0)
    sizes = {"num_latents": 4, "latent_dim": 16, "num_self_heads": 4, "num_layers_per_block": 1}
    order = {"cross_order": (0,), "block_order": (0,), "num_classes": 3}
    model = build(ModelConfig(input=config, **sizes, **order, **options)).eval()
    torch.nn.init.normal_(model.head.weight, std=0.5)
    return model


def ask(page, content, name):
    """Return the example that a page makes of a file, and its outputs by label."""
    answer = page.evaluate(ASK, [base64.b64encode(content).decode(), name])
    example = np.array(answer["data"]).reshape(answer["shape"])
    return example, {x["label"]: x["probability"] for x in answer["outputs"]}


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    """Return the unpacked onnxruntime-web, from npm."""
    for program in ("chromium", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("runtime")
    command = ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm cannot download {PACKAGE} within 90 s")
    if done.returncode:
        pytest.skip(f"npm cannot download {PACKAGE}: {done.stderr.strip()[:200]}")
    safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python 3.11.4
    shutil.unpack_archive(folder / f"{PACKAGE}-{VERSION}.tgz", folder, **safely)
    return folder / "package"


@pytest.fixture(scope="module")
def pages(tmp_path_factory, runtime):
    """Yield what opens pages of models in a headless browser."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    folder = tmp_path_factory.mktemp("pages")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Handler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with driver.sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox"], chromium_sandbox=False
            )
            yield Pages(browser, folder, runtime, f"http://127.0.0.1:{server.server_port}")
            browser.close()
    finally:
        server.shutdown()
        server.server_close()

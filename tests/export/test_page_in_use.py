"""The exported page in Chromium: files are dropped on it, and the right label appears."""

import json

import numpy as np
import pytest
from browsers import pages, runtime  # noqa: F401 - fixtures
from page_files import compressed_images, encoded, plain_png
from tests import media_files
from tests.chromium import axe, drop, keep, top, until  # noqa: F401 - axe is a fixture
from tests.serve import separable

from perceivers import save
from perceivers.export.page import export_page

pytestmark = pytest.mark.slow
KINDS = list(separable.KINDS)


@pytest.fixture(scope="module")
def exported(pages):  # noqa: F811
    """Return a function that exports a page of a model that tells its classes apart."""

    def export(kind):
        folder = pages.folder / kind
        if not folder.exists():
            save(separable.train(kind), pages.folder / f"{kind}-model")
            export_page(pages.folder / f"{kind}-model", folder, runtime=pages.runtime)
        return folder

    return export


@pytest.fixture
def page_of(pages, exported):  # noqa: F811
    """Return a function that opens the page of a kind; all that it requests and logs is checked."""
    opened = []

    def open_(kind, width=1000, wait=True, before="", **options):
        address = f"{pages.address}/{exported(kind).name}/"
        context = pages.browser.new_context(viewport={"width": width, "height": 800}, **options)
        page = context.new_page()
        page.problems = []
        page.add_init_script(before)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda message: page.problems.append(message.text))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((address, "data:", "blob:"))
                or page.problems.append(request.url)
            ),
        )
        page.goto(f"{address}index.html")
        if wait:
            page.locator("#status:empty").wait_for(state="attached")
        opened.append(page)
        return page

    yield open_
    for page in opened:
        assert page.problems == []
        page.context.close()


def status(page, part):
    """Wait until the page says something."""
    until(page, f"document.getElementById('status').textContent.includes({json.dumps(part)})")


@pytest.mark.parametrize("kind", KINDS)
def test_a_dropped_file_gets_the_right_label(page_of, kind):
    make, labels, suffix, _ = separable.KINDS[kind]
    rng = np.random.default_rng(100)
    page = page_of(kind)
    for label in labels:
        drop(page, f"{label}{suffix}", make(label, rng))
        until(page, f"document.getElementById('name').textContent === '{label}{suffix}'")
        assert top(page) == label
    keep(page, f"static-{kind}")


def test_narrow_screen(page_of):
    for kind in ("photograph", "sound", "text"):
        make, labels, suffix, _ = separable.KINDS[kind]
        page = page_of(kind, width=375)
        drop(page, f"{'long' * 40}{suffix}", make(labels[0], np.random.default_rng(0)))
        assert top(page) == labels[0]
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        keep(page, f"static-{kind}-narrow")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page_of, axe, scheme):  # noqa: F811
    run = "async () => JSON.stringify((await axe.run()).violations)"
    for kind in ("photograph", "text"):
        make, labels, suffix, _ = separable.KINDS[kind]
        page = page_of(kind, color_scheme=scheme)
        page.evaluate(axe)
        assert json.loads(page.evaluate(run)) == []
        drop(page, f"x{suffix}", make(labels[0], np.random.default_rng(0)))
        top(page)
        assert json.loads(page.evaluate(run)) == []
        drop(page, f"x{suffix}", b"\xff")
        page.wait_for_selector("#status.error")
        assert json.loads(page.evaluate(run)) == []
        keep(page, f"static-{kind}-{scheme}")


def test_first_paint_and_size(page_of):
    page = page_of("photograph")
    sizes = dict(
        page.evaluate(
            "performance.getEntries().filter((x) => x.transferSize)"
            ".map((x) => [x.name, x.transferSize])"
        )
    )
    own = sum(
        size for name, size in sizes.items() if not name.endswith((".onnx", ".wasm", "ort.js"))
    )
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"first paint {paint:.0f} ms, {own} bytes without the runtime and the model")
    assert own < 300_000
    assert not page.evaluate("performance.getEntriesByType('resource')").count("http://example")


def test_files_that_cannot_be_read_are_said_and_nothing_is_executed(page_of):
    page = page_of("photograph")
    jpeg = media_files.PHOTOGRAPH.read_bytes()
    large = plain_png(np.zeros((1, 8, 1), int), 0, 8, 0, {}).replace(
        b"IHDR\0\0\0\x08\0\0\0\x01", b"IHDR\0\1\0\0\0\1\0\0"
    )
    for name, content, words in (
        ("a.jpg", jpeg[:2000], "damaged"),
        ("a.jpg", jpeg[:-2], "ends too early"),
        (
            "a.jpg",
            jpeg.replace(
                b"\xff\xc0\0\x11\x08\x02\x58\x02\0", b"\xff\xc0\0\x11\x08\xff\xff\xff\xff"
            ),
            "too many pixels",
        ),
        ("a.png", large, "too many pixels"),
        ("a.tif", encoded(media_files.photograph(), "TIFF"), "save it as PNG"),
        ("a.png", b"", "no image"),
        ("<img src=x onerror=document.title='hacked'>.wav", b"RIFF\0\0\0\0WAVEdata", "no image"),
    ):
        drop(page, "x.jpg", jpeg)
        top(page)
        drop(page, name, content)
        status(page, words)
        assert page.is_hidden("#result")
    drop(page, "<script>document.title='hacked'</script>.jpg", jpeg)
    assert top(page)
    assert page.title() == "perceivers"
    keep(page, "static-error")


def test_what_is_read_a_little_differently_is_said(page_of):
    page = page_of("photograph")
    clear = media_files.photograph()
    clear.putalpha(90)
    drop(page, "clear.avif", encoded(clear, "AVIF"))
    status(page, "read a little differently")
    for name, content in compressed_images().items():
        drop(page, name, content)
        until(page, f"document.getElementById('name').textContent === {json.dumps(name)}")
        assert page.inner_text("#status") == ""
    page = page_of("sound")
    tone = np.sin(np.arange(16_000) / 9)[:, None] / 2
    drop(page, "a.m4a", media_files.sound(tone, 16_000, "mp4", "aac"))
    status(page, "hundredths of a second")
    drop(page, "a.mp3", media_files.sound(tone, 16_000, "mp3", "libmp3lame"))
    until(page, "document.getElementById('name').textContent === 'a.mp3'")
    assert page.inner_text("#status") == ""


def test_only_the_newest_file_is_shown(page_of):
    page = page_of("photograph")
    jpeg = media_files.PHOTOGRAPH.read_bytes()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        drop(page, name, jpeg)
    page.evaluate("document.getElementById('name').textContent")
    until(page, "document.getElementById('name').textContent === 'c.jpg'")
    page.wait_for_timeout(300)
    assert page.inner_text("#name") == "c.jpg"


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("delete globalThis.WebAssembly", "no WebAssembly"),
        ("WebAssembly.validate = () => false", "no SIMD"),
    ],
)
def test_browser_that_cannot_run_the_model_is_said(page_of, before, words):
    page = page_of("digit", wait=False, before=before)
    page.wait_for_selector("#status.error")
    page.wait_for_timeout(500)
    assert words in page.inner_text("#status")
    assert page.is_disabled("#file")


def test_page_that_is_opened_as_a_file_tells_how_to_serve_it(pages, exported):  # noqa: F811
    folder = exported("digit")
    page = pages.browser.new_page()
    page.goto(f"file://{folder}/index.html")
    status(page, f'python -m http.server -d "{folder}"')
    keep(page, "static-file")
    page.close()


@pytest.mark.parametrize(
    "name", ["model.onnx", "model.json", "onnxruntime/ort.js", "reader/png.js"]
)
def test_missing_file_of_the_page_is_said(pages, exported, name):  # noqa: F811
    folder = exported("digit")
    (folder / name).rename(folder / "away")
    page = pages.browser.new_page()
    page.goto(f"{pages.address}/{folder.name}/index.html")
    status(page, "The page is incomplete")
    page.close()
    (folder / "away").rename(folder / name)

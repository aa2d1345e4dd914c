"""The page of the service in Chromium: files are dropped, and the right label appears."""

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from tests.answering import MODELS, file_of, saved
from tests.chromium import CHROMIUM, axe, drop, keep, top, until  # noqa: F401 - axe is a fixture
from tests.serve import separable
from tests.serve.running import running
from tests.serve.test_app import IMAGE, ROWS, png
from tests.tiny import tiny_classifier

from perceivers import save

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; apt-get install chromium"),
]
AXE = "async () => JSON.stringify((await axe.run()).violations)"
FIRST_PAINT = (
    "performance.getEntriesByType('paint').find((x) => x.name === 'first-contentful-paint')"
    ".startTime"
)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """Return the services of one model of each kind, which start when they are asked for."""
    root = tmp_path_factory.mktemp("models")
    with ExitStack() as stack:
        started = {}

        def service(kind):
            if kind in MODELS:
                started.setdefault(kind, stack.enter_context(running(saved(kind, root))))
            elif kind not in started:
                model = tiny_classifier(ROWS) if kind == "row" else separable.train(kind)
                save(model, root / kind)
                (root / kind / "report.html").write_text(
                    "<!doctype html><html lang=en><title>Report</title><p>of the run"
                )
                started[kind] = stack.enter_context(running(root / kind))
            return started[kind]

        yield service


@pytest.fixture
def page_of(browser, services):
    """Return a function that opens the page of a kind; all that it requests and logs is checked."""
    pages = []

    def open_(kind, width=1000, **options):
        service = services(kind)
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        page = context.new_page()
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on(
            "console",
            lambda message: (
                message.type == "error"
                and "status of 4" not in message.text
                and page.problems.append(message.text)
            ),
        )
        page.on(
            "request",
            lambda request: (
                request.url.startswith((f"http://127.0.0.1:{service.port}/", "data:", "blob:"))
                or page.problems.append(request.url)
            ),
        )
        page.goto(f"http://127.0.0.1:{service.port}/")
        until(page, "document.getElementById('about').textContent.length > 9")
        pages.append(page)
        return page

    yield open_
    for page in pages:
        assert page.problems == []
        page.context.close()


@pytest.mark.parametrize("kind", list(separable.KINDS))
def test_a_dropped_file_gets_the_right_label(page_of, kind):
    make, labels, suffix, _ = separable.KINDS[kind]
    rng = np.random.default_rng(100)
    page = page_of(kind)
    for label in labels:
        drop(page, f"{label}{suffix}", make(label, rng))
        until(page, f"document.getElementById('name').textContent === '{label}{suffix}'")
        assert top(page) == label
    page.click("#explain")
    page.wait_for_selector("#maps:not([hidden])")
    assert page.evaluate("document.getElementById('map').naturalWidth") > 100
    keep(page, kind)


@pytest.mark.parametrize("kind", MODELS)
def test_other_answers_are_shown(page_of, axe, kind, tmp_path):  # noqa: F811
    file = file_of(kind, tmp_path)
    page = page_of(kind)
    assert file.suffix in page.get_attribute("#file", "accept").split(",")
    drop(page, file.name, file.read_bytes())
    until(page, f"document.getElementById('name').textContent === '{file.name}'")
    assert page.text_content("#words").strip()
    assert page.is_hidden("#bars")
    assert page.is_hidden("#explain")
    links = page.query_selector_all("#files a")
    assert [link.text_content().startswith("Save ") for link in links] == [True] * len(links)
    assert bool(links) == (kind != "filled")
    assert bool(page.text_content("#hint")) == (kind == "filled")
    sizes = "[...document.querySelectorAll('#files img')].map((image) => image.naturalWidth)"
    until(page, f"{sizes}.every((width) => width > 4)")
    assert len(page.evaluate(sizes)) == (kind in ("masks", "rebuilt", "forecast"))
    if links:
        with page.expect_download() as download:
            links[0].click()
        assert download.value.suggested_filename == links[0].get_attribute("download")
        assert Path(download.value.path()).stat().st_size > 20
    if kind in ("filled", "spans"):
        page.fill("#text", "a [MASK] b")
        page.keyboard.press("Control+Enter")
        until(page, "document.getElementById('name').textContent === 'text 1'")
    if kind == "spans":
        names = page.eval_on_selector_all("#texts small", "all => all.map((x) => x.textContent)")
        text = page.text_content("#texts p")
        for name in names:  # behind what they mark
            text = text.replace(name, "", 1)
        assert text == "a [MASK] b"
    page.evaluate(axe)
    assert json.loads(page.evaluate(AXE)) == []
    keep(page, f"answer-{kind}")


def test_overlay_slider_and_terms(page_of):
    page = page_of("digit")
    drop(page, "x.png", separable.digit("7", np.random.default_rng(0)))
    assert top(page) == "7"
    page.click("#explain")
    page.wait_for_selector("#maps:not([hidden])")
    shown = {page.get_attribute("#map", "src")}
    page.focus("#step")
    page.keyboard.press("ArrowRight")
    assert page.text_content("#map-name") == "cross-attend 2"
    assert "Bright" in page.text_content("#shading")
    shown.add(page.get_attribute("#map", "src"))
    for term in ("content", "position"):
        page.check(f"input[value={term}]")
        assert term in page.text_content("#map-name")
        shown.add(page.get_attribute("#map", "src"))
    assert len(shown) == 4


def test_keyboard_alone(page_of):
    page = page_of("text")
    focused = "document.activeElement.id"
    for _ in range(9):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "text":
            break
    page.keyboard.type("it was awful bad dull")
    page.keyboard.press("Control+Enter")
    assert top(page) == "complaint"
    for _ in range(5):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "explain":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#maps:not([hidden])")


def test_narrow_screen(page_of):
    for kind in ("digit", "text"):
        make, labels, suffix, _ = separable.KINDS[kind]
        page = page_of(kind, width=375)
        drop(page, f"{'long' * 40}{suffix}", make(labels[0], np.random.default_rng(0)))
        assert top(page) == labels[0]
        page.click("#explain")
        page.wait_for_selector("#maps:not([hidden])")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        wide = "document.getElementById('map').clientWidth > 200"
        until(page, wide if kind == "text" else f"!({wide})")  # a text is readable
        keep(page, f"{kind}-narrow")


def test_first_paint_and_size(page_of, services):
    page = page_of("digit")
    times = []
    sizes = page.evaluate(
        "performance.getEntries().filter((x) => x.transferSize).map((x) => x.transferSize)"
    )
    for _ in range(5):
        page.reload()
        until(page, f"{FIRST_PAINT} > 0")
        times.append(page.evaluate(FIRST_PAINT))
    print(f"first paint {sorted(times)[2]:.0f} ms, {sum(sizes)} bytes")
    assert min(times) < 300
    assert sum(sizes) < 300_000


def test_paste_and_errors(page_of):
    page = page_of("digit")
    rng = np.random.default_rng(1)
    drop(page, "pasted.png", separable.digit("0", rng), "paste")
    assert top(page) == "0"
    drop(page, "sound.wav", separable.sound("low", rng))
    page.wait_for_selector("#status.error")
    assert "this model reads images" in page.text_content("#status")
    drop(page, "<img src=x onerror=document.title='hacked'>.png", b"no image")
    until(page, "document.getElementById('status').textContent.includes('onerror')")
    drop(page, "<script>document.title='hacked'</script>.png", separable.digit("7", rng))
    until(page, "document.getElementById('name').textContent.includes('script')")
    assert page.title() == "perceivers"
    drop(page, "huge.png", b"0" * 21_000_000)
    until(page, "document.getElementById('status').textContent.includes('20 MB')")
    keep(page, "error")


@pytest.mark.parametrize(
    ("kind", "labels"), [("sound", {"low", "high"}), ("photograph", {"face", "flag"})]
)
def test_recordings_of_the_browser_are_read(page_of, kind, labels):
    page = page_of(kind, permissions=["microphone", "camera"])
    page.click("#start")
    page.wait_for_selector("#result:not([hidden])", timeout=20_000)
    assert top(page) in labels
    assert "record" in page.text_content("#name") or "camera" in page.text_content("#name")
    keep(page, f"recorded-{kind}")


def test_report_and_documentation(page_of):
    page = page_of("digit")
    page.wait_for_selector("#report:not([hidden])")
    page.click("#report")
    until(page, "document.title === 'Report'")
    page.go_back()
    page.click("text=API")
    until(page, "document.title.includes('API')")
    assert "/v1/predict" in page.text_content("main")


def test_the_report_is_saved_where_a_token_is_required(browser, tmp_path):
    save(tiny_classifier(IMAGE), tmp_path / "run")
    (tmp_path / "run" / "report.html").write_text("<!doctype html><title>Report</title>")
    with running(tmp_path / "run", token="secret") as service:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{service.port}/")
        page.fill("#token", "wrong")
        page.click("#access button")
        page.wait_for_selector("#status.error")
        assert not page.is_visible("#report")
        page.fill("#token", "secret")
        page.click("#access button")
        with page.expect_download() as download:
            page.click("#report")
        assert "<title>Report" in Path(download.value.path()).read_text()
        assert "report.html" in page.text_content("#status")
        page.close()


def test_the_row_of_a_table_is_filled_in(page_of):
    page = page_of("row")
    page.fill("input[name=age]", "41")
    page.fill("input[name=town]", "Oslo")
    page.set_input_files(
        "input[name=photo]",
        {"name": "p.png", "mimeType": "image/png", "buffer": png()},
    )
    page.click("#row button")
    assert top(page) in {"0", "1", "2"}
    page.click("#explain")
    page.wait_for_selector("#maps:not([hidden])")
    keep(page, "row")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page_of, axe, scheme):  # noqa: F811
    for kind in ("digit", "text"):
        make, labels, suffix, _ = separable.KINDS[kind]
        page = page_of(kind, color_scheme=scheme)
        page.evaluate(axe)
        assert json.loads(page.evaluate(AXE)) == []
        drop(page, f"x{suffix}", make(labels[0], np.random.default_rng(0)))
        top(page)
        page.click("#explain")
        page.wait_for_selector("#maps:not([hidden])")
        assert json.loads(page.evaluate(AXE)) == []
        drop(page, f"x{suffix}", b"0" * 21_000_000)
        page.wait_for_selector("#status.error")
        assert json.loads(page.evaluate(AXE)) == []
        keep(page, f"{kind}-{scheme}")
        page.goto(f"{page.url}docs")
        page.evaluate(axe)
        assert json.loads(page.evaluate(AXE)) == []

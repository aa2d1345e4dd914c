"""What tests of a page do in Chromium.

With PERCEIVERS_SCREENSHOTS=DIR they keep pictures of what they see.
"""

import base64
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name));
  const target = document.getElementById("drop");
  for (const kind of ["dragover", "KIND"]) {
    const options = { bubbles: true, cancelable: true };
    const event = kind === "paste"
      ? new ClipboardEvent(kind, { ...options, clipboardData: data })
      : new DragEvent(kind, { ...options, dataTransfer: data });
    target.dispatchEvent(event);
  }
}"""


def until(page, condition):
    """Wait for a condition in JavaScript; the page's policy forbids it to evaluate text itself."""
    for _ in range(200):
        with suppress(Exception):  # while another page loads
            if page.evaluate(condition):
                return
        page.wait_for_timeout(50)
    raise AssertionError(f"{condition}; status: {page.text_content('body')}")


def drop(page, name, content, event="drop"):
    page.evaluate(DROP.replace("KIND", event), [name, base64.b64encode(content).decode()])


def top(page):
    page.wait_for_selector("#result:not([hidden])")
    return page.text_content("#bars tbody th")


def keep(page, name):
    if folder := os.environ.get("PERCEIVERS_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.fixture(scope="session")
def axe():
    """Return the source of axe-core, fetched by npm."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm to fetch axe-core with")
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "perceivers-tests"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "axe-core@4"]
        if subprocess.run(command, cwd=folder, capture_output=True, timeout=120).returncode:
            pytest.skip("npm cannot fetch axe-core here")
    return script.read_text()

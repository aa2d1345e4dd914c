"""onnxruntime-web, which runs ONNX models in browsers: taken from npm, and checked."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
# SHA-512 of the archive, as npm states it.
INTEGRITY = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
# What a page needs of the package: the SHA-256 of each file, and its name in the page.
FILES = {
    "ort.wasm.bundle.min.mjs": (
        "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
        "ort.js",
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
        "ort-wasm-simd-threaded.wasm",
    ),
}
ADDRESS = f"https://registry.npmjs.org/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
BRING = f"download {ADDRESS}, unpack it with tar xzf, and give --onnxruntime-web FOLDER"
SECONDS = 300  # that npm may take
LICENCE = """onnxruntime-web

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def check_runtime(folder: Path | None) -> None:
    """Check that `copy_runtime` can work, before anything is written.

    Raises:
        OSError: npm is not installed and no folder is given, or a file of the folder is missing.
        ValueError: a file of the folder is of another version.
    """
    if folder is None:
        if shutil.which("npm") is None:
            raise FileNotFoundError(
                f"npm is not installed, which downloads {PACKAGE}; install Node.js, or {BRING}"
            )
        return
    for name in FILES:
        _read(folder, name)


def copy_runtime(target: Path, folder: Path | None) -> None:
    """Write the files of onnxruntime-web and their licence into a new folder.

    Args:
        target: the folder.
        folder: the unpacked package; None: npm downloads it.

    Raises:
        OSError: npm is not installed or fails; or a file is missing or cannot be written.
        ValueError: a file is not the expected one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = _download(Path(scratch)) if folder is None else folder
        target.mkdir()
        for name, (_, own_name) in FILES.items():
            (target / own_name).write_bytes(_read(source, name))
        (target / "LICENSE").write_text(LICENCE)


def _read(folder: Path, name: str) -> bytes:
    """Return a file of the package, which lies in the folder, in its `dist` or its `package`."""
    paths = [folder / name, folder / "dist" / name, folder / "package" / "dist" / name]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"{folder} has no {name}; expected the unpacked package {PACKAGE} {VERSION}"
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != FILES[name][0]:
        raise ValueError(f"{path} is not that of {PACKAGE} {VERSION}; bring this version")
    return content


def _download(folder: Path) -> Path:
    """Download the package with npm, check it, and unpack the files that are needed."""
    npm = shutil.which("npm")
    if npm is None:
        check_runtime(None)
    hint = f"; or {BRING}"
    command = [str(npm), "pack", "--silent", f"{PACKAGE}@{VERSION}"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"npm took more than {SECONDS} s to download {PACKAGE}{hint}") from None
    archive = folder / f"{PACKAGE}-{VERSION}.tgz"
    if done.returncode or not archive.is_file():
        said = next(iter(done.stderr.strip().splitlines()), "no message")
        raise OSError(f"npm could not download {PACKAGE} {VERSION}: {said}{hint}")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != INTEGRITY:
        raise ValueError(f"npm gave another {PACKAGE} {VERSION} than expected{hint}")
    with tarfile.open(archive) as package:
        for name in FILES:
            file = package.extractfile(f"package/dist/{name}")
            assert file is not None
            (folder / name).write_bytes(file.read())
    return folder

"""The official CIFAR files in every published form, intact and damaged."""

import os
import pickle

import numpy as np
import pytest

from perceivers.data.cifar import LAYOUTS, is_cifar, read_cifar, restricted_loads


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("form", ["python", "binary"])
@pytest.mark.parametrize("archive", [True, False], ids=["archive", "unpacked"])
@pytest.mark.parametrize("from_parent", [True, False], ids=["parent folder", "itself"])
def test_every_official_form(cifar_files, name, form, archive, from_parent):
    path = cifar_files.write(name, form, archive=archive)
    path = path.parent if from_parent else path
    assert is_cifar(name, path)
    train, test, labels = read_cifar(name, path)
    np.testing.assert_array_equal(train[0], cifar_files.images[:50])
    np.testing.assert_array_equal(train[1], cifar_files.labels[:50])
    np.testing.assert_array_equal(test[0], cifar_files.images[50:])
    assert labels[3] == "class3"


def test_wrong_checksum_names_the_file(cifar_files):
    folder = cifar_files.write("cifar10", "binary", archive=False)
    file = folder / "data_batch_3.bin"
    raw = bytearray(file.read_bytes())
    raw[100] ^= 1
    file.write_bytes(raw)
    with pytest.raises(ValueError, match=r"data_batch_3.bin has MD5 checksum \w+; expected \w+"):
        read_cifar("cifar10", folder)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.9])
def test_interrupted_download(cifar_files, fraction):
    archive = cifar_files.write("cifar100", "python", archive=True)
    raw = archive.read_bytes()
    archive.write_bytes(raw[: int(fraction * len(raw))])
    with pytest.raises(ValueError, match="damaged or its download was cut short"):
        read_cifar("cifar100", archive)


def test_missing_file(cifar_files):
    folder = cifar_files.write("cifar10", "python", archive=False)
    (folder / "data_batch_4").unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_4 is missing"):
        read_cifar("cifar10", folder)


def test_folder_without_cifar(tmp_path):
    assert not is_cifar("cifar10", tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no official files of cifar10; expected one"):
        read_cifar("cifar10", tmp_path)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_numbers_of_objects_that_would_fill_the_memory_are_refused():
    """The table of objects would take 1.6 GB for a file of ten bytes."""
    raw = b"\x80\x02]r" + (10**8).to_bytes(4, "little") + b"."
    with pytest.raises(ValueError, match="an object has the number 100000000, in a file of 9"):
        restricted_loads(raw)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    target = tmp_path / "owned"
    with pytest.raises(ValueError, match=r"refers to \w+.mkdir.* is refused"):
        restricted_loads(pickle.dumps(Malicious(target)))
    assert not target.exists()


def test_a_pickle_that_reaches_a_module_through_numpy_is_refused():
    # Some NumPy modules import os; a pickle may refer to three names of NumPy only.
    with pytest.raises(ValueError, match="is refused"):
        restricted_loads(b"cnumpy.lib.npyio\nos\n.")


@pytest.mark.parametrize("raw", [b"", b"not a pickle", b"\x80\x02}q\x00"])
def test_damaged_pickle(raw):
    with pytest.raises(ValueError, match="not a readable CIFAR pickle"):
        restricted_loads(raw)


def test_every_published_file_has_an_md5_checksum():
    for layouts in LAYOUTS.values():
        for layout in layouts:
            for md5 in (*layout.train.values(), *layout.test.values()):
                assert len(bytes.fromhex(md5)) == 16

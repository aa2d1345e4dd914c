"""Encoding of texts as ids of bytes, and decoding of text files."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.modalities.notices import collecting
from perceivers.modalities.text.decode import NUM_IDS, OFFSET, PAD, decode, decode_lines, encode
from perceivers.modalities.text.reader import TextReader

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


def bytes_of(row):
    return bytes((row[row != PAD] - OFFSET).tolist())


@settings(max_examples=50, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4), st.integers(1, 30))
def test_ids_are_bytes_of_whole_characters(texts, max_length):
    ids = encode(texts, max_length)
    assert ids.dtype == torch.int64
    assert ids.shape[1] == max(1, *(len(bytes_of(row)) for row in ids), 1)
    for text, row in zip(texts, ids, strict=True):
        got = bytes_of(row)
        assert torch.all(row[len(got) :] == PAD)  # padding only at the end
        assert text.startswith(got.decode())  # UnicodeDecodeError if cut within a character
        if got.decode() != text:
            rest = text[len(got.decode())]
            assert len(got) + len(rest.encode()) > max_length


def test_ids_of_deepminds_tokenizer():
    """transformers' PerceiverTokenizer gives "é" [CLS] 201 175 [SEP] (bytes 195 and 169)."""
    assert encode(["é"], 9).tolist() == [[201, 175]]
    assert encode(["\0"], 9).tolist() == [[OFFSET]]  # a null byte is not padding
    assert (PAD, OFFSET, NUM_IDS) == (0, 6, 262)


def test_bytes_must_be_utf8():
    assert torch.equal(encode(["naïve".encode(), b""], 9), encode(["naïve", ""], 9))
    with pytest.raises(ValueError, match="text 1: not UTF-8: byte 2, in line 1, is 0xef"):
        encode(["fine", "naïve".encode("latin-1")], 9)
    with pytest.raises(ValueError, match=r"text 0: character 1 .* cannot be encoded as UTF-8"):
        encode(["a\ud800"], 9)


def test_empty_texts_and_batches():
    assert encode(["", ""], 9).tolist() == [[PAD], [PAD]]
    assert encode([], 9).shape == (0, 1)
    assert encode(["€"], 2).tolist() == [[PAD]]  # its one character does not fit


def test_encode_needs_a_list_and_a_length():
    with pytest.raises(ValueError, match=r"got a single text; expected a list .* \[text\]"):
        encode("text", 9)
    with pytest.raises(ValueError, match="max_length=0; expected at least 1"):
        encode(["text"], 0)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"one\ntwo\n", "one\ntwo"),
        (b"\xef\xbb\xbfone\r\ntwo\r\n\r\n", "one\ntwo"),
        (b"one\rtwo", "one\ntwo"),
        ("a\u2028b\x0cc".encode(), "a\u2028b\x0cc"),
        (b" spaces stay ", " spaces stay "),
        (b"", ""),
    ],
)
def test_a_file_is_one_text(tmp_path, raw, text):
    file = tmp_path / "text.txt"
    file.write_bytes(raw)
    assert decode(file) == decode(str(file)) == decode(raw) == text


def test_a_file_is_one_text_a_line(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes("\ufefffirst\r\n\r\n  \nünd\u2028so\x0cfort\x85\nlast".encode())
    assert decode_lines(file) == ["first", "ünd\u2028so\x0cfort\x85", "last"]
    assert decode_lines(b"\n") == decode_lines(b"") == []


@pytest.mark.parametrize("read", [decode, decode_lines])
def test_files_that_are_not_utf8(tmp_path, read):
    file = tmp_path / "text.txt"
    file.write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(ValueError, match="not UTF-8: byte 8, in line 2, is 0xe9; save the text as"):
        read(file)
    file.write_bytes("fine".encode("utf-16")[:-1])
    with pytest.raises(ValueError, match="not UTF-16, .* byte 8 is damaged .*; save the text as"):
        read(file)
    file.write_bytes("fine €".encode()[:-1])  # truncated within a character
    with pytest.raises(ValueError, match="byte 5, in line 1, is 0xe2"):
        read(file)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_files_that_begin_with_a_byte_order_mark(encoding):
    """Notepad and Excel write them."""
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    raw = f"{mark}naïve €\r\n𝄞\r\n".encode(encoding)
    assert decode(raw) == "naïve €\n𝄞"
    assert decode_lines(raw) == ["naïve €", "𝄞"]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="no such file; check the path"):
        decode(tmp_path / "none.txt")
    with pytest.raises(ValueError, match="cannot be opened: it is a directory"):
        decode(tmp_path)


def test_zero_bytes_are_refused_or_said():
    """UTF-16 without a byte order mark can be decoded as UTF-8."""
    for raw in (
        "a text".encode("utf-16-le"),
        "a text".encode("utf-16-be"),
        "text".encode("utf-32"),
        bytes(50),
    ):
        with pytest.raises(ValueError, match="characters are zero, as in UTF-16"):
            decode(raw)
    with collecting() as said:
        assert decode(b"a long text with a zero\0byte") == "a long text with a zero\0byte"
    assert said == ["has zero bytes, which text has not; they are read as characters"]


def test_texts_that_are_cut_are_said():
    """The reader takes five bytes; the euro sign has three."""
    for text, said in (("ab€", []), ("ab€d", ["has more than 5 bytes, of which only the first"])):
        with collecting() as found:
            ids = TextReader(max_length=5).decode(text.encode())
        assert [line.removesuffix(" are read") for line in found] == said
        assert bytes_of(ids) == "ab€".encode()

"""HTML of one page that needs no other file: escaped text, tables, pictures as data."""

import base64
import html
from collections.abc import Sequence
from typing import NamedTuple

from ..printing import printable

MAX_LABEL = 60  # characters of a label or another name

STYLE = """
:root { color-scheme: light; --line: #d8dde3; --soft: #f4f6f8; --dim: #5a6572; --blue: #1f5fae; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2129; background: #fff; margin: 0 auto;
  max-width: 1080px; padding: 1rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; margin: .5rem 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .4rem; }
p { margin: .4rem 0; max-width: 75ch; overflow-wrap: anywhere; }
.dim { color: var(--dim); }
nav a { margin-right: 1rem; color: var(--blue); }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; }
.tile { background: var(--soft); border-radius: 8px; padding: .5rem .9rem; min-width: 8rem; }
.tile b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; vertical-align: top; }
th { font-weight: 600; }
th:first-child, td:first-child, .left th, .left td { text-align: left; }
td { white-space: nowrap; }
th:first-child, td:first-child, .left td { white-space: normal; overflow-wrap: anywhere;
  min-width: 6rem; }
table.matrix th:first-child { min-width: 2rem; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; }
.row img { flex: 1 1 300px; min-width: 0; max-width: 480px; }
table.matrix td { text-align: center; min-width: 2.4rem; border: 1px solid #fff; }
table.matrix th { font-weight: 500; max-width: 9rem; overflow-wrap: anywhere; }
table.matrix thead th { text-align: center; vertical-align: bottom; }
img { max-width: 100%; height: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: .8rem; }
.large { grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .6rem; font-size: .85rem;
  overflow-wrap: anywhere; }
.card img { display: block; margin: 0 auto .4rem; max-height: 400px; min-width: 45%; }
.maps { margin-bottom: .8rem; }
.maps img { max-height: none; min-width: 0; margin-left: 0; }
.card pre { white-space: pre-wrap; margin: 0 0 .4rem; max-height: 12rem; overflow: auto;
  background: var(--soft); padding: .4rem; font-size: .8rem; }
.file { color: var(--dim); font-size: .78rem; }
pre.config { background: var(--soft); padding: .8rem; overflow: auto; font-size: .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
"""


class Safe(str):
    """A text that is HTML already, in which everything foreign is escaped."""


class Section(NamedTuple):
    """A part of a page with a heading."""

    title: str
    """The heading."""
    body: Safe
    """The content."""


def text(value: object) -> Safe:
    """Return a text, such as the name of a file, as HTML that shows it and does nothing else."""
    return value if isinstance(value, Safe) else Safe(html.escape(printable(value), quote=True))


def label(name: object) -> Safe:
    """Return a label as HTML, cut after `MAX_LABEL` characters."""
    whole = str(name)
    return text(whole if len(whole) <= MAX_LABEL else f"{whole[: MAX_LABEL - 1]}…")


def element(tag: str, content: object = "", **attributes: str) -> Safe:
    """Return an HTML element; its content is escaped unless it is `Safe`."""
    named = "".join(f' {name.rstrip("_")}="{text(value)}"' for name, value in attributes.items())
    return Safe(f"<{tag}{named}>{text(content)}</{tag}>")


def joined(*parts: Safe) -> Safe:
    """Return pieces of HTML one after the other."""
    return Safe("\n".join(parts))


def paragraph(content: object, *, dim: bool = False) -> Safe:
    """Return a paragraph; a dim one explains what is beside it."""
    return element("p", content, class_="dim") if dim else element("p", content)


def table(head: Sequence[object], rows: Sequence[Sequence[object]], *, left: bool = False) -> Safe:
    """Return a table that scrolls sideways where there is no room.

    Args:
        head: the cells of the heading; empty: no heading.
        rows: the cells of each row.
        left: align all cells to the left, as text is; False: only those of the first column.
    """
    lines = ["".join(element("td", cell) for cell in row) for row in rows]
    body = element("tbody", Safe("\n".join(element("tr", Safe(line)) for line in lines)))
    cells = Safe("".join(element("th", cell, scope="col") for cell in head))
    top = element("thead", element("tr", cells)) if head else Safe("")
    kind = {"class_": "left"} if left else {}
    return element("div", element("table", joined(top, body), **kind), class_="wide")


def picture(raw: bytes, description: str, kind: str = "png") -> Safe:
    """Return a picture whose bytes are part of the page.

    Args:
        raw: the encoded picture.
        description: what it shows, for those who cannot see it.
        kind: the encoding, as in the MIME type.
    """
    data = base64.b64encode(raw).decode()
    return Safe(f'<img src="data:image/{kind};base64,{data}" alt="{text(description)}">')


def tiles(pairs: Sequence[tuple[str, str]]) -> Safe:
    """Return large figures, each with what it is."""
    each = (element("div", joined(element("b", value), text(name)), class_="tile")
            for name, value in pairs)  # fmt: skip
    return element("div", Safe("".join(each)), class_="tiles")


def page(title: str, top: Safe, sections: Sequence[Section]) -> str:
    """Return a whole page.

    Args:
        title: title and first heading.
        top: what comes before the first section.
        sections: the sections; they are linked at the top.
    """
    ids = [f"s{number}" for number in range(len(sections))]
    links = [
        element("a", section.title, href=f"#{id_}")
        for id_, section in zip(ids, sections, strict=True)
    ]
    body = joined(
        element("h1", title),
        top,
        element("nav", Safe("".join(links))),
        *(
            joined(element("h2", section.title, id=id_), section.body)
            for id_, section in zip(ids, sections, strict=True)
        ),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )

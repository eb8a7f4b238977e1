"""Parts of HTML files that need nothing else: figures are inside, no script, no network."""

from __future__ import annotations

import base64
import html
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..provenance import atomic_path

_CSS = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
p.sub { color: #555; margin-top: .2rem; }
table { border-collapse: collapse; font-size: .88rem; }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid #999; font-weight: 600; }
tr + tr td { border-top: 1px solid #eee; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.warning { background: #fff3d6; } .failed { background: #fbe0dc; }
.scroll { overflow-x: auto; }
pre { background: #f5f5f5; padding: .6rem .8rem; overflow-x: auto; font-size: .85rem; }
figure { margin: 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption { font-size: .85rem; color: #555; }
.wide figure { margin: 1rem 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1.2rem; }
summary { cursor: pointer; }
@media print { body { max-width: none; margin: 0; } .grid { grid-template-columns: 1fr 1fr; }
               h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole file of parts, empty ones left out."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def write_page(path: str | os.PathLike[str], content: str) -> str:
    """Write a file, whole or not at all; return it."""
    with atomic_path(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return str(path)


def text(value: Any) -> str:
    """Return a value as escaped text."""
    return html.escape(str(value), quote=True)


def section(title: str, content: str) -> str:
    """Return content under a heading; nothing without content."""
    return f"<h2>{text(title)}</h2>\n{content}" if content else ""


def table(
    head: Sequence[str], rows: Iterable[tuple[str, Sequence[Any]]], numbers: Sequence[int] = ()
) -> str:
    """Return a table of escaped cells; each row comes with its class."""

    def cell(tag: str, i: int, value: Any) -> str:
        kind = ' class="number"' if i in numbers else ""
        return f"<{tag}{kind}>{text(value)}</{tag}>"

    lines = [f"<tr>{''.join(cell('th', i, h) for i, h in enumerate(head))}</tr>"] if head else []
    for name, row in rows:
        mark = f' class="{text(name)}"' if name not in ("", "ok") else ""
        lines.append(f"<tr{mark}>{''.join(cell('td', i, v) for i, v in enumerate(row))}</tr>")
    return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"


def pairs(content: Mapping[str, Any]) -> str:
    """Return a table of keys and values."""
    return table([], [("", (key, number(value))) for key, value in content.items()])


def number(value: Any) -> str:
    """Return a value as short text."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def bullets(lines: Sequence[str]) -> str:
    """Return lines as a list."""
    items = "".join(f"<li>{text(line.replace('+-', '±'))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def figure(title: str, file: str, caption: str = "") -> str:
    """Return a PNG file as a figure with its title, and what is to be seen."""
    data = base64.b64encode(Path(file).read_bytes()).decode()
    return (
        f'<figure><img alt="{text(title)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text(f'{title}. {caption}' if caption else title)}</figcaption></figure>\n"
    )

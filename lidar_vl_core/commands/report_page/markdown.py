"""The little Markdown that model cards use, as HTML: headings, paragraphs, lists, tables, code, bold, italic, links."""

import re
from html import escape

# One expression, so that what is inside one mark is not looked at for another: tags never overlap.
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\*\*(?P<strong>[^*]+)\*\*"
    r"|(?<![\w*])\*(?P<em>[^*\s][^*]*)\*(?!\w)"
    r"|\[(?P<link>[^\]]+)\]\((?P<address>https?://[^)\s\"]+)\)"
)


def markdown(text: str) -> str:
    """Render a card; whatever is not known Markdown stays as text, and HTML in it is shown, not run."""
    blocks: list[str] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        block, at = _block(lines, at)
        blocks.append(block)
    return "\n".join(block for block in blocks if block)


def _block(lines: list[str], at: int) -> tuple[str, int]:
    line = lines[at]
    if line.strip().startswith("```"):
        return _fenced(lines, at)
    if heading := re.match(r"(#{1,6})\s+(.*)", line):
        level = min(len(heading[1]) + 2, 6)  # the page has its own h1 and h2
        return f"<h{level}>{_inline(heading[2])}</h{level}>", at + 1
    if line.lstrip().startswith("|"):
        return _table(lines, at)
    if re.match(r"\s*([-*]|\d+\.)\s+", line):
        return _list(lines, at)
    return _paragraph(lines, at)


def _fenced(lines: list[str], at: int) -> tuple[str, int]:
    end = at + 1
    while end < len(lines) and not lines[end].strip().startswith("```"):
        end += 1
    return f"<pre>{escape(chr(10).join(lines[at + 1 : end]))}</pre>", end + 1


def _table(lines: list[str], at: int) -> tuple[str, int]:
    rows: list[str] = []
    while at < len(lines) and lines[at].lstrip().startswith("|"):
        cells = [cell.strip() for cell in lines[at].strip().strip("|").split("|")]
        if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            tag = "th" if not rows else "td"
            rows.append("<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in cells) + "</tr>")
        at += 1
    return f'<table class="plain">{"".join(rows)}</table>', at


def _list(lines: list[str], at: int) -> tuple[str, int]:
    items: list[str] = []
    ordered = bool(re.match(r"\s*\d+\.", lines[at]))
    while at < len(lines) and lines[at].strip():
        item = re.match(r"\s*(?:[-*]|\d+\.)\s+(.*)", lines[at])
        if item:
            items.append(item[1])
        else:
            items[-1] += " " + lines[at].strip()  # a wrapped line of the item before
        at += 1
    tag = "ol" if ordered else "ul"
    return f"<{tag}>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</{tag}>", at


def _paragraph(lines: list[str], at: int) -> tuple[str, int]:
    words: list[str] = []
    while (
        at < len(lines) and lines[at].strip() and not (words and re.match(r"\s*(#|\||```|[-*]\s|\d+\.\s)", lines[at]))
    ):
        words.append(lines[at].strip())
        at += 1
    return (f"<p>{_inline(' '.join(words))}</p>" if words else ""), at if words else at + 1


def _inline(text: str) -> str:
    return _INLINE.sub(_marked, escape(text, quote=False))


def _marked(found: re.Match[str]) -> str:
    if found["link"] is not None:
        return f'<a href="{found["address"]}">{found["link"]}</a>'
    return f"<{found.lastgroup}>{found[found.lastgroup or 0]}</{found.lastgroup}>"

"""Markdown of model cards as HTML that stands inside a page: CommonMark and tables, nothing that runs or is fetched."""

from html import escape

_PAGE_LEVELS = 2  # the page has its own h1 and h2
_MOST_CHARACTERS = 50_000  # of brackets take 0.8 s, and four times as long for twice as many


def markdown(text: str) -> str:
    """Render a card as HTML: its own HTML and images stay text, links lead to http and https only.

    What is nested more than 20 deep is left out; a card of more than 50,000 characters is shown as it is written.
    """
    from markdown_it import MarkdownIt

    if len(text) > _MOST_CHARACTERS:
        return f"<pre>{escape(text)}</pre>"
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.validateLink = _is_web_address  # type: ignore[assignment,method-assign]
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + _PAGE_LEVELS, 6)}"
        elif token.type == "table_open":
            token.attrSet("class", "plain")
    return str(parser.renderer.render(tokens, parser.options, {}))


def _is_web_address(address: str) -> bool:
    return address.lower().startswith(("http://", "https://"))

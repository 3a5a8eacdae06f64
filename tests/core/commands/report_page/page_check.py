"""What every page has to be: closed tags, nothing fetched, no script but the view's."""

import re
from html.parser import HTMLParser


class WellFormed(HTMLParser):
    """Fails on tags that are not closed, and on anything that would be fetched."""

    VOID = frozenset({"meta", "img", "input", "line", "rect", "polyline", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open_tags: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        for name, value in attributes:
            if name in ("src", "srcset", "data"):
                assert value.startswith("data:image/"), value[:60]
            assert not name.startswith("on"), f"script in <{tag} {name}>"
        assert tag not in ("link", "iframe", "object")
        assert tag != "script" or dict(attributes).get("id", "").startswith("view-"), "a script that is not the view's"
        if tag not in self.VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag) -> None:
        if tag not in self.VOID:
            assert self.open_tags.pop() == tag


def check_page(html: str) -> None:
    page = WellFormed()
    page.feed(html)
    page.close()
    assert page.open_tags == []
    assert not re.search(r"url\(|@import", html)
    assert not re.search(r"(src|href)=[\"']?(https?:|//)", html)

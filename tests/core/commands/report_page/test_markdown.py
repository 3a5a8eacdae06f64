"""A model's card becomes well-formed HTML that runs and fetches nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.commands.report_page.markdown import markdown
from tests.core.commands.report_page.page_check import WellFormed


@given(st.text(alphabet=st.sampled_from('#*`|-[]()<>&" \nab1.http://\\'), max_size=200))
def test_any_card_becomes_well_formed_html(text: str) -> None:
    page = WellFormed()
    page.feed(f"<div>{markdown(text)}</div>")
    assert page.open_tags == []


def test_a_card_keeps_its_headings_lists_tables_and_code() -> None:
    card = "# Demo\n\nA *small* **net** for `CPUs`,\nsee [paper](https://example.org/a).\n\n- one\n  more\n- two\n\n1. first\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\n```\nx < y\n```\n"
    assert re.sub(r"\n(?=<)|(?<=>)\n", "", markdown(card)) == (
        "<h3>Demo</h3>"
        '<p>A <em>small</em> <strong>net</strong> for <code>CPUs</code>,\nsee <a href="https://example.org/a">paper</a>.</p>'
        "<ul><li>one\nmore</li><li>two</li></ul><ol><li>first</li></ol>"
        '<table class="plain"><thead><tr><th>a</th><th style="text-align:center">b</th></tr></thead>'
        '<tbody><tr><td>1</td><td style="text-align:center">2</td></tr></tbody></table>'
        "<pre><code>x &lt; y</code></pre>"
    )


@pytest.mark.parametrize(
    "card",
    ["<script>x()</script>", "a <b onclick=x>b</b>", "[a](javascript:x)", "<file:///etc/passwd>", "![a](https://example.org/a.png)"],
)  # fmt: skip
def test_html_images_and_other_addresses_of_a_card_stay_text(card) -> None:
    assert not re.search(r"<(script|b|img)|(href|src)=[\"'](?!https://example)", markdown(card))
    assert "<img" not in markdown(card)


@pytest.mark.parametrize(
    "card", ["[" * 2_000, "> " * 2_000 + "a", "**a " * 2_000, "|a" * 300 + "\n" + "|-" * 300, "[" * 900_000]
)
def test_a_card_made_to_take_long_is_rendered_all_the_same(card) -> None:
    page = WellFormed()
    page.feed(f"<div>{markdown(card)}</div>")
    assert page.open_tags == []

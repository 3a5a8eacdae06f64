"""The tokenizer of known words reads every part of a prompt or refuses the prompt."""

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import UnknownPrompt
from lidar_vl_core.words.tokenizer import WordTokenizer

TOKENIZER = WordTokenizer(("a", "in", "scene", "red", "table", "sofa"), 8)


@pytest.mark.parametrize("text", ["red sofa", "Red  SOFA.", "red-sofa", "(red) sofa!", "red/sofa", "red_sofa"])
def test_case_blanks_and_marks_at_words_say_nothing(text):
    np.testing.assert_array_equal(TOKENIZER.tokens([text]), [[4, 6, 0, 0, 0, 0, 0, 0]])


@pytest.mark.parametrize("prompt", ["红色沙发", "!!!", "...", "red 红色", "red沙发", "sofá", "🛋", "red & sofa"])
@pytest.mark.parametrize("template", ["{}", "a {} in a scene", "a {}."])
def test_what_it_cannot_read_is_refused_in_any_sentence(prompt, template):
    with pytest.raises(UnknownPrompt, match=r"expected words this text encoder was trained on: a, in, .* Use words it"):
        TOKENIZER.tokens([template.replace("{}", prompt)])


def test_a_word_near_one_that_it_knows_is_told():
    with pytest.raises(UnknownPrompt, match=r"found 'tabel'\. Use words it knows\. Did you mean table\?"):
        TOKENIZER.tokens(["a tabel"])


@pytest.mark.parametrize("text", ["", "  ", "red " * 9])
def test_no_words_and_too_many_are_refused(text):
    with pytest.raises(UnknownPrompt, match="expected 1 to 8 words"):
        TOKENIZER.tokens([text])

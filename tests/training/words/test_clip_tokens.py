"""CLIP's tokens are those of open_clip, with which the encoders were trained."""

import random
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.words.clip_tokenizer import ClipTokenizer
from lidar_vl_core.words.vocabulary import load_vocabulary

SENTENCES = [
    "a car", "A Photo of a CAR.", "person in a wheelchair", "It's a dog's life!!", "can't WON'T I'LL they've we're I'd I'm",
    "''s", "!!!'s", "ﬁre truck", "“quoted” ‘single’", "Ａｂｃ １２３", "naïve café", "cafe\u0301", "日本語 テキスト 一二三", "½ cup ² Ⅷ ①",
    "😀👍🏽 ok", "x" * 500, " ".join(["excavator"] * 100), "a " * 74, "a " * 75, "a " * 76, "<start_of_text> hi <end_of_text>",
    "<START_OF_TEXT>", "a_b__c", "'ſ", "&lt;b&gt; &amp;amp; &amp;lt;", "Straße ẞ İstanbul", "مرحبا بالعالم", "नमस्ते दुनिया", "",
    "   ", "\u200bzero\ufeffwidth", "tab\tnew\nline\r\n", "Ĳssel ĳ ŉ ǆ", "10.5% of $3,000", "https://a.b/c?d=e&f=g#h", "C++/C#", "\x85 \x93a\x94",
    "semi-trailer", "--- ... ???", "e\u0301\u0302", "ΑΒΓ ς", "привет", "한국어", "\U0001f9d1\u200d\U0001f9bd",
]  # fmt: skip


@pytest.fixture(scope="module")
def open_clip():
    return pytest.importorskip("open_clip")


@pytest.fixture(scope="module")
def clip_tokenizer(open_clip):
    merges = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    return ClipTokenizer(merges.read_bytes(), 77)


def test_clip_tokens_are_those_of_open_clip(open_clip, clip_tokenizer):
    for sentence in SENTENCES:
        expected = open_clip.tokenize([sentence]).numpy()
        assert clip_tokenizer.tokens([sentence]).tolist() == expected.tolist(), sentence


def test_clip_tokens_of_templates_and_made_up_words_are_those_of_open_clip(open_clip, clip_tokenizer):
    import ftfy

    rng = random.Random(4)
    prompts = load_vocabulary("nuscenes16").prompts
    sentences = [fill(prompt) for fill in open_clip.OPENAI_IMAGENET_TEMPLATES for prompt in rng.sample(prompts, 6)]
    printable = [
        chr(code) for code in (*range(0x20, 0x7F), *range(0xC0, 0x180), *range(0x391, 0x3C9), *range(0x410, 0x450))
    ]
    sentences += ["".join(rng.choices(printable, k=rng.randrange(1, 200))) for _ in range(300)]
    sentences = [text for text in sentences if ftfy.fix_encoding(text) == text]  # what looks wrongly decoded stays here
    assert len(sentences) > 700
    assert np.array_equal(clip_tokenizer.tokens(sentences), open_clip.tokenize(sentences).numpy())


def test_another_context_length_cuts_earlier_and_still_ends(open_clip, clip_tokenizer):
    merges = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    short = ClipTokenizer(merges.read_bytes(), 5).tokens(["a very long sentence", "a"])
    assert np.array_equal(short, open_clip.tokenize(["a very long sentence", "a"], 5).numpy())

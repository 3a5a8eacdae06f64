from lidar_vl_core.foundation.errors import BadBag, ToldTexts, one_line


def test_what_a_terminal_would_act_upon_is_escaped():
    assert one_line("a\x1b[31m\nb\x9b\u202e") == "a\\x1b[31m b\\x9b\\u202e"
    assert one_line("straße 道路") == "straße 道路"


def test_a_long_text_keeps_its_beginning_and_its_end():
    text = one_line("file.mcap: " + "\x1b" * 10_000_000 + " Copy it again.")
    assert text.startswith("file.mcap: ")
    assert text.endswith(" Copy it again.")
    assert len(text) <= 1500


def test_every_error_is_one_short_line():
    text = str(BadBag("/bag\x1b]0;x\x07\n/forged: " + "y" * 5000))
    assert text.isprintable()
    assert len(text) <= 1500


def test_of_endless_different_warnings_the_first_hundred_are_kept_and_the_others_counted():
    told = ToldTexts()
    told.tell(f"{number} bytes" for number in range(1000))
    told.tell(["7 bytes"])
    assert len(told) == 101
    assert told.lines()[7:9] == ["7 bytes (2 times)", "8 bytes"]
    assert told.lines()[-1] == "further messages with other problems (900 times)"

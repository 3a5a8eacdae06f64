"""A configuration is what its file says, or it is refused with the place that is wrong."""

from pathlib import Path

import pytest
from pydantic import Field

from lidar_vl_core.foundation.config import Config, Use, load_config, load_yaml, parse_overrides, validated
from lidar_vl_core.foundation.errors import BadConfig


class Inner(Config):
    size: tuple[float, float] = (1.0, 2.0)


class Outer(Config):
    learning_rate: float = 0.001
    steps: int = 10
    name: str = "x"
    on: bool = True
    inner: Inner = Inner()


def _load(tmp_path: Path, text: str | bytes, overrides: dict | None = None) -> Outer:
    path = tmp_path / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(Outer, path, overrides)


def test_values_come_from_the_file_then_the_overrides(tmp_path: Path) -> None:
    config = _load(
        tmp_path, "steps: 3\ninner:\n  size: [3, 4.5]\n", parse_overrides(["learning_rate=0.5", "inner.size=[7, 8]"])
    )
    assert config == Outer(steps=3, learning_rate=0.5, inner=Inner(size=(7.0, 8.0)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("learning_rate: '1e-3'", "learning_rate"),
        ("steps: 010", "steps"),
        ("steps: 1.5", "steps"),
        ("steps: true", "steps"),
        ("steps: '3'", "steps"),
        ("steps: 12:30", "steps"),
        ("on: 'no'", "on"),
        ("on: 1", "on"),
        ("name: 3", "name"),
        ("on: no", "on"),
        ("stepz: 3", "stepz"),
        ("inner:\n  size: [1]", "inner.size"),
        ("inner:\n  size: [1, 2, 3]", "inner.size"),
        ("inner:\n  sizes: [1, 2]", "inner.sizes"),
        ("inner: 3", "inner"),
        ("steps: 1\nsteps: 2", "given twice"),
        ("{1: 2, '1': 3}", "given twice"),
        ("learning_rate: .nan", "learning_rate: expected a finite number, found nan"),
        ("inner:\n  size: [1, .inf]", "inner.size.1: expected a finite number, found inf"),
        ("steps: 2020-01-01", "steps"),
        ("name: !!python/object/apply:os.system [echo]", "python"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("[1, 2]", "mapping"),
        ("", "mapping"),
        ("a: [1", "line 1, column 4"),
        (b"\xff\xfe\x00", "YAML"),
        ("? [1, 2]\n: 3", "a name before"),
        ("x" * 1_000_001, "bytes"),
        ("a: !!bool x", "tag"),
        ("a: !!timestamp x", "tag"),
        ("a: !!set {b}", "tag"),
        ("!!float ''", "tag"),
        ("a: !" + "t" * 100_000 + " b", "tag"),
        ("a: " + "[" * 500_000, "nested lists"),
        ("? " * 5_000 + "a", "nested lists"),
        ("- " * 5_000 + "a", "nested lists"),
        ("a: [" + "1," * 60_000 + "]", "at most 50000 values"),
        ("a: " + "9" * 5_000, "number of at most 400"),
        ("a: 0." + "9" * 5_000, "number of at most 400"),
        ("%YAML " + "9" * 5_000 + ".1\n---\na: 1", "number"),
        ('a: "\\UFFFFFFFF"', "does not exist"),
        ('a: "\\uD800"', "surrogate"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "aliases"),
    ],
)
def test_a_wrong_file_is_refused_with_its_path_and_what_is_wrong(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(BadConfig) as caught:
        _load(tmp_path, text)
    assert "c.yaml" in str(caught.value)
    assert len(str(caught.value)) < 1500
    assert len(str(caught.value).splitlines()) == 1
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 0.001), ("1", 1.0), ("-.5", -0.5), ("+2.5E3", 2500.0), ("3.", 3.0)]
)
def test_numbers_are_read_as_people_write_them(tmp_path: Path, text: str, value: float) -> None:
    assert _load(tmp_path, f"learning_rate: {text}").learning_rate == value


def test_a_word_that_old_yaml_takes_for_false_stays_a_word(tmp_path: Path) -> None:
    assert _load(tmp_path, "name: no").name == "no"


def test_a_missing_file_and_a_wrong_override_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"nowhere\.yaml"):
        load_config(Outer, tmp_path / "nowhere.yaml")
    for word in ("steps", "=3", "steps=[1"):
        with pytest.raises(BadConfig, match="override"):
            parse_overrides([word])


class Choice(Config):
    kind: str = "plain"
    grain: int = 3
    names: list[str] = Field(default_factory=list)

    def uses(self) -> tuple[Use, ...]:
        return ((self.kind == "rough", ("grain", "names"), "with kind: rough"),)


def test_keys_that_nothing_reads_are_refused_unless_they_have_their_defaults() -> None:
    assert validated(Choice, {"grain": 3, "names": []}, "here") == Choice()
    assert validated(Choice, {"kind": "rough", "grain": 4, "names": ["a"]}, "here").grain == 4
    assert validated(Choice, {"grain": 4}, "here", stored=True).grain == 4
    with pytest.raises(BadConfig, match=r"here: .*grain, names: expected only with kind: rough"):
        validated(Choice, {"grain": 4, "names": ["a"]}, "here")


class Needy(Config):
    out: str


def test_a_key_that_is_missing_is_told_without_the_rest_of_the_file():
    with pytest.raises(BadConfig, match=r"^f\.yaml: out: expected a value, found no such key\.$"):
        validated(Needy, {}, "f.yaml")


def test_of_many_wrong_keys_the_first_are_told_and_the_others_counted():
    with pytest.raises(BadConfig, match=r"k0: expected .*; k4: expected [^;]*; and 3 more\.$"):
        validated(Inner, {f"k{number}": number for number in range(8)}, "f.yaml")


class Listed(Config):
    names: tuple[str, ...] = Field(min_length=1)


def test_a_list_with_a_wrong_value_is_not_told_to_be_too_short_as_well():
    for found, told in (
        ([3], r"names\.0: expected text, found 3"),
        ([], r"names: expected at least 1 in the list, found \[\]"),
    ):
        with pytest.raises(BadConfig, match=rf"^f\.yaml: {told}\.$"):
            validated(Listed, {"names": found}, "f.yaml")


@pytest.mark.parametrize(
    ("text", "told"), [("", "found an empty file"), ("- a", "found a list"), ("words", "found 'words'")]
)
def test_a_file_that_is_no_mapping_is_told_as_what_it_is(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadConfig, match=told):
        _load(tmp_path, text)


def test_a_file_that_is_there_and_cannot_be_read_is_not_suggested(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").mkdir()
    with pytest.raises(BadConfig, match=r"Check the path\.$"):
        load_config(Outer, tmp_path / "mine.yaml")


JARGON = ("<", "token", "scalar", "block", "flow", "node", "stream", "mapping values", "unicode string")
MISTAKES = {
    "a: 1\n b: 2": "line 2, column 3: expected one `name: value` in a line",
    "a: b: c": "line 1, column 5: expected one `name: value` in a line",
    "a\nb: 1": "line 2, column 2: expected one `name: value`",
    "a: 1\nb\nc: 2": "line 2, column 1: expected `name: value`, found no ': ' in the line",
    "a: [1, 2\nb: 3": "line 1, column 4: expected a list with ','",
    "a: [1, 2": "line 1, column 4: expected a list with ','",
    "a: {x: 1\nb: 3": "line 1, column 4: expected a mapping with ','",
    'a: "text\nb: 3': "line 1, column 4: expected text in quotes, found no closing quote",
    "a: 'text\nb: 3": "line 1, column 4: expected text in quotes, found no closing quote",
    'a: "x" y': "line 1, column 8: expected the next `name: value` in a new line, found further text",
    "a: [1] 2": "line 1, column 8: expected the next `name: value` in a new line, found further text",
    "a: 1\n- b": "line 2, column 1: expected `name: value` as in the lines before, found a list entry",
    "- a\nb: 1": "line 2, column 1: expected a list entry",
    "a: - b": "line 1, column 4: expected a value, found a list entry",
    "a: ? b": "line 1, column 4: expected a value, found '? '",
    "a: @b": "line 1, column 4: expected a name or a value, found '@'. Put text that begins with it in quotes",
    "a: %b": "line 1, column 4: expected a name or a value, found '%'",
    "a: & b": "line 1, column 5: expected a name or a value, found '&' or '*'",
    "a: !e!x 1": "line 1, column 4: expected a name or a value, found '!'",
    "a: !b 1": "line 1, column 4: expected no tags, found '!b'",
    "a: ]": "line 1, column 4: expected a value, found ']'",
    "a: [1,,2]": "line 1, column 7: expected a value, found ','",
    "...": "line 1, column 1: expected a value, found none",
    'a: "\\q"': "line 1, column 6: expected \\n, \\t, ",
    "a: |9x\n  b": "line 1, column 6: expected the end of the line after '|'",
    "a: 1\n---\nb: 2": "line 2, column 1: expected one document, found a second one",
    "%YAML 9.9\n---\na: 1": "line 1, column 1: expected no line that begins with '%'",
    "a: \x01": "expected YAML, found a character that is not text (0x01 at 3)",
}


@pytest.mark.parametrize("text", MISTAKES, ids=repr)
def test_a_mistake_in_yaml_is_told_in_plain_words_with_its_place(tmp_path, text):
    path = tmp_path / "given.yaml"
    path.write_text(text)
    with pytest.raises(BadConfig) as caught:
        load_yaml(path)
    told = str(caught.value)
    assert told.startswith(f"{path}: {MISTAKES[text]}")
    assert not any(word in told.removeprefix(str(path)) for word in JARGON)


def test_an_override_that_is_no_yaml_is_told_in_plain_words():
    with pytest.raises(BadConfig, match=r"^override 'steps=\[1': line 1, column 1: expected a list with ',' between"):
        parse_overrides(["steps=[1"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"method: ppkt\n\tepochs: 3\n", "line 2, column 1: expected spaces, found a tab. Indent with spaces."),
        (b"\xe5\x01", r"found bytes that are not text \(0xe5 at 0\). Check the path."),
    ],
)
def test_a_tab_and_a_file_that_is_no_text_are_told_in_plain_words(tmp_path, content, told):
    path = tmp_path / "given.yaml"
    path.write_bytes(content)
    with pytest.raises(BadConfig, match=told):
        load_yaml(path)


def test_paths_that_begin_in_the_home_folder_are_read_as_a_shell_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _load(tmp_path, "name: ~/data").name == f"{tmp_path}/data"
    assert _load(tmp_path, "name: x", parse_overrides(["name=~/runs/a"])).name == f"{tmp_path}/runs/a"
    assert _load(tmp_path, "name: a ~/b").name == "a ~/b"
    assert _load(tmp_path, "name: ~b").name == "~b"

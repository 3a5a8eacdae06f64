"""What is wrong with a command line is told in one line that says what was expected, found, and where to read on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.program.command_line import CommandLine, compute_capabilities, run_tool
from lidar_vl_core.foundation.errors import BadRequest

REPOSITORY = Path(__file__).resolve().parents[4]

WRONG = {
    "no command": ("", "lidar-vl: expected COMMAND, found none. See `lidar-vl --help`."),
    "unknown command": ("segmen x", "lidar-vl: COMMAND: expected one of inspect, * found 'segmen'. Did you mean segment? See"),
    "command like none": ("frobnicate", "found 'frobnicate'. See `lidar-vl --help`."),
    "missing option": ("segment a.bin --model demo", "lidar-vl segment: expected --out, found none. See `lidar-vl segment --help`."),
    "two missing": ("segment a.bin", "expected --model and --out, found neither."),
    "three missing": ("segment", "expected CLOUD, --model and --out, found none of them."),
    "unknown option before missing ones": ("segment a.bin --modl demo", "found --modl. Did you mean --model? See `lidar-vl segment --help`."),
    "unknown option with a value": ("segment a.bin --modl=demo", "found --modl. Did you mean --model?"),
    "option of the program": ("--frob models", "lidar-vl: expected an option of this command, found --frob."),
    "value missing": ("segment a.bin --model", "lidar-vl segment: --model: expected a value, found none."),
    "values missing": ("segment a.bin --model m --out o --ego-box 1 2", "--ego-box: expected 6 values, found fewer."),
    "no number": ("segment a.bin --model m --out o --ego-radius x", "--ego-radius: expected a number, found 'x'."),
    "value for a switch": ("inspect --json=3 x", "--json: expected no value, found '3'."),
    "one word too many": ("models extra", "lidar-vl models: expected no further arguments, found extra. See `lidar-vl models --help`."),
    "values apart": ("models out=a b=2", "found out=a b=2. Values name=value belong next to each other, in one place of the line."),
    "two that exclude each other": ("segment a.bin --model m --out o --prompts a --vocabulary b", "expected --prompts or --vocabulary, found both."),
    "ambiguous": ("replay a.mcap --fail 1", "expected one of --fail-below, --fail-above, found --fail."),
    "out of range": ("replay a.mcap --model m --out o --sweeps 99", "--sweeps: expected 1 to 20, found '99'."),
}  # fmt: skip


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    return said.err


@pytest.mark.parametrize(("command", "expected"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_told_in_one_line(command, expected, capsys):
    line = told(capsys, *command.split())
    begin, _, rest = expected.partition(" * ")
    assert begin in line
    assert rest in line


@pytest.mark.parametrize(
    "words",
    [
        ["\x1b[2Jsegment"],
        ["segment", "--\x1b[31mred\nline"],
        ["models", "a\r\nb\x07"],
        ["inspect", "--json=\x1b]0;title\x07"],
        ["segment", "a.bin", "--ego-radius", "1\x1b[0m\n"],
        ["models", os.fsdecode(b"\xff\xfe")],
    ],
    ids=repr,
)
def test_control_characters_of_a_command_line_are_escaped(words, capsys):
    line = told(capsys, *words)
    assert line[:-1].isprintable() or "\udcff" in line  # stderr escapes what no UTF-8 has


@pytest.mark.parametrize(
    "words", [["z" * 100_000], ["models", "z" * 100_000], ["models", f"--{'z' * 100_000}"], ["inspect", f"--json={'z' * 9999}"]]
)  # fmt: skip
def test_a_long_word_is_shortened_and_the_rest_of_the_line_stays(words, capsys):
    line = told(capsys, *words)
    assert len(line) < 1_700
    assert "[...]" in line
    assert line.endswith("--help`.\n")


def test_what_begins_like_an_option_may_be_a_value_behind_two_dashes_or_a_number(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "--", "--json.mcap"]) == 2
    assert "--json.mcap: expected" in capsys.readouterr().err
    assert (
        main(["segment", "a.bin", "--model", "demo", "--out", "o.npz", "--ego-box", "-1", "-2", "-3", "1", "2", "3"])
        == 2
    )
    assert "a.bin: expected" in capsys.readouterr().err


def test_a_tool_tells_its_errors_in_one_line(capsys):
    def refuse(_options):
        raise BadRequest("x: expected y, found z.")

    def interrupted(_options):
        raise KeyboardInterrupt

    def on_a_full_disk(_options):
        raise OSError(28, "No space left on device")

    parser = CommandLine(prog="python -m a.tool")
    assert run_tool(parser, refuse, []) == 2
    assert run_tool(parser, interrupted, []) == 130
    assert capsys.readouterr().err == "python -m a.tool: x: expected y, found z.\npython -m a.tool: interrupted\n"
    assert run_tool(parser, on_a_full_disk, []) == 2
    assert "expected readable input and writable output, found: [Errno 28]" in capsys.readouterr().err
    assert run_tool(parser, lambda _: None, []) == 0


@pytest.mark.parametrize("text", ["", "8", "80,", "80,x", "8.6", "-80", "8000", "٨٠"])
def test_compute_capabilities_that_cannot_be_meant_are_refused(text, capsys):
    parser = CommandLine(prog="build")
    parser.add_argument("--targets", type=compute_capabilities)
    assert parser.parse_args(["--targets", "80,120"]).targets == [80, 120]
    with pytest.raises(SystemExit):
        parser.parse_args([f"--targets={text}"])
    assert "--targets: expected compute capabilities such as 80,90, found" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["lidar_vl_core.commands.warm_up", "lidar_vl_core.commands.machine.build_plugin"])
def test_a_module_with_a_command_line_names_itself(module):
    ended = subprocess.run([sys.executable, "-m", module, "--nope"], capture_output=True, text=True, cwd=REPOSITORY)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"python -m {module}: expected an option of this command, found --nope. See `python -m {module} --help`.\n"
    )


def test_every_parser_here_is_of_the_one_kind():
    rooms = (
        "lidar_vl_core",
        "offline_training",
        "ros2_ws/src/lidar_vl_ros/lidar_vl_ros",
        "tests/bench",
        "tests/faults",
    )
    files = [path for room in rooms for path in (REPOSITORY / room).rglob("*.py")]
    others = [
        path for path in files if "argparse.ArgumentParser(" in path.read_text() and path.name != "command_line.py"
    ]
    assert others == []

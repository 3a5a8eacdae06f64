"""The text tower in a process of its own: the same directions, and an end at any time."""

import socket
import subprocess
import sys
import threading
import time

import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.engines.text_tower import TextEncoder
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.tasks.beside.text_process import TextProcess
from tests.written.embedding_packages import write_embedding_package

PROMPTS = ["red dog", "excavator", "a photo"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_embedding_package(tmp_path_factory.mktemp("text") / "package", templates=("{}", "a {} in a scene"))


@pytest.fixture
def process(package):
    process = TextProcess(package)
    yield process
    process.close()


def test_directions_are_those_of_the_tower_in_this_process_one_by_one_or_together(package, process):
    here = TextEncoder(package.text_encoder_bytes(), package.tokenizer_bytes(), package.language, 1).embed(PROMPTS)
    assert_allclose(process.embed(PROMPTS), here, atol=1e-6)
    for prompt, row in zip(PROMPTS, here, strict=True):
        assert_allclose(process.embed([prompt]), row[None], atol=1e-6)


def test_what_the_tower_refuses_is_told_and_the_next_prompt_is_answered(process):
    with pytest.raises(BadModelPackage, match="found 'unicorn'"):
        process.embed(["unicorn"])
    assert process.embed(["dog"]).shape == (1, 12)


def test_it_is_ended_at_once_while_it_is_at_work(process):
    process.embed(["dog"])
    child = process._process._process
    child.send_signal(19)  # stopped: it will never answer
    told = []

    def ask():
        try:
            process.embed(["tree"])
        except BadModelPackage as error:
            told.append(str(error))

    asker = threading.Thread(target=ask)
    asker.start()
    while not process._process._lock.locked():
        time.sleep(0.001)
    process.close()
    asker.join(30)
    assert told == ["text encoder: its process ended with -9"]
    assert child.poll() == -9


def test_a_process_that_cannot_be_started_is_told_and_the_next_prompt_starts_one(process, monkeypatch):
    def refused(*_arguments, **_options):
        raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as full:
        full.setattr(subprocess, "Popen", refused)
        with pytest.raises(BadModelPackage, match=r"text encoder: .* none can be started: .* Cannot allocate memory"):
            process.embed(["dog"])
    assert process.embed(["dog"]).shape == (1, 12)


def test_it_ends_without_a_word_where_nobody_waits_for_its_answer(package):
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "lidar_vl_core.tasks.beside.text_process", str(package.path)]
        child = subprocess.Popen(
            [*command, str(theirs.fileno())], pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True
        )
    ours.close()
    assert (child.communicate(timeout=60)[1], child.returncode) == ("", 0)


def test_a_package_without_a_text_tower_is_refused_when_it_is_asked(tmp_path):
    process = TextProcess(write_embedding_package(tmp_path / "package", with_encoder=False))
    with pytest.raises(BadModelPackage, match="tokenizer: expected clip_bpe or words"):
        process.embed(["dog"])

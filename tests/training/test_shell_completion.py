"""What lidar-vl-train answers to the shell's Tab key; the protocol is held by the test of lidar-vl."""

import subprocess
import sys

import pytest

from tests.tab_key import REPOSITORY, offered


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("reprod", {"reproduce"}),
        ("check-data semantic_", {"semantic_kitti", "semantic_poss", "semantic_stf"}),
        ("reproduce table5", {"table5"}),
        ("reproduce table5 --dr", {"--dry-run"}),
        ("reproduce table5 --sm", {"--smoke"}),
        (
            "finetune --config offline_training/configs/finetune/demo",
            {f"offline_training/configs/finetune/{name}.yaml" for name in ("demo", "demo_second")},
        ),
        ("pretrain --config offline_training/configs/pretrain/slidr", {"offline_training/configs/pretrain/slidr.yaml"}),
        ("guide --resume p", {"previous"}),
        ("download llmdet-t", {"llmdet-tiny"}),
        ("evaluate checkpoints --overw", {"--overwrite"}),
    ],
)
def test_commands_data_sets_studies_and_configurations_are_offered(line, expected, tmp_path):
    assert offered("offline_training.cli.main", f"lidar-vl-train {line}", tmp_path) == expected


def test_the_answer_needs_no_pytorch():
    code = (
        "import sys\nfrom offline_training.cli.completions import completions\ncompletions()\n"
        "print({'torch', 'matplotlib', 'lightning'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert run.stdout == "set()\n"

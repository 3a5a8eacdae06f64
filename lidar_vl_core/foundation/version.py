"""Which version of this software runs, including the commit where it is known. Reads files, asks git."""

from pathlib import Path

VERSION = "0.2.0"
_ROOT = Path(__file__).resolve().parents[2]
_SHOWN = 12  # digits of a commit


def version_line(program: str) -> str:
    """Program, version and, where it is known, commit: `lidar-vl 0.2.0 (commit 044f7da1b2c3)`."""
    commit = software_commit()
    return f"{program} {VERSION}" + ("" if commit is None else f" (commit {commit[:_SHOWN]})")


def software_commit() -> str | None:
    """The commit of the checkout this runs from, or that pip installed it from; None where neither is known."""
    return _commit_of_checkout() if (_ROOT / ".git").exists() else _commit_of_installation()


def _commit_of_checkout() -> str | None:
    import subprocess

    command = ["git", "-C", str(_ROOT), "rev-parse", "--verify", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None


def _commit_of_installation() -> str | None:
    """As `pip install git+https://...` keeps it."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        origin = json.loads(distribution("lidar-vl").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    return origin.get("vcs_info", {}).get("commit_id")

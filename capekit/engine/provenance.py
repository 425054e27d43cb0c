"""Which code made a run, how it was called, and on what."""

import subprocess
import sys
from pathlib import Path

import torch

from capekit.files import write_json


def write_provenance(work_dir: Path) -> None:
    """Write `run.json` beside mmengine's resolved config: which code made the run, how it was called, and on what.

    An installed package has no revision: it is null, and the version identifies the code.
    """
    write_json(work_dir / 'run.json', provenance())


def provenance() -> dict:
    """`command`, `capekit`, `revision`, `changed_files`, `python`, `torch` of this process."""
    from capekit import __version__
    return dict(command=sys.argv, capekit=__version__, revision=_git('rev-parse', 'HEAD'),
                changed_files=(_git('status', '--porcelain', '--untracked-files=no') or '').splitlines(),
                python=sys.version.split()[0], torch=torch.__version__)


def _git(*arguments: str) -> str | None:
    """What git says about the checkout of this file; None if it is in no checkout, or git is missing."""
    root = Path(__file__).resolve().parents[2]
    if not (root / '.git').exists():  # an environment inside a user's repository is not our checkout
        return None
    try:
        done = subprocess.run(['git', '-C', str(root), *arguments], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None

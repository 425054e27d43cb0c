"""Which code made a run, called how, on what."""

import json
import subprocess
import sys
from pathlib import Path

import torch


def write_provenance(work_dir: Path) -> None:
    """`run.json` beside the resolved config that mmengine writes: which code, called how, on what.

    An installed package has no revision: it is null, and the version says which code it was.
    """
    from capekit import __version__
    content = dict(command=sys.argv, capekit=__version__, revision=_git('rev-parse', 'HEAD'),
                   changed_files=(_git('status', '--porcelain', '--untracked-files=no') or '').splitlines(),
                   python=sys.version.split()[0], torch=torch.__version__)
    (work_dir / 'run.json').write_text(json.dumps(content, indent=1) + '\n')


def _git(*arguments: str) -> str | None:
    """What git says about the checkout that this file is in; None where it is in none, or git is missing."""
    root = Path(__file__).resolve().parents[2]
    if not (root / '.git').exists():  # an environment inside somebody's own repository is no checkout of ours
        return None
    try:
        done = subprocess.run(['git', '-C', str(root), *arguments], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None

"""Which code made a run, called how, on what."""

import json
import subprocess
import sys
from pathlib import Path

import torch


def write_provenance(work_dir: Path) -> None:
    """`run.json` beside the resolved config that mmengine writes: which code, called how, on what."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str | None:
        done = subprocess.run(['git', '-C', str(root), *arguments], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    from capekit import __version__
    content = dict(command=sys.argv, capekit=__version__, revision=git('rev-parse', 'HEAD'),
                   changed_files=(git('status', '--porcelain', '--untracked-files=no') or '').splitlines(),
                   python=sys.version.split()[0], torch=torch.__version__)
    (work_dir / 'run.json').write_text(json.dumps(content, indent=1) + '\n')

"""Ends this process by SIGKILL at a chosen moment, which is `kind:name#count`, such as `half:best_#2`.

kinds: `iteration:#5` before the fifth training step, `validation:#2` before the second validation, `half:NAME` in the
middle of writing a file whose name starts with NAME, `before:NAME` and `after:NAME` its renaming into place,
`remove:NAME` before that file is removed. `#count` chooses which time it happens; without it, the first.
"""

import os
import signal
import tempfile
from collections import Counter
from functools import wraps
from pathlib import Path

from mmengine.fileio import LocalBackend

from capekit.engine.loops import EpisodeLoop
from capekit.engine.training_loop import EpochBasedTrainLoop


def kill_at(moment: str) -> None:
    """Arm the moment in this process."""
    kind, _, rest = moment.partition(':')
    name, _, count = rest.partition('#')
    seen: Counter = Counter()

    def is_it(path='') -> bool:
        if not Path(path).name.removeprefix('.').startswith(name):
            return False
        seen[kind] += 1
        return seen[kind] == int(count or 1)

    def before(owner, function, path=lambda arguments: '', act=lambda arguments: None):
        real = getattr(owner, function)

        @wraps(real)
        def armed(*arguments, **options):
            if is_it(path(arguments)):
                act(arguments)
                _die()
            return real(*arguments, **options)
        setattr(owner, function, armed)

    if kind == 'iteration':
        before(EpochBasedTrainLoop, 'run_iter')
    elif kind == 'validation':
        before(EpisodeLoop, 'run')
    elif kind == 'half':  # mmengine's writes and ours
        before(LocalBackend, 'put', lambda arguments: arguments[2], _write_half)
        before(tempfile, 'mkstemp', lambda arguments: arguments[1], lambda arguments: real_mkstemp(*arguments))
    elif kind == 'before':
        before(os, 'replace', lambda arguments: arguments[1])
    elif kind == 'after':
        before(os, 'replace', lambda arguments: arguments[1], lambda arguments: real_replace(*arguments))
    elif kind == 'remove':
        before(LocalBackend, 'remove', lambda arguments: arguments[1])
    else:
        raise ValueError(moment)


real_replace, real_mkstemp = os.replace, tempfile.mkstemp


def _write_half(arguments: tuple) -> None:
    _, content, path = arguments
    Path(path).write_bytes(content[:len(content) // 2])


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

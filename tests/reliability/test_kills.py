"""A few of the kills of `python -m tests.reliability.kills --kills 50`, always at the same moments."""

import subprocess
import sys


def test_what_comes_after_a_kill_is_the_undisturbed_run(repo):
    done = subprocess.run([sys.executable, '-m', 'tests.reliability.kills', '--quick'], cwd=repo, capture_output=True,
                          text=True)
    assert done.returncode == 0 and ', 0 with another result' in done.stdout, done.stdout + done.stderr[-3000:]

"""How every command line tool of capekit ends: an error that the user can fix is one line, not a traceback."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from capekit.errors import CapekitError

USAGE_ERROR = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


def run(main: Callable[[], int | None]) -> NoReturn:
    """Call `main()` and exit the process with its status (None is 0).

    A `CapekitError` is printed as `error: <line>` on stderr and exits with 2, as argparse does for bad usage;
    Ctrl-C exits with 130; a closed stdout (`tool | head`) ends quietly.
    """
    try:
        status = main() or 0
        sys.stdout.flush()
    except CapekitError as error:
        print(f'error: {error}', file=sys.stderr)
        status = USAGE_ERROR
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        status = INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more at exit, which would raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = BROKEN_PIPE
    sys.exit(status)


def run_command(title: str, command: str, *arguments) -> float:
    """Run another command in its own process, with its output on the screen; returns the seconds it took.

    Raises:
        CapekitError: it ended with a status other than 0.
    """
    print(f'\n== {title}: capekit {command} {" ".join(map(str, arguments))}', flush=True)
    started = time.monotonic()
    # Waiting threads sleep: next to other programs, spinning ones can slow training tenfold.
    environment = {'OMP_WAIT_POLICY': 'PASSIVE', **os.environ}
    done = subprocess.run([sys.executable, '-m', 'capekit', command, *map(str, arguments)], env=environment)
    if done.returncode:
        raise CapekitError(f'{title}: capekit {command} ended with status {done.returncode}; its message is above')
    seconds = time.monotonic() - started
    print(f'== {seconds:.0f} s', flush=True)
    return seconds

"""How every command line tool of capekit ends: an error that the user can fix is one line, not a traceback."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from capekit.errors import CapekitError, printable

USAGE_ERROR = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
# What the machine refuses and its user can change: a full disk, permissions, a folder for a file, too many open files.
_ENVIRONMENT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR,
                errno.EISDIR, errno.ENOENT, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def run(main: Callable[[], int | None]) -> NoReturn:
    """Call `main()` and exit the process with its status (None is 0).

    A `CapekitError` is printed as `error: <line>` on stderr and exits with 2, as argparse does for bad usage, and so
    does what the operating system refuses; Ctrl-C exits with 130; SIGTERM and a closed terminal with 143, after
    clearing up; a closed stdout (`tool | head`) ends quietly.
    """
    _prepare_streams()
    handlers = _clear_up_when_terminated()
    try:
        status = main() or 0
        sys.stdout.flush()
    except CapekitError as error:
        status = _fail(str(error))
    except KeyboardInterrupt:
        status = _interrupted()
    except BrokenPipeError:
        # The interpreter flushes stdout once more at exit, which would raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = BROKEN_PIPE
    except OSError as error:
        if error.errno not in _ENVIRONMENT:
            raise
        status = _fail(f'{error.filename}: {error.strerror}' if error.filename else str(error.strerror))
    except Exception as error:
        # mmengine makes a SyntaxError of whatever ends its formatting of a config.
        match error.__context__:
            case KeyboardInterrupt():
                status = _interrupted()
            case SystemExit(code=int(code)):
                status = code
            case _:
                raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    sys.exit(status)


def _interrupted() -> int:
    print('interrupted', file=sys.stderr)
    return INTERRUPTED


def _fail(line: str) -> int:
    print(f'error: {printable(line)}', file=sys.stderr)
    return USAGE_ERROR


def _prepare_streams() -> None:
    """A name that the terminal cannot show is shown escaped; it must not end a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


def _clear_up_when_terminated() -> dict:
    """Unwind on SIGTERM and SIGHUP, so that what was begun is removed and child processes end.

    Returns:
        signal -> its handler before; signals that something else handles or ignores (nohup) are left alone.
    """
    def stop(number, frame):
        for one in signals:
            signal.signal(one, signal.SIG_IGN)  # once is enough
        sys.exit(TERMINATED)
    signals = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) == signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {one: signal.signal(one, stop) for one in signals}


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

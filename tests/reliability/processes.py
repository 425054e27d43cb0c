"""Commands in forked processes, so that torch is imported once; each has a session of its own to be watched."""

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from capekit.cli import run

KILLED = -signal.SIGKILL


class Command:
    """A command of capekit that runs in `ranks` forked processes, its output in a file.

    Args:
        main: the command's.
        arguments: after its name.
        log: where the output goes.
        ranks: processes of a gloo group.
        prepare: is called in the first process before the command.
    """

    def __init__(self, main: Callable, arguments: list, log: Path, ranks: int = 1, prepare: Callable = lambda: None):
        self.started, self.log = time.monotonic(), log
        port = _free_port() if ranks > 1 else 0
        if ranks > 1:
            arguments = [*arguments, '--launcher', 'pytorch']
        self.processes = [self._start(main, arguments, rank, ranks, port, prepare) for rank in range(ranks)]

    def _start(self, main, arguments, rank, ranks, port, prepare) -> int:
        process = os.fork()
        if process:
            return process
        status = 1
        try:
            os.setsid()
            with open(self.log, 'ab') as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            if ranks > 1:
                os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks),
                                  MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
            sys.argv = [main.__module__, *map(str, arguments)]
            if rank == 0:
                prepare()
            run(main)
        except SystemExit as stop:
            status = stop.code or 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def wait(self) -> list:
        """Statuses of all processes, as `Popen.returncode`; once the first has been killed, so are the others."""
        first = os.waitstatus_to_exitcode(os.waitpid(self.processes[0], 0)[1])
        if first == KILLED:
            for process in self.processes[1:]:
                os.kill(process, signal.SIGKILL)
        return [first, *(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in self.processes[1:])]

    def kill_after(self, seconds: float, number: int = signal.SIGKILL) -> list:
        """Send a signal to every process after some time, unless the command has ended; returns the statuses."""
        time.sleep(seconds)
        for process in self.processes:
            os.kill(process, number)  # not waited for yet, so it still exists
        return self.wait()

    def left(self, seconds: float = 20) -> list:
        """Processes of the sessions that are still there after so many seconds."""
        until = time.monotonic() + seconds
        while (left := [name for process in self.processes for name in _session(process)]) \
                and time.monotonic() < until:
            time.sleep(0.1)
        return left


def random_delay(stream: random.Random, seconds: float) -> float:
    """Anywhere in a command that takes so long."""
    return stream.uniform(0.02, 0.98) * seconds


def _session(leader: int) -> list:
    found = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            name, _, rest = stat.read_text().rpartition(') ')
        except OSError:
            continue
        state, _, _, session = rest.split()[:4]
        if int(session) == leader and state not in 'ZX':
            found.append(f'{name})')
    return found


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]

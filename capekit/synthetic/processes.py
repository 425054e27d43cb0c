"""Work shared by several processes, none of which is left behind."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

import cv2

from capekit.errors import CapekitError


def in_processes(work: Callable, items: Iterable, workers: int) -> list:
    """[work(item) for item in items], in `workers` processes.

    They end with this process, whatever ends it.

    Raises:
        CapekitError: one of them died.
    """
    if workers <= 1:
        return [work(item) for item in items]
    before = multiprocessing.active_children()
    # Not forked: a forked copy would lack the OpenCV threads of this process and wait for them forever.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context('spawn'), _start)
    # They inherit the blocked Ctrl-C, which a terminal sends to all: this process ends them.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        answers = pool.map(work, items)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return list(answers)
    except BrokenProcessPool:
        raise CapekitError('a process that draws images died, often for lack of memory; use fewer --workers') from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - set(before):
            child.terminate()
            child.join()


def _start() -> None:
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(parent) -> None:
    """Wait until the parent is gone, which a killed one cannot tell, and end this process."""
    wait([parent.sentinel])
    os._exit(1)

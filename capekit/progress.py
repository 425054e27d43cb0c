"""A progress bar with the time left: drawn on a terminal, an occasional line in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mmengine.dist import is_main_process
from mmengine.logging import print_log

LOG_SECONDS = 30


class Bar:
    """A bar at the bottom of a terminal; a second one, as for validation during training, appears below the first.

    Output printed meanwhile appears above them, because rich redirects the streams. They are drawn on stderr, so that a
    redirected stdout gets the output alone.

    Args:
        description: in front of the bar.
        total: number of units.
        done: units done already.
    """

    _progress: Any = None  # rich's, while one is open
    _open = 0

    def __init__(self, description: str, total: int, done: int = 0):
        if not Bar._open:
            from rich.console import Console  # heavy: imported only where used
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
            Bar._progress = Progress(TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
                                     TimeRemainingColumn(), transient=True, console=Console(stderr=True),
                                     redirect_stdout=sys.stdout.isatty())
            Bar._progress.start()
        Bar._open += 1
        self._task = Bar._progress.add_task(description, total=total, completed=done)

    @staticmethod
    def wanted() -> bool:
        """There is a terminal to draw on, and this is the process that draws."""
        return is_main_process() and sys.stderr.isatty()

    def update(self, done: int, description: str | None = None) -> None:
        """`done` units in total are done; a description replaces the previous one."""
        Bar._progress.update(self._task, completed=done, description=description)

    def stop(self) -> None:
        """Remove the bar from the terminal."""
        Bar._progress.remove_task(self._task)
        Bar._open -= 1
        if not Bar._open:
            Bar._progress.stop()


def track(items: Iterable, total: int, description: str, step: Callable | None = None) -> Iterator:
    """Yield `items` and show the progress.

    Args:
        items: what to iterate over.
        total: number of units.
        description: in front of the bar.
        step: item -> number of units it stands for; None = 1.
    """
    bar = Bar(description, total) if Bar.wanted() else None
    done, start = 0, time.monotonic()
    reported = start
    try:
        for item in items:
            yield item
            done += 1 if step is None else step(item)
            now = time.monotonic()
            if bar is not None:
                bar.update(done)
            elif is_main_process() and now - reported >= LOG_SECONDS and done < total:
                left = (now - start) / done * (total - done)
                print_log(f'{description}: {done}/{total}, {int(left) // 60}:{int(left) % 60:02d} left', 'current')
                reported = now
    finally:
        if bar is not None:
            bar.stop()

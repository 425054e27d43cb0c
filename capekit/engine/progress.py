"""A progress bar with the time left: drawn on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator

from mmengine.dist import is_main_process
from mmengine.logging import print_log

LOG_SECONDS = 30


def track(items: Iterable, total: int, description: str, step: Callable | None = None) -> Iterator:
    """Yield `items` and show how far they have come.

    Args:
        items: what to go through.
        total: units in all.
        description: in front of the bar.
        step: item -> units it stands for; None = 1.
    """
    if not is_main_process():
        yield from items
        return
    step = step or (lambda item: 1)
    if sys.stdout.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        with Progress(TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                      transient=True) as bar:
            task = bar.add_task(description, total=total)
            for item in items:
                yield item
                bar.advance(task, step(item))
        return
    done, start = 0, time.monotonic()
    reported = start
    for item in items:
        yield item
        done += step(item)
        now = time.monotonic()
        if now - reported >= LOG_SECONDS and done < total:
            left = (now - start) / done * (total - done)
            print_log(f'{description}: {done}/{total}, {int(left) // 60}:{int(left) % 60:02d} left', 'current')
            reported = now

"""What mmengine writes at the start of a run and into its log, where this machine cannot do it as mmengine expects."""

import contextlib
import logging
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator


@contextlib.contextmanager
def compiler_or_none() -> Iterator[None]:
    """Within this, mmengine asks for a compiler's version without the shell's complaint where there is no compiler."""
    variables = sysconfig.get_config_vars()
    command = variables.get('CC')
    if not command or shutil.which(os.path.basename(command.split()[0])):
        yield
        return
    variables['CC'] = 'false'  # fails in silence, which mmengine writes as n/a
    try:
        yield
    finally:
        variables['CC'] = command


def fall_silent(handler: logging.Handler, record: logging.LogRecord) -> None:
    """What a log handler does where it cannot write: fall silent, so that the run itself goes on."""
    error = sys.exc_info()[1]
    if not isinstance(error, (OSError, ValueError)) or not isinstance(handler, logging.StreamHandler):
        logging.Handler.handleError(handler, record)
        return
    if isinstance(handler, logging.FileHandler):
        print(f'warning: {handler.baseFilename}: the log cannot be written ({error})', file=sys.stderr)
    handler.stream = open(os.devnull, 'w')

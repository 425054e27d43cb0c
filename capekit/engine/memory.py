"""Memory that the C library keeps between the steps of a run."""

import ctypes
import sys

# glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 2 ** 30


def keep_freed_memory() -> bool:
    """Have glibc reuse large blocks instead of giving each back to the system and asking for it again.

    The activations of a step on a CPU are tens of MB each; otherwise every one of them begins with page faults. Up to
    1 GiB that is free stays with the process. Data loader workers started afterwards inherit it.

    Returns:
        whether this system's C library took it; another one is left alone.
    """
    if not sys.platform.startswith('linux'):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(mallopt(name, _KEPT) for name in (_MMAP_THRESHOLD, _TRIM_THRESHOLD))

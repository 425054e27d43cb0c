"""Where it can be asked for, freed memory stays with the process."""

import ctypes
import sys

from capekit.engine.memory import keep_freed_memory


def test_another_system_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'darwin')
    assert not keep_freed_memory()


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'linux')
    monkeypatch.setattr(ctypes, 'CDLL', lambda _: object())
    assert not keep_freed_memory()

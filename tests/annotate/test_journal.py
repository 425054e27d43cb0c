"""Changes are on disk when they are acknowledged, whatever ends the process."""

import multiprocessing
import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capekit.annotate.journal import Journal
from capekit.errors import CapekitError


def test_changes_come_back_in_order(tmp_path):
    journal = Journal(tmp_path / 'own' / 'changes.jsonl')
    for number in range(3):
        journal.append(dict(number=number))
    journal.close()
    assert [change['number'] for change in Journal(tmp_path / 'own' / 'changes.jsonl').read()] == [0, 1, 2]


@given(st.data())
def test_a_line_without_its_end_is_cut_off_and_nothing_else(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('journal') / 'changes.jsonl'
    journal = Journal(path)
    for number in range(3):
        journal.append(dict(number=number))
    journal.close()
    content = path.read_bytes()
    kept = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:kept])
    journal = Journal(path)
    changes = journal.read()
    assert [change['number'] for change in changes] == list(range(content[:kept].count(b'\n')))
    journal.append(dict(number='next'))
    assert journal.read() == [*changes, dict(number='next')]
    journal.close()


def test_one_process_at_a_time(tmp_path):
    journal = Journal(tmp_path / 'changes.jsonl')
    with pytest.raises(CapekitError, match='another capekit annotate has this project open'):
        Journal(tmp_path / 'changes.jsonl')
    journal.close()
    Journal(tmp_path / 'changes.jsonl').close()


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / 'changes.jsonl').write_text('{"number": 1}\nnonsense\n{"number": 2}\n')
    with pytest.raises(CapekitError, match='line 2 is not a change'):
        Journal(tmp_path / 'changes.jsonl').read()


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    journal = Journal(tmp_path / 'changes.jsonl')
    journal.append(dict(number=1))

    def full(descriptor):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(CapekitError, match='No space left on device'):
        journal.append(dict(number=2))
    monkeypatch.undo()
    journal.append(dict(number=3))
    assert [change['number'] for change in journal.read()] == [1, 3]


def _write_until_killed(path, acknowledged):
    journal = Journal(path)
    for number in range(100_000):
        journal.append(dict(number=number, text='x' * 2000))
        acknowledged.send(number)


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path):
    context = multiprocessing.get_context('spawn')
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_write_until_killed, args=(tmp_path / 'changes.jsonl', theirs))
    process.start()
    while ours.recv() < 20:
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    last = 20
    while ours.poll():
        last = ours.recv()
    kept = [change['number'] for change in Journal(tmp_path / 'changes.jsonl').read()]
    assert kept[:last + 1] == list(range(last + 1))

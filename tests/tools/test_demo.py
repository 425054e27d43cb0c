"""What the demo runs; `make demo` shows that it works."""

import sys

import pytest

from capekit.commands import demo


@pytest.mark.parametrize('amp', [False, True])
def test_training_computes_in_bfloat16_where_asked(monkeypatch, tmp_path, amp):
    commands = []
    monkeypatch.setattr(demo, 'run_command', lambda what, *command: commands.append(command))
    monkeypatch.setattr(demo, 'results', lambda *_: dict(categories=1, records=[]))
    monkeypatch.setattr(demo, 'markdown', lambda result: '')
    monkeypatch.setattr(sys, 'argv', ['demo', '--work-dir', str(tmp_path), '--data', str(tmp_path / 'data')]
                        + ['--amp'] * amp)
    demo.main()
    assert [command[0] for command in commands] == ['synthesize', 'train', 'test', 'test']
    assert ('--amp' in commands[1]) is amp and all('--amp' not in command for command in commands[2:])

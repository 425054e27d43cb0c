"""The start of a run on a machine without a compiler."""

import sysconfig

from mmengine.utils.dl_utils import collect_env

from capekit.engine.logs import compiler_or_none


def test_a_compiler_that_is_missing_is_not_complained_about(capfd, monkeypatch):
    monkeypatch.setitem(sysconfig.get_config_vars(), 'CC', 'nothing-gcc -pthread')
    with compiler_or_none():
        assert collect_env()['GCC'] == 'n/a'
    assert 'nothing-gcc' not in ''.join(capfd.readouterr())
    assert sysconfig.get_config_var('CC') == 'nothing-gcc -pthread'


def test_a_compiler_that_is_there_stays(monkeypatch):
    monkeypatch.setitem(sysconfig.get_config_vars(), 'CC', 'sh -c')
    with compiler_or_none():
        assert sysconfig.get_config_var('CC') == 'sh -c'

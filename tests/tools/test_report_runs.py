"""`tools/report.py`: where its tables and plots go."""

from finished_run import finish


def test_tables_and_plots(tmp_path, tool):
    finish(tmp_path / 'runs', 'capeformer/table3/no5', 0.715)
    status, out, err = tool('report', tmp_path / 'runs', '--select', 'capeformer/table3', '--out', tmp_path / 't.md',
                            '--plots', tmp_path / 'plots')
    assert status == 0 and 'synthetic_capeformer_table3_epochs.png' in out, err
    assert '71.5 [70.5, 72.5]' in (tmp_path / 't.md').read_text()
    status, out, _ = tool('report', tmp_path / 'runs', '--select', 'capeformer/table3', '--format', 'csv')
    assert status == 0 and out.startswith('paper,table,row,label,column')
    status, _, err = tool('report', tmp_path / 'runs', '--select', 'capeformer/table9')
    assert status == 2 and 'has no such paper, table or row' in err


def test_runs_of_another_list_are_announced(tmp_path, tool):
    finish(tmp_path / 'runs', 'benchmark/random-1shot/pomnet', 0.4)
    finish(tmp_path / 'runs', 'benchmark/random-1shot/maml', 0.4)
    for more in ((), ('--select', 'capeformer/table3')):
        status, out, err = tool('report', tmp_path / 'runs', *more)
        assert status == 2 and not out and err.count('\n') == 1
        assert err.startswith('error: 2 of 2 runs are of rows that')
        assert 'papers.yml does not have, such as benchmark/random-1shot/maml; give their list with --papers' in err
    assert tool('report', tmp_path / 'runs', '--papers', 'configs/benchmark.yml')[::2] == (0, '')
    finish(tmp_path / 'runs', 'capeformer/table3/no5', 0.715)
    status, out, err = tool('report', tmp_path / 'runs', '--select', 'capeformer/table3')
    assert status == 0 and '71.5' in out and err.startswith('warning: 2 of 3 runs are of rows')

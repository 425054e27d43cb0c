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

"""Tables and plots of finished runs, from files as a sweep writes them."""

import csv
import io
import json

import pytest
from finished_run import finish

from capekit.errors import CapekitError
from capekit.files import write_json
from capekit.reports import load_runs, paper_tables, render
from capekit.reports.benchmark import settings_table
from capekit.reports.plots import draw_plots, training_categories
from capekit.reports.trainings import trainings
from capekit.sweeps.papers import load_papers


@pytest.fixture(scope='module')
def papers(repo):
    return load_papers(repo / 'configs/papers.yml')


def lines(papers, folder, *select):
    (table,) = paper_tables(papers, load_runs([folder]), select)
    return table, {line[0]: dict(zip(table.headers, line, strict=True)) for line in table.lines}


def test_a_mean_only_where_all_splits_are(papers, tmp_path):
    row = 'capeformer/table1/capeformer-1shot'
    for split in (1, 2, 3, 4):
        for seed in (0, 1):
            finish(tmp_path, row, 0.8 + seed / 100, f'split{split}', seed, 'mp100')
    _, rows = lines(papers, tmp_path, 'capeformer/table1')
    capeformer = next(line for line in rows.values() if line['mean'] == '89.30')
    assert capeformer['measured: split1'] == ''
    table, _ = lines(papers, tmp_path, row)
    (line,) = table.lines
    cells = dict(zip(table.headers, line, strict=True))
    assert cells['split1'] == '89.45' and cells['measured: split1'] == '80.5 ± 0.7 (2)'
    assert cells['mean'] == '85.31' and cells['measured: mean'] == '' and 'generated' not in str(table.headers)
    finish(tmp_path, row, 0.9, 'split5', 0, 'mp100')
    cells = dict(zip(table.headers, lines(papers, tmp_path, row)[0].lines[0], strict=True))
    assert cells['measured: mean'] == '82.0'  # of the one seed that has all five
    assert cells['measured: split5'] == '90.0 [89.0, 91.0]'


def test_generated_data_is_one_number_for_all_splits(papers, tmp_path):
    finish(tmp_path, 'capeformer/table3/no5', 0.715)
    finish(tmp_path, 'capeformer/table3/no1', 0.6)
    table, rows = lines(papers, tmp_path, 'capeformer/table3')
    assert table.headers == ['row', 'PCK@0.2', 'generated data: PCK@0.2'] and len(rows) == 5
    assert [line[1:] for line in table.lines][0] == ['80.32', '60.0 [59.0, 61.0]']
    assert [line[1:] for line in table.lines][-1] == ['89.45', '71.5 [70.5, 72.5]']
    assert table.lines[1][2] == ''
    finish(tmp_path, 'capeformer/table1/capeformer-1shot', 0.7)
    table, _ = lines(papers, tmp_path, 'capeformer/table1')
    assert table.headers[-1] == 'generated data: PCK@0.2' and 'PCK@0.2' in table.title
    assert table.headers[1] == 'shots' and [line[1] for line in table.lines] == [1] * 5 + [5] * 5


def test_costs_and_reasons(papers, tmp_path):
    finish(tmp_path, 'capeformer/table6/capeformer', 0.7)
    table, _ = lines(papers, tmp_path, 'capeformer/table6')
    line = next(line for line in table.lines if line[0] == 'CapeFormer')
    assert dict(zip(table.headers, line, strict=True))['generated data: parameters_M'] == '31.0'
    table, _ = lines(papers, tmp_path, 'pomnet/table4')
    assert table.headers == ['row', 'PCK@0.2']
    assert any('not run, trained on other images' in note for note in table.notes)


def test_every_row_of_every_paper_is_rendered(papers, tmp_path):
    finish(tmp_path, 'capeformer/table3/no5', 0.715)
    tables = paper_tables(papers, load_runs([tmp_path]))
    assert sum(len(table.lines) for table in tables) == len(papers.rows)
    assert render(tables).count('\n\nTraining: generated data; 7 epochs.\n\nPCK in percent. Seeds: 0. A single') == 1
    latex = render(tables, 'latex')
    assert '\n% Training: generated data; 7 epochs.\n% \n% PCK in percent' in latex
    assert latex.count(r'\begin{tabular}') == len(tables) and '71.5 [70.5, 72.5]' in latex and '% ' in latex
    numbers = list(csv.DictReader(io.StringIO(render(tables, 'csv'))))
    (measured,) = [line for line in numbers if line['data']]
    assert measured['measured'] == '71.5' and measured['published'] == '89.45' and measured['seeds'] == '1'


def test_what_trainings_share_is_said_once(tmp_path):
    assert trainings([], str) == []
    options = {'a.b': 1, 'c': [2, 3]}
    for row, schedule in (('no1', '7 epochs; batches of 16'), ('no2', '7 epochs; batches of 4'),
                          ('no3', 'nothing to train'), ('no4', '7 epochs; batches of 4')):
        finish(tmp_path, f'capeformer/table3/{row}', 0.5, cfg_options=options, device='cpu',
               schedule=f'{schedule}; changed by --cfg-options a.b=1 c=[2, 3]')
    table, shared, seeds, device = trainings(load_runs([tmp_path]), lambda run: run.label)
    assert [[cell.strip() for cell in line.split('|')[1:-1]] for line in table.splitlines()[2:]] == [
        ['no1', 'batches of 16'], ['no2; no4', 'batches of 4'], ['no3', 'nothing to train']]
    assert shared == 'All trainings: generated data; 7 epochs; `a.b=1`; `c=[2, 3]`.'
    assert seeds.startswith('PCK in percent. Seeds: 0. ') and device == 'On: cpu.'
    (training, *_) = trainings(load_runs([tmp_path / 'capeformer/table3/no2']), str)
    assert training == 'Training: generated data; 7 epochs; batches of 4; `a.b=1`; `c=[2, 3]`.'


def test_plots(papers, tmp_path):
    for count in (1, 9):
        finish(tmp_path / 'runs', f'pomnet/table4/from{count}', 0.5 + count / 100, train_categories=count,
               run=f'from{count}')
    finish(tmp_path / 'runs', 'pomnet/table4/from9', 0.55, seed=1, train_categories=9, run='from9')
    drawn = draw_plots(load_runs([tmp_path / 'runs']), tmp_path / 'plots')
    assert {path.name for path in drawn} == {
        'synthetic_categories.png', 'synthetic_pomnet_table4_epochs.png', 'synthetic_pomnet_table4_categories.png',
        'synthetic_pomnet_table4_supercategories.png'}
    assert all(path.stat().st_size > 5000 for path in drawn)


def test_training_categories_of_records_with_and_without_the_key(tmp_path):
    key = 'train_dataloader.dataset.categories'
    finish(tmp_path, 'pomnet/table4/from1', 0.5, run='from1', options={key: [50]})
    finish(tmp_path, 'pomnet/table4/from9', 0.6, run='from9', options={key: [1, 2, 3]}, train_categories=2)
    finish(tmp_path, 'pomnet/table4/from99', 0.7, run='from99', train_categories=None)
    assert {run.run: training_categories(run) for run in load_runs([tmp_path])} == {
        'from1': 1, 'from9': 2, 'from99': None}


def test_what_is_refused(tmp_path, papers):
    for folder, message in ((tmp_path / 'none', 'no such folder'), (tmp_path, 'no finished run')):
        with pytest.raises(CapekitError, match=message):
            load_runs([folder])
    path = finish(tmp_path / 'a', 'capeformer/table3/no5', 0.7)
    with pytest.raises(CapekitError, match='the same run as'):
        finish(tmp_path / 'b', 'capeformer/table3/no5', 0.7)
        load_runs([tmp_path / 'a', tmp_path / 'b'])
    content = json.loads(path.read_text())
    for change, message in ((dict(format=2), 'format 2, not 1'), (dict(seed='x'), "seed='x' must be"),
                            (dict(schedule=None), 'schedule=None')):
        write_json(path, {**content, **change})
        with pytest.raises(CapekitError, match=message):
            load_runs([tmp_path / 'a'])
    path.write_text('{')
    with pytest.raises(CapekitError, match='seed0.json: invalid JSON at line 1, column 2'):
        load_runs([tmp_path / 'a'])


def test_tables_with_the_same_rows_are_columns_of_one(tmp_path, repo):
    listed = load_papers(repo / 'configs/benchmark.yml')
    finish(tmp_path, 'benchmark/imagenet-1shot/capeformer', 0.7, train_seconds=60)
    finish(tmp_path, 'benchmark/random-5shot/capeformer', 0.6, train_seconds=120)
    head, _, *lines = settings_table(listed, load_runs([tmp_path]), 'PCK@0.2').splitlines()
    assert [cell.strip() for cell in head.split('|')[2:6]] == ['ImageNet weights, 1 shot', 'ImageNet weights, 5 shots',
                                                               'Random weights, 1 shot', 'Random weights, 5 shots']
    cells = {line.split('|')[1].strip(): [cell.strip() for cell in line.split('|')[2:-1]] for line in lines}
    assert cells['CapeFormer'] == ['70.0 [69.0, 71.0]', '', '', '60.0 [59.0, 61.0]', '31.0', '1.0-2.0']
    assert set(cells) == {row.label for row in listed.rows.values()} and set(cells['MAML']) == {''}


def test_tests_of_one_training_are_points_of_their_own(tmp_path):
    for shots in (1, 5):
        path = finish(tmp_path / 'runs', f'benchmark/random-{shots}shot/pomnet', 0.4, run='one')
        content = json.loads(path.read_text())
        report = path.with_name('test0.json').rename(path.with_name(f'test_{shots}.json'))
        write_json(path, {**content, 'shots': shots, 'report': report.name})
    drawn = draw_plots(load_runs([tmp_path / 'runs']), tmp_path / 'plots')
    assert 'synthetic_shots.png' in {path.name for path in drawn}

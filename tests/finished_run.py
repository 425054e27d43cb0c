"""A finished run, in the files that a sweep leaves."""

import json

from capekit.files import write_json


def finish(folder, row, value, part='', seed=0, data='synthetic', **more):
    """Write a run of a row: PCK@0.2 as a fraction, the report beside it."""
    paper, table, name = row.split('/')
    at = folder / row / part
    metrics = {'PCK@0.2': dict(value=value, low=value - 0.01, high=value + 0.01)}
    levels = {level: [dict(name=f'{level}{n}', metrics=metrics) for n in range(3)]
              for level in ('categories', 'supercategories')}
    write_json(at / f'test{seed}.json', levels)
    logged = {'loss': 1.0}, {'PCK@0.2': 0.3, 'step': 1}, {'PCK@0.2': value, 'step': 2}
    (at / f'scalars{seed}.json').write_text(''.join(json.dumps(line) + '\n' for line in logged))
    content = dict(format=1, paper=paper, table=table, row=name, part=part, label=name, data=dict(name=data),
                   config='configs/capeformer/capeformer_r50_mp100.py', seed=seed, shots=1,
                   metrics=metrics, report=f'test{seed}.json', curve=f'scalars{seed}.json', parameters=31e6,
                   **{'options': {}, 'schedule': '7 epochs', **more})
    write_json(at / f'seed{seed}.json', content)
    return at / f'seed{seed}.json'

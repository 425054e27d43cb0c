"""The table of what configs cost."""

from pathlib import Path

from tabulate import tabulate


def complexity_table(result: dict) -> str:
    """A GitHub table of the JSON that `capekit complexity` writes.

    Configs of a method that cost the same are one row, that of the shortest name; the others are listed below it.
    """
    shots = list(result['records'][0]['shots'])
    sides = [(f'{side}, {count} shot, GFLOPs', f'{side}_flops', count) for side in ('support', 'query')
             for count in shots]
    groups: dict[tuple, list] = {}
    for record in result['records']:
        first = record['shots'][shots[0]]
        key = (Path(record['config']).parent, first['parameters'],
               *(record['shots'][count][name] for _, name, count in sides))
        groups.setdefault(key, []).append(record)
    lines, notes = [], []
    for same in groups.values():
        shown, *others = sorted(same, key=lambda record: len(record['config']))
        first = shown['shots'][shots[0]]
        cells = [_name(shown['config']), _millions(first['parameters']), _millions(first['backbone_parameters'])]
        cells += [f'{shown["shots"][count][key] / 1e9:.1f}' for _, key, count in sides]
        lines.append([*cells, f'{first["query_ms"]:.0f}', f'{first["products_ms"]:.0f}', f'{first["memory_mib"]:.0f}'])
        if others:
            names = ', '.join(f'`{_name(record["config"])}`' for record in others)
            notes.append(f'The same as `{_name(shown["config"])}`: {names}.')
    headers = ['config', 'parameters, M', 'backbone, M', *(title for title, _, _ in sides), 'ms per query',
               'as products, ms', 'peak memory, MiB']
    table = tabulate(lines, headers, 'github', disable_numparse=True,
                     colalign=['left'] + ['right'] * (len(headers) - 1))
    return '\n\n'.join([table, *notes])


def costs_table(result: dict) -> str:
    """A GitHub table of what `capekit costs` writes: a line per method, a column per backbone."""
    backbones = list(dict.fromkeys(record['backbone'] for record in result['records']))
    lines: dict[str, list] = {}
    for record in result['records']:
        cell = f'{record["parameters"] / 1e6:.1f} M, {record["flops"] / 1e9:.1f} G'
        lines.setdefault(record['method'], [record['method']]).append(cell)
    return tabulate(list(lines.values()), ['method', *backbones], 'github', disable_numparse=True)


def _name(config: str) -> str:
    return Path(config).stem.removesuffix('_mp100')


def _millions(count: int) -> str:
    return f'{count / 1e6:.2f}'

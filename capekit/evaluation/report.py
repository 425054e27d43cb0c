"""Tables for people, JSON for programs."""

from tabulate import tabulate

SHOWN = ('PCK@0.2', 'mPCK@.05:.20')
"""Columns of the tables of several methods."""


def text_table(report: dict) -> str:
    """A report of `evaluate` as plain text: overall with its interval, super-categories, categories."""
    return '\n'.join([_headline(report), _table(report, 'simple')])


def markdown_table(report: dict) -> str:
    """The same as a GitHub table."""
    return '\n\n'.join([_headline(report), _table(report, 'github')]) + '\n'


def comparison_table(comparison: dict, name_a: str = 'A', name_b: str = 'B', style: str = 'simple') -> str:
    """The result of `compare`: both values, their difference, its intervals by episode and over categories, each with
    its p; '*' where the interval by episode, or without one that over categories, excludes 0."""
    metrics = comparison['metrics']
    lines = [[name, _number(name, metric['a']), _number(name, metric['b']), _number(name, metric['difference'], '+')]
             for name, metric in metrics.items()]
    headers = ['', name_a, name_b, f'{name_b} - {name_a}']
    some = next(iter(metrics.values()))
    statements = [(title, of) for title, of, there in (
        ('by episode', lambda metric: metric, 'low' in some),
        ('over categories', lambda metric: metric['over_categories'], 'over_categories' in some)) if there]
    for title, of in statements:
        headers += [f'{comparison["confidence"]:.0%} {title}', 'p']
        for line, (name, metric) in zip(lines, metrics.items(), strict=True):
            line += [_interval(name, of(metric), '+'), f'{of(metric)["p"]:.3f}']
    if statements:
        headers.append('')
        for line, metric in zip(lines, metrics.values(), strict=True):
            first = statements[0][1](metric)
            line.append('*' if first['low'] > 0 or first['high'] < 0 else '')
    head = (f'{comparison["rows"]} paired rows, {comparison["unscored_rows"]} without a keypoint to score (count as '
            '0); PCK and AUC in percent')
    return f'{head}\n{_tabulate(lines, headers, style)}'


def moved_table(comparison: dict, count: int, name_a: str = 'A', name_b: str = 'B', style: str = 'simple') -> str:
    """The `count` categories of a result of `compare` that moved most in its `metric`."""
    metric = comparison['metric']
    lines = []
    for category in most_moved(comparison, count):
        values = category['metrics'][metric]
        lines.append([f'{category["name"]} ({category["id"]})', _number(metric, values['a']),
                      _number(metric, values['b']), _number(metric, values['difference'], '+')])
    return _tabulate(lines, [f'moved most, {metric}', name_a, name_b, f'{name_b} - {name_a}'], style)


def most_moved(comparison: dict, count: int) -> list:
    """The `count` categories of a result of `compare` with the largest difference, in size, in its `metric`."""
    metric = comparison['metric']
    order = sorted(comparison['categories'], key=lambda category: -abs(category['metrics'][metric]['difference']))
    return order[:count]


def cell(metric: dict) -> str:
    """A metric of `evaluate` in percent with its interval, for tables of several methods: '81.2 [79.9, 82.4]'."""
    bounds = f' [{100 * metric["low"]:.1f}, {100 * metric["high"]:.1f}]' if 'low' in metric else ''
    return f'{100 * metric["value"]:.1f}{bounds}'


def methods_table(result: dict) -> str:
    """A GitHub table of several methods, as `make demo` writes them: `records` of {method, shots, metrics, rows}."""
    metrics = [name for name in result['records'][0]['metrics'] if name in SHOWN]
    lines = [[record['method'], record['shots'], *(cell(record['metrics'][name]) for name in metrics), record['rows']]
             for record in result['records']]
    return tabulate(lines, ['method', 'shots', *metrics, 'queries'], 'github')


def _headline(report: dict) -> str:
    """What the numbers are based on; an evaluator of another package may leave out any of it."""
    said = []
    if 'categories' in report:
        said.append(f'{len(report["categories"])} categories')
    if 'shots' in report:
        said.append(f'{report["shots"]} shot(s)')
    if 'rows' in report:
        said.append(f'{report["rows"]} rows')
    if 'unscored_rows' in report:
        said.append(f'{report["unscored_rows"]} of them without a keypoint to score (count as 0)')
    said = [', '.join(said)] if said else []
    if report.get('score_correlation') is not None:
        said.append(f'rank correlation of scores with errors {report["score_correlation"]:+.2f} (negative: higher '
                    'scores, smaller errors)')
    return '; '.join([*said, 'PCK and AUC in percent, EPE in pixels'])


def _table(report: dict, style: str) -> str:
    overall = report['overall']['metrics']
    lines = [_line('overall', {**report, 'metrics': overall}, overall)]
    if any('low' in metric for metric in overall.values()):
        share = f'{report["confidence"]:.0%} ' if 'confidence' in report else ''
        lines.append([f'{share}interval', '',
                      *(_interval(name, metric) for name, metric in overall.items())])
    lines += [_line(record['name'], record, overall) for record in report.get('supercategories', ())]
    lines += [_line(f'{record["name"]} ({record["id"]})', record, overall) for record in report.get('categories', ())]
    return _tabulate(lines, ['', 'rows', *overall], style)


def _line(title: str, record: dict, names: dict) -> list:
    metrics = record['metrics']
    return [title, record.get('rows', ''), *(_number(name, metrics[name]['value']) if name in metrics else ''
                                     for name in names)]


def _tabulate(lines: list, headers: list, style: str) -> str:
    return tabulate(lines, headers=headers, tablefmt=style, disable_numparse=True,
                    colalign=['left'] + ['right'] * (len(headers) - 1))


def _number(name: str, value: float, sign: str = '') -> str:
    """A metric in the unit of the tables: PCK and AUC in percent, EPE in pixels, others unchanged."""
    if name.startswith(('PCK', 'mPCK', 'AUC')):
        return f'{100 * value:{sign}.2f}'
    return f'{value:{sign}.2f}' if name == 'EPE' else f'{value:{sign}.4f}'


def _interval(name: str, metric: dict, sign: str = '') -> str:
    if 'low' not in metric:
        return ''
    return f'{_number(name, metric["low"], sign)}..{_number(name, metric["high"], sign)}'

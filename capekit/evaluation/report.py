"""Tables for people, JSON for programs."""


from tabulate import tabulate


def text_table(report: dict) -> str:
    """The report of `evaluate` as plain text: overall with its interval, super-categories, categories."""
    return '\n'.join([_headline(report), _table(report, 'simple')])


def markdown_table(report: dict) -> str:
    """The same as a GitHub table."""
    return '\n\n'.join([_headline(report), _table(report, 'github')]) + '\n'


def comparison_table(comparison: dict, name_a: str = 'A', name_b: str = 'B', style: str = 'simple') -> str:
    """The result of `compare`: both values, their difference and its interval; '*' where the interval excludes 0."""
    lines = []
    for name, metric in comparison['metrics'].items():
        beyond = metric['low'] > 0 or metric['high'] < 0
        lines.append([name, _number(name, metric['a']), _number(name, metric['b']),
                      _number(name, metric['difference'], '+'), _interval(name, metric, '+'), '*' if beyond else ''])
    headers = ['', name_a, name_b, f'{name_b} - {name_a}', f'{comparison["confidence"]:.0%} interval', '']
    head = (f'{comparison["rows"]} paired rows, {comparison["unscored_rows"]} without a keypoint to score (count as '
            '0); PCK and AUC in percent')
    return f'{head}\n{_tabulate(lines, headers, style)}'


def cell(metric: dict) -> str:
    """A share of `evaluate` with its interval, in percent, for tables of several methods: '81.2 [79.9, 82.4]'."""
    value, low, high = (100 * metric[key] for key in ('value', 'low', 'high'))
    return f'{value:.1f} [{low:.1f}, {high:.1f}]'


def _headline(report: dict) -> str:
    return (f'{len(report["categories"])} categories, {report["shots"]} shot(s), {report["rows"]} rows, '
            f'{report["unscored_rows"]} of them without a keypoint to score (count as 0); PCK and AUC in percent, EPE '
            'in pixels')


def _table(report: dict, style: str) -> str:
    overall = report['overall']['metrics']
    intervals = [_interval(name, metric) for name, metric in overall.items()]
    lines = [_line('overall', dict(rows=report['rows'], metrics=overall)),
             [f'{report["confidence"]:.0%} interval', '', *intervals]]
    lines += [_line(record['name'], record) for record in report['supercategories']]
    lines += [_line(f'{record["name"]} ({record["id"]})', record) for record in report['categories']]
    return _tabulate(lines, ['', 'rows', *overall], style)


def _line(title: str, record: dict) -> list:
    return [title, record['rows'], *(_number(name, metric['value']) for name, metric in record['metrics'].items())]


def _tabulate(lines: list, headers: list, style: str) -> str:
    return tabulate(lines, headers=headers, tablefmt=style, disable_numparse=True,
                    colalign=['left'] + ['right'] * (len(headers) - 1))


def _number(name: str, value: float, sign: str = '') -> str:
    """A metric in the unit of the tables: percent, but for NME (share of the box) and EPE (pixels)."""
    if name == 'NME':
        return f'{value:{sign}.4f}'
    return f'{value:{sign}.2f}' if name == 'EPE' else f'{100 * value:{sign}.2f}'


def _interval(name: str, metric: dict, sign: str = '') -> str:
    return f'{_number(name, metric["low"], sign)}..{_number(name, metric["high"], sign)}'

"""A list of runs with a single table, `mine/t`."""


def one_table(**rows: str) -> str:
    """Its YAML; a row is given by its keys, such as full='label: full, config: a.py'."""
    listed = ', '.join(f'{name}: {{{keys}}}' for name, keys in rows.items())
    return f'papers: {{mine: {{title: Mine, tables: {{t: {{title: T, columns: [PCK@0.2], rows: {{{listed}}}}}}}}}}}\n'

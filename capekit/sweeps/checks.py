"""What the keys of a list of runs may be."""

from collections.abc import Iterable, Mapping
from typing import Any

from capekit.choices import refuse_invalid
from capekit.errors import CapekitError

LEVELS: dict[str, dict[str, Any]] = dict(
    file=dict(papers=dict, synthetic=dict[str, str]), paper=dict(title=str, tables=dict),
    table=dict(title=str, columns=list[str], metric=str, protocol=dict, rows=dict),
    row=dict(label=str, published=list[float | None], config=str | None, reason=str, protocol=dict, options=dict,
             parent=str, changes=dict, same_as=str, trained_as=str, synthetic=dict | None))
_NEEDED = dict(file=['papers'], paper=['title', 'tables'], table=['title', 'columns', 'rows'],
               row=['label'])


def check(content: Any, level: str, where: str) -> None:
    """Refuse what is no mapping, unknown and missing keys, and values of the wrong kind."""
    if not isinstance(content, dict):
        raise CapekitError(f'{where}: must be keys with values, not {content!r:.60}')
    refuse_unknown(content, LEVELS[level], where)
    if absent := [key for key in _NEEDED[level] if key not in content]:
        raise CapekitError(f'{where}: {absent[0]} is missing')
    refuse_invalid(content, LEVELS[level], f'{where}: ')


def refuse_unknown(content: Mapping, valid: Iterable[str], where: str) -> None:
    """Refuse the first key that is none of `valid`."""
    for key in content:
        if key not in valid:
            raise CapekitError(f'{where}: unknown key {key!r}; valid: {", ".join(valid)}')

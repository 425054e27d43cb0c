"""Reading annotation files twice: by the data set, and by the audit, which must agree."""

from capekit.datasets import MP100Dataset
from capekit.datasets.audit import audit
from capekit.datasets.settings import ReadSettings
from capekit.errors import CapekitError


def read_both(paths: list, **options):
    """The data set, or the one line that refuses it; the audit has the same problem, or the same notes."""
    try:
        audited = audit(paths, queries=1, settings=ReadSettings(**options))
        problems, notes = [p for p in audited.problems if 'usable instances; an episode' not in p], audited.notes
    except CapekitError as error:
        problems, notes = [str(error)], []
    try:
        dataset = MP100Dataset(paths, **options)
    except CapekitError as error:
        assert str(error).split('; and ')[0] == problems[0] and '\n' not in str(error)
        return str(error)
    assert not problems and dataset.notes == notes[:len(dataset.notes)]
    return dataset

"""Lists of runs: what the papers' tables ask for, and carrying it out."""

from capekit.sweeps.papers import Papers, Row, Run, load_papers

__all__ = ['Papers', 'Row', 'Run', 'load_papers']

"""300 damaged files, the same in every run; `python -m tests.reliability.fuzz --files 5000` reads more."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reliability.damage import DAMAGE, Payload
from tests.reliability.fuzz import Fuzz

FILES = 300


@pytest.mark.parametrize('kind', DAMAGE)
def test_a_damaged_file_is_read_or_refused_in_one_line_and_runs_nothing(tmp_path, kind):
    fuzz = Fuzz(tmp_path)

    @settings(max_examples=FILES // len(DAMAGE), deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def check(rng):
        end, message = fuzz.outcome(kind, fuzz.damaged(kind, rng))
        assert end != 'failed', message
    check()


@pytest.mark.parametrize('kind', DAMAGE)
def test_the_sound_file_is_read(tmp_path, kind):
    """Otherwise everything would be refused for another reason."""
    fuzz = Fuzz(tmp_path)
    assert fuzz.outcome(kind, fuzz.sound_file(kind)) == ('read', '')


def test_a_reader_that_runs_code_is_noticed(tmp_path):
    fuzz = Fuzz(tmp_path)
    fuzz.read['dump'] = lambda path: Payload(fuzz.marker).__reduce__()[0](str(fuzz.marker))
    assert fuzz.outcome('dump', b'') == ('failed', 'the file ran code')

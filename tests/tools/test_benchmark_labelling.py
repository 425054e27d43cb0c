"""capekit benchmark-labelling: one draw measured, kept, corrected."""

import json
import sys

import pytest
from animals import write_animals

from capekit.commands import benchmark_labelling as benchmark
from capekit.errors import CapekitError


def test_a_draw_is_measured_once_and_printed(tmp_path, monkeypatch, capsys):
    path, images, _ = write_animals(tmp_path, count=5, labelled=5)
    arguments = ['x', str(path), '--images', str(images), '--category', 'kite', '--out', str(tmp_path / 'out'),
                 '--shots', '2', '--draws', '0', '--steps', '1', '--corrections', '1', '--boxes', 'whole']
    monkeypatch.setattr(sys, 'argv', arguments)
    benchmark.main()
    printed = capsys.readouterr().out
    assert len([line for line in printed.splitlines() if line.startswith('|')]) == 2 + 6
    assert 'not corrected' in printed and 'times what chance gives' in printed
    result = json.loads((tmp_path / 'out/kite_2shot_1steps_0.json').read_text())
    assert result['corrections']['rest'] == 2 and len(result['supports']) == 2
    assert result['frozen/true']['pixels'] < result['copying/whole']['pixels']
    assert (tmp_path / 'out/kite_2shot_1steps_0.safetensors').is_file()
    monkeypatch.setattr(benchmark, 'measure', lambda *_: pytest.fail('measured again'))
    benchmark.main()
    assert capsys.readouterr().out == printed
    with pytest.raises(CapekitError, match='more than --shots 5'):
        benchmark.draw_supports(benchmark.supports_of(benchmark.label_files.read(path, 'coco'), images), 5, 0)

"""Make .venv and install the lock into it: this is what `make setup` runs, with the first Python it finds.

Standard library only. Every possible failure ends in one line that names the fix.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time

FIRST, BEYOND = (3, 10), (3, 15)
NEEDED_GB = 6
# By preference: 3.12 comes last, because it needs a compiler; 3.13 and 3.14 do without mmpose.
CANDIDATES = ('python3.11', 'python3.10', 'python3.13', 'python3.14', 'python3.12')


def supported(python, imports='sys'):
    """Whether `python` runs, is 3.10-3.14 and can import the modules named."""
    code = f'import sys, {imports}; sys.exit(not {FIRST} <= sys.version_info[:2] < {BEYOND})'
    try:
        return subprocess.run([python, '-c', code], capture_output=True).returncode == 0
    except OSError:
        return False


def what_is_missing():
    """What keeps this interpreter from making the environment, with its fix; None if nothing does."""
    version = '{}.{}'.format(*sys.version_info)
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return f'this Python {version} cannot make virtual environments; fix: apt install python{version}-venv'
    return None


def reason_without_mmpose():
    """Why this interpreter does without mmpose and xtcocotools, which are optional where no wheels exist.

    None if they come from the lock or can be built.
    """
    version = '{}.{}'.format(*sys.version_info)
    if sys.version_info >= (3, 13):
        return f'xtcocotools does not build on Python {version}; to have both: make setup PYTHON=python3.11'
    if sys.version_info < (3, 12) and platform.machine() == 'x86_64':
        return None
    compiler = shlex.split(os.environ.get('CC') or sysconfig.get_config_var('CC') or 'cc')[0]
    header = os.path.join(sysconfig.get_path('include'), 'Python.h')
    if shutil.which(compiler) and os.path.exists(header):
        return None
    return (
        f'xtcocotools must be compiled for this Python {version}, which takes {compiler} and Python.h; '
        f'to have both: apt install gcc python{version}-dev && make clean setup'
    )


def hand_over():
    """Run this script again with the first supported Python that is installed; never returns."""
    here = '{}.{}'.format(*sys.version_info)
    for path in filter(None, map(shutil.which, CANDIDATES)):
        if supported(path):
            print(f'Python {here} is not supported, continuing with {path}', flush=True)
            os.execv(path, [path, *sys.argv])
    sys.exit(
        f'capekit needs Python 3.10 to 3.14, and only {here} was found; '
        'fix: install one (uv python install 3.11, or conda create -n capekit python=3.11), '
        'then make setup PYTHON=/path/to/python3.11'
    )


def do_without_windows(python):
    """Replace opencv-python, if the desktop libraries that it needs are missing, by its build without windows."""
    probe = subprocess.run([python, '-c', 'import cv2'], capture_output=True, text=True)
    if probe.returncode == 0 or 'ImportError: lib' not in probe.stderr:
        return
    reason = probe.stderr.strip().splitlines()[-1].removeprefix('ImportError: ')
    ask = "from importlib.metadata import version; print(version('opencv-python'))"
    version = subprocess.check_output([python, '-c', ask], text=True).strip()
    print(f'{reason}; taking opencv-python-headless {version} instead', flush=True)
    pip = [python, '-m', 'pip', '--disable-pip-version-check']
    subprocess.call([*pip, 'uninstall', '-q', '-y', 'opencv-python'])
    # Forced: an earlier set-up's may be listed as installed, its files gone with the ones just removed.
    headless = ['--force-reinstall', f'opencv-python-headless=={version}']
    if subprocess.call([*pip, 'install', '-q', '--no-deps', *headless]):
        sys.exit('opencv could not be installed; fix: apt install libgl1 libglib2.0-0, then make setup once more')


def main():
    folder = sys.argv[1]
    if not FIRST <= sys.version_info[:2] < BEYOND:
        hand_over()
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    python = os.path.join(folder, 'bin', 'python')
    unfinished = os.path.join(folder, '.unfinished')
    start = time.time()

    # An existing environment is used, unless its Python does not fit or its set-up was interrupted.
    if os.path.exists(unfinished) or not supported(python, 'pip'):
        missing = what_is_missing()
        if missing:
            sys.exit(missing)
        if subprocess.call([sys.executable, '-m', 'venv', '--clear', folder]):
            free = shutil.disk_usage('.').free / 1e9
            if free < NEEDED_GB:
                sys.exit(f'{free:.1f} GB are free here and {NEEDED_GB} GB are needed; fix: free some, then make setup')
            sys.exit('python -m venv failed, see above; fix: apt install python{}.{}-venv'.format(*sys.version_info))
    print(f'setting up {folder} (about two minutes, 5 GB)', flush=True)

    open(unfinished, 'w').close()
    without_mmpose = reason_without_mmpose()
    from_source = [] if without_mmpose else [['--no-build-isolation', '-r', 'requirements-source.txt']]
    for arguments in (
        ['--use-pep517', '-r', 'requirements.lock'],
        *from_source,
        ['--no-build-isolation', '-e', '.'],
    ):
        quietly = ['-q', '--disable-pip-version-check', '--no-input', '--no-deps']
        if subprocess.call([python, '-m', 'pip', 'install', *quietly, *arguments]):
            free = shutil.disk_usage('.').free / 1e9
            fix = f'free some space ({free:.1f} GB are left), then make setup' if free < 1 else 'make setup once more'
            sys.exit(f'pip install {" ".join(arguments)} failed, see above; fix: {fix}')
    do_without_windows(python)
    if subprocess.call([python, os.path.join('tools', 'check_env.py')]):
        sys.exit(1)
    if without_mmpose:
        print(f'without mmpose and xtcocotools, which are optional: {without_mmpose}')
    os.remove(unfinished)
    open(os.path.join(folder, '.ready'), 'w').close()
    print(f'{folder} is ready after {time.time() - start:.0f} s')


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit('set-up interrupted; make setup starts it again')

"""`capekit COMMAND [arguments]`, also `python -m capekit COMMAND`: every tool under one name."""

import importlib
import re
import sys
from collections.abc import Callable

from capekit.cli import USAGE_ERROR, run
from capekit.errors import CapekitError

# Command -> what it does. Each is the module of that name in `capekit.commands`, imported only when it is called.
COMMANDS = dict(
    train='train an estimator',
    test='test a trained estimator on categories it has never seen',
    sweep="train and test the rows of a list of runs, such as the papers' tables",
    annotate='open the page on which images are labelled, checked, predicted and corrected',
    label='label a few images, get the keypoints of all others',
    replay='look into a batch whose loss was not finite',
    score='score a dump of predictions again, or compare two',
    compare='compare two runs on the same episodes, with intervals and what moved most',
    report="render the papers' tables, published beside measured, and plots",
    audit='check annotation files and images before a run',
    prepare_mp100="put the images of MP-100's sources where its annotation files expect them",
    synthesize='generate a data set, or stand-ins for missing images',
    convert="rename the parameters of a checkpoint published by a method's authors",
    convert_labels='convert label files between COCO, DeepLabCut, SLEAP, CVAT, Label Studio and labelme',
    browse='look at what a model is given, after augmentation and padding',
    visualize='draw what a method does inside',
    configs='list the configs that come with capekit, or copy them',
    benchmark='measure speed and memory of a config',
    costs='count parameters and FLOPs of methods under backbones',
    complexity='parameters, FLOPs, time and memory of configs in one table',
    benchmark_labelling='measure how well few labelled images label the rest',
    demo='generate, train, test and draw in 12 minutes')


def load(name: str) -> Callable:
    """The `main` of a command's module.

    Raises:
        CapekitError: OpenCV lacks desktop libraries, as on a fresh server.
    """
    try:
        return importlib.import_module(f'capekit.commands.{name}').main
    except ImportError as error:
        if not re.match(r'lib\S+\.so', str(error)):
            raise
        raise CapekitError(f'{error}; fix: pip uninstall opencv-python, then pip install --force-reinstall --no-deps '
                           'opencv-python-headless') from None


def main() -> None:
    """Run the command named by the first argument; `-` and `_` in it are interchangeable."""
    name = sys.argv[1].replace('-', '_') if len(sys.argv) > 1 else '__help'
    if name in COMMANDS:
        sys.argv = [f'capekit {sys.argv[1]}', *sys.argv[2:]]
        run(lambda: load(name)())
    lines = [f'  {command.replace("_", "-"):20} {what}' for command, what in COMMANDS.items()]
    text = '\n'.join(['usage: capekit COMMAND [arguments]; for details, capekit COMMAND --help', *lines])
    if name in ('__help', '_h'):
        print(text)
        sys.exit(0)
    print(f'error: {sys.argv[1]!r} is not a command\n{text}', file=sys.stderr)
    sys.exit(USAGE_ERROR)


if __name__ == '__main__':
    main()

"""Registries of scope `capekit`, children of mmengine's: a config's `type` names a class found here.

Modules of another OpenMMLab package are reached by prefix (`mmpose.HRNet`) when that package is installed.
"""

import inspect

from mmengine import registry as root
from mmengine.registry import Registry

SCOPE = 'capekit'


def _child(name: str, location: str | None = None) -> Registry:
    """Our registry under mmengine's of that name; `location` is the module whose import fills it."""
    parent = getattr(root, name)
    return Registry(parent.name, scope=SCOPE, parent=parent, locations=[location] if location else [])


DATASETS = _child('DATASETS', 'capekit.datasets')
"""The interface of `dataset` in a data loader: `MP100Dataset`, or a subclass in capekit or in your own package.

Samplers and evaluators read its attributes `categories`, `category_ids`, `keypoints`, `bboxes` and `source`; what a
model is given comes from `crop(i, rng)`, which a subclass overrides to change images or keypoints. Annotations of
another form are best converted to a COCO file (`capekit convert-labels`), which all checks then read.
"""
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'capekit.datasets')
FUNCTIONS = _child('FUNCTIONS', 'capekit.datasets')
TRANSFORMS = _child('TRANSFORMS', 'capekit.datasets')
MODELS = _child('MODELS', 'capekit.models')
EVALUATOR = _child('EVALUATOR', 'capekit.evaluation')
"""The interface of `val_evaluator` and `test_evaluator`: a class, in capekit or in your own package, with one method.

    evaluate(dataset, plan, points, scores) -> dict
        `dataset`: an `MP100Dataset`. `plan`: a `TestPlan` of E episodes with Q queries. `points`: (E, Q, Kmax, 2)
        float32 x, y in pixels of the original image. `scores`: (E, Q, Kmax) float32 confidence of each point. Both are
        nan from a category's number of keypoints on. Called once per validation or test, on the main process.
        The returned report is JSON-able and has `overall`: {`metrics`: {name: {`value`: float}}}. These values are
        what mmengine logs and `save_best` names. Whatever else `capekit.evaluation.evaluate` reports is optional and is
        shown in the tables where present: `low` and `high` beside a `value`, `categories`, `unscored_rows`, ...

It may have `metrics`, a dict: name of each metric -> 'greater' or 'less', which values are the better ones. A wrong
`save_best` is then refused before the run instead of after the first validation.
"""
HOOKS = _child('HOOKS', 'capekit.engine')
LOOPS = _child('LOOPS', 'capekit.engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'capekit.engine')
RUNNERS = _child('RUNNERS', 'capekit.engine.runner')
# No classes of ours in these yet; without them mmengine warns whenever it builds in our scope.
MODEL_WRAPPERS = _child('MODEL_WRAPPERS')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS')
OPTIMIZERS = _child('OPTIMIZERS')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS')
VISUALIZERS = _child('VISUALIZERS')
VISBACKENDS = _child('VISBACKENDS')
LOG_PROCESSORS = _child('LOG_PROCESSORS')


def find_option(registry: Registry, config: dict, name: str) -> inspect.Parameter | None:
    """The option `name` of the class or function that a typed dict builds; None if it takes no such option.

    A `**kwargs` passes options on to the parent class.
    """
    target = registry.get(config['type']) if isinstance(config['type'], str) else config['type']
    chain = ([vars(c)['__init__'] for c in target.__mro__ if '__init__' in vars(c)] if inspect.isclass(target)
             else [target])
    for function in filter(callable, chain):  # mmengine also finds modules by name
        parameters = inspect.signature(function).parameters
        if name in parameters or not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return parameters.get(name)
    return None

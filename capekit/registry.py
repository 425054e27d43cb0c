"""Registries of scope `capekit`, children of mmengine's: a config's `type` names a class found here.

Modules of another OpenMMLab package are reached by prefix (`mmpose.HRNet`) when that package is installed.
"""

from mmengine import registry as root
from mmengine.registry import Registry

SCOPE = 'capekit'


def _child(name: str, location: str | None = None) -> Registry:
    """Our registry under mmengine's of that name; `location` is the module whose import fills it."""
    parent = getattr(root, name)
    return Registry(parent.name, scope=SCOPE, parent=parent, locations=[location] if location else [])


DATASETS = _child('DATASETS', 'capekit.datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'capekit.datasets')
FUNCTIONS = _child('FUNCTIONS', 'capekit.datasets')
TRANSFORMS = _child('TRANSFORMS', 'capekit.datasets')
MODELS = _child('MODELS', 'capekit.models')
EVALUATOR = _child('EVALUATOR', 'capekit.evaluation')
HOOKS = _child('HOOKS', 'capekit.engine')
LOOPS = _child('LOOPS', 'capekit.engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'capekit.engine')
RUNNERS = _child('RUNNERS', 'capekit.engine.runner')
# Nothing of ours in these yet; without them mmengine warns whenever it builds in our scope.
MODEL_WRAPPERS = _child('MODEL_WRAPPERS')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS')
OPTIMIZERS = _child('OPTIMIZERS')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS')
VISUALIZERS = _child('VISUALIZERS')
VISBACKENDS = _child('VISBACKENDS')
LOG_PROCESSORS = _child('LOG_PROCESSORS')

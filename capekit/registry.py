"""Registries of scope `capekit`, children of mmengine's: a config's `type` names a class found here.

Modules of another OpenMMLab package are reached by prefix (`mmpose.HRNet`) when that package is installed.
"""

from mmengine.registry import DATA_SAMPLERS as ROOT_DATA_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import EVALUATOR as ROOT_EVALUATOR
from mmengine.registry import FUNCTIONS as ROOT_FUNCTIONS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOOPS as ROOT_LOOPS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import RUNNERS as ROOT_RUNNERS
from mmengine.registry import Registry

SCOPE = 'capekit'

DATASETS = Registry('dataset', scope=SCOPE, parent=ROOT_DATASETS, locations=['capekit.datasets'])
DATA_SAMPLERS = Registry('data sampler', scope=SCOPE, parent=ROOT_DATA_SAMPLERS, locations=['capekit.datasets'])
FUNCTIONS = Registry('function', scope=SCOPE, parent=ROOT_FUNCTIONS, locations=['capekit.datasets'])
MODELS = Registry('model', scope=SCOPE, parent=ROOT_MODELS, locations=['capekit.models'])
EVALUATOR = Registry('evaluator', scope=SCOPE, parent=ROOT_EVALUATOR, locations=['capekit.evaluation'])
HOOKS = Registry('hook', scope=SCOPE, parent=ROOT_HOOKS, locations=['capekit.engine'])
LOOPS = Registry('loop', scope=SCOPE, parent=ROOT_LOOPS, locations=['capekit.engine'])
OPTIM_WRAPPERS = Registry('optim wrapper', scope=SCOPE, parent=ROOT_OPTIM_WRAPPERS, locations=['capekit.engine'])
RUNNERS = Registry('runner', scope=SCOPE, parent=ROOT_RUNNERS, locations=['capekit.engine'])

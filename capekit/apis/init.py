"""From a config to an estimator that is ready to predict."""

from pathlib import Path

from mmengine.config import Config

from capekit.checkpoint import load_weights
from capekit.engine.config import build, load_config
from capekit.engine.crop_size import sized_model, stage_to_answer
from capekit.registry import MODELS


def init_estimator(config: str | Path | Config, checkpoint: str | None = None, device: str = 'cpu',
                   cfg_options: dict | None = None):
    """Build the estimator of a config, in eval mode, for crops of its test data's size.

    Without a checkpoint the network has random weights, and nothing is downloaded. A method that has nothing to train
    (its head is `frozen`) takes its backbone's published weights instead.

    Args:
        config: path of a config file, or a loaded one.
        checkpoint: a capekit checkpoint; every parameter must match.
        device: such as 'cpu', 'cuda:0'.
        cfg_options: overrides by dotted key, such as {'model.head.decoder_layers': 0}.

    Returns:
        CapeEstimator: call it with an `Episode` and mode='predict'.

    Raises:
        CapekitError: unknown config keys or types, or a checkpoint that does not match.
    """
    config = load_config(config, cfg_options)
    estimator = build(MODELS, sized_model(config, stage_to_answer(config)), 'model')
    if checkpoint is not None:
        load_weights(estimator, checkpoint)
    elif getattr(getattr(estimator, 'head', None), 'frozen', False):
        for network in filter(None, (estimator.backbone, estimator.support_backbone)):
            network.init_weights()  # the estimator's own would log every parameter
    return estimator.to(device).eval()

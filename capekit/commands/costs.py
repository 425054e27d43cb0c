"""Parameters and FLOPs of methods under backbones, in one table.

    python tools/analysis/costs.py [--methods capeformer_r50 ...] [--backbones ResNet-50 ...]

Counted by torch: matrix products, convolutions and attention, a multiplication and its addition as two, for one query
and one support with their crops, from images to points. Weights are random; nothing is downloaded.
"""

import argparse
from pathlib import Path

from capekit.apis import init_estimator
from capekit.commands.arguments import Whole
from capekit.engine.config import load_config
from capekit.engine.costs import count_flops, count_parameters
from capekit.errors import CapekitError
from capekit.files import check_writable, write_json
from capekit.reports.complexity import costs_table
from capekit.shipped import shipped_configs

MODELS = shipped_configs() / '_base_/models'
# MAML and Fine-tune are no heads: they train the network of POMNet's paper on the supports, for as long as one likes.
METHODS = ('protonet_r50', 'matching_lite0', 'pomnet_r50', 'capeformer_r50', 'fmmp_r50', 'sdpnet_r50',
           'graphcape_swinv2-t', 'edgecape_dinov2-s')
BACKBONES = {
    'ResNet-50': 'resnet50.tv_in1k', 'HRNet-32': 'hrnet_w32.ms_in1k', 'SwinV2-T': 'swinv2_tiny_window16_256',
    'DINOv2 ViT-S/14': 'vit_small_patch14_dinov2.lvd142m', 'EfficientNet-Lite0': 'tf_efficientnet_lite0.in1k'}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', default=METHODS, metavar='NAME',
                        help=f'of configs/_base_/models (default: {" ".join(METHODS)})')
    parser.add_argument('--backbones', nargs='+', default=tuple(BACKBONES), choices=tuple(BACKBONES), metavar='NAME',
                        help=f'of {", ".join(BACKBONES)} (default: all)')
    parser.add_argument('--keypoints', action=Whole, default=17, help='of the category (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='OUT', help='also write the results to this file')
    args = parser.parse_args()
    if args.json is not None:
        check_writable(args.json, '--json')
    records = []
    for method in args.methods:
        if not (MODELS / f'{method}.py').is_file():
            raise CapekitError(f'--methods {method}: no such file in configs/_base_/models')
        for backbone in args.backbones:
            parameters, flops = costs(method, backbone, args.keypoints)
            records.append(dict(method=method.split('_')[0], backbone=backbone, parameters=parameters, flops=flops))
    if args.json is not None:
        write_json(args.json, dict(keypoints=args.keypoints, records=records))
    print(costs_table(dict(records=records)))


def costs(method: str, backbone: str, keypoints: int) -> tuple[int, int]:
    """(parameters, FLOPs of one episode with one support) of a method under a backbone."""
    own = load_config(MODELS / f'{method}.py').model
    wanted = own.backbone.get('strides', (32,))
    vit = BACKBONES[backbone].startswith('vit')
    network: dict = dict(type='TimmViT', blocks=list(range(12 - len(wanted), 12)), position='hub') if vit else dict(
        type='TimmPyramid', strides=wanted, last_norm=backbone == 'SwinV2-T' and wanted[-1] == 32)
    network.update(name=BACKBONES[backbone], _delete_=True)
    size = 224 if vit else 256
    options = {'model.backbone': network, 'model.image_size': size}
    if own.get('support_backbone'):
        options['model.support_backbone'] = dict(network)
    if vit and 'graphcape' in method:
        options['model.head.enlarge'] = 1  # its map is that of stride 14 already
    estimator = init_estimator(MODELS / f'{method}.py', cfg_options=options)
    return count_parameters(estimator), count_flops(estimator, size, keypoints)

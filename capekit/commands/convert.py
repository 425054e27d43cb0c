"""Convert a checkpoint published by a method's authors to capekit's parameter names.

    python tools/convert_checkpoint.py capeformer SRC.pth DST.pth
"""

import argparse

from capekit.checkpoint import read_checkpoint, save_checkpoint
from capekit.interop import CONVERTERS, convert


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('method', choices=sorted(CONVERTERS))
    parser.add_argument('source', help="the authors' file")
    parser.add_argument('target', help='the file to write')
    args = parser.parse_args()
    state = convert(args.method, read_checkpoint(args.source), args.source)
    save_checkpoint(dict(state_dict=state, meta=dict(converted_from=args.method)), args.target)
    print(f'{args.target}: {len(state)} tensors, {sum(v.numel() for v in state.values()) / 1e6:.1f} M values')

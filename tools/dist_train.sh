#!/usr/bin/env bash
# tools/dist_train.sh CONFIG GPUS [arguments of capekit train]: train on the GPUs of this machine.
# NNODES, NODE_RANK, MASTER_ADDR and PORT are for several machines.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 CONFIG GPUS [arguments of capekit train]" >&2; exit 2; }
config=$1 gpus=$2
shift 2
exec python -m torch.distributed.run --nproc_per_node="$gpus" --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    -m capekit train "$config" --launcher pytorch "$@"

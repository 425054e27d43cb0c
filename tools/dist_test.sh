#!/usr/bin/env bash
# tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of capekit test]: test on the GPUs of this machine.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of capekit test]" >&2; exit 2; }
config=$1 checkpoint=$2 gpus=$3
shift 3
exec python -m torch.distributed.run --nproc_per_node="$gpus" --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    -m capekit test "$config" "$checkpoint" --launcher pytorch "$@"

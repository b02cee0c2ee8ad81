#!/bin/sh
# Objects of all photos of a folder, proposed by GNU parallel: deploy/pre-parallel.sh photos/ 64 [-o out.json --cfr 1 ...]
# On several machines that see the same files: PARALLEL='--sshlogin a,b,c --workdir .' deploy/pre-parallel.sh ...
set -eu
photos=$1 shards=$2
shift 2
seq "$shards" | parallel --will-cite --retries 3 \
  fewclicks annotate "$photos" --pre --threads 1 --shard "{}/$shards" "$@"
exec fewclicks annotate "$photos" --pre --join "$shards" "$@"

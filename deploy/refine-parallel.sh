#!/bin/sh
# All shards of a set by GNU parallel, then the whole: deploy/refine-parallel.sh set.json photos/ out.json 64 [--cfr 1 ...]
# On several machines that see the same files: PARALLEL='--sshlogin a,b,c --workdir .' deploy/refine-parallel.sh ...
set -eu
set_file=$1 photos=$2 out=$3 shards=$4
shift 4
seq "$shards" | parallel --will-cite --retries 3 \
  fewclicks refine "$set_file" --images "$photos" -o "$out" --threads 1 --shard "{}/$shards" "$@"
exec fewclicks refine "$set_file" --images "$photos" -o "$out" --join "$shards" "$@"

#!/bin/bash
#SBATCH --job-name=refine
#SBATCH --array=1-64
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --requeue
# One shard of a set: SET=set.json PHOTOS=photos/ OUT=out.json sbatch --export=ALL deploy/refine-slurm.sh
# A task that is started again, or a second time, does nothing where its shard is written. Afterwards:
#   sbatch --dependency=afterok:JOB --wrap 'fewclicks refine set.json --images photos/ -o out.json --join 64'
set -euo pipefail
exec fewclicks refine "$SET" --images "$PHOTOS" -o "$OUT" --threads "${SLURM_CPUS_PER_TASK:-1}" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" ${FEWCLICKS_OPTIONS:-}

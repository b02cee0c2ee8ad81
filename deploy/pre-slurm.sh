#!/bin/bash
#SBATCH --job-name=pre-annotate
#SBATCH --array=1-64
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --requeue
# One shard of a folder of photos: PHOTOS=photos/ OUT=proposals.json sbatch --export=ALL deploy/pre-slurm.sh
# A task that is started again, or a second time, does nothing where its shard is written. Afterwards:
#   sbatch --dependency=afterok:JOB --wrap 'fewclicks annotate photos/ --pre -o proposals.json --join 64'
set -euo pipefail
exec fewclicks annotate "$PHOTOS" --pre -o "$OUT" --threads "${SLURM_CPUS_PER_TASK:-1}" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" ${FEWCLICKS_OPTIONS:-}

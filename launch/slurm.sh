#!/bin/bash
# A fleet by Slurm without Ray: an array of jobs, each of which takes its share of a manifest.
#
#   sbatch --array=0-9 launch/slurm.sh /shared/day.txt /shared/out
#
# Job k of n perceives the lines k, k + n, k + 2n … of the manifest (a drive each) into OUT/k. A job that is
# submitted again, or requeued after its machine has died, goes on where it was.
#
# Training stays with torchrun: see docs/training.md.
#SBATCH --job-name=perception-fleet
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=2G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@60
set -euo pipefail

manifest=${1:?give a manifest, a drive on each line}
out=${2:?give the folder to write, which all machines see}
k=$((${SLURM_ARRAY_TASK_ID:-0} - ${SLURM_ARRAY_TASK_MIN:-0}))
# Next to the manifest: relative paths in it are relative to its folder.
share=$(mktemp --tmpdir="$(dirname "$manifest")" .share-XXXXXX.txt)
trap 'rm -f "$share"' EXIT
grep -v '^[[:space:]]*\(#\|$\)' "$manifest" \
  | awk -v k="$k" -v n="${SLURM_ARRAY_TASK_COUNT:-1}" '(NR - 1) % n == k' > "$share"
if [ ! -s "$share" ]; then
  exit 0
fi
# Slurm gives the cores by affinity, so that `--jobs` is one drive for each of them by itself.
srun perception fleet "$share" "$out/$k" --engine "${PERCEPTION_ENGINE:-onnx-cpu-int8}" --quiet

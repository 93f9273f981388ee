#!/usr/bin/env bash
# Trains in legs of some minutes on a machine that is not at hand for longer, such as a rented GPU.
#
#   here:   perception train RECIPE pieces --data DATA --pack           the data, in pieces of at most 60 MiB
#   there:  launch/gpu-leg.sh leg RECIPE pieces RUN BACK MINUTES [OPTIONS OF perception train]
#   here:   launch/gpu-leg.sh join BACK RUN                             the checkpoint, put together again
#
# A leg trains on the pieces that have arrived. It goes on from RUN/checkpoint.pt, or from the parts of one in
# RUN; the first leg needs --initial CHECKPOINT or BUNDLE among its options, or begins from nothing. It leaves
# log.jsonl and the checkpoint in BACK, in parts of 15 MiB. Wheels in the folder that WHEELS names are installed
# first. All that is needed is this folder, and a Python (PYTHON names it) with torch and what perception/training
# imports; nothing is installed of perception itself.
set -euo pipefail

PART=15M

usage() {
    sed -n '3,6p' "$0" | cut -c3- >&2
    exit 2
}

join() {  # FROM RUN: RUN/checkpoint.pt out of its parts in FROM
    compgen -G "$1/checkpoint.pt.part-*" > /dev/null || { echo "gpu-leg: $1: no parts of a checkpoint" >&2; exit 1; }
    mkdir -p "$2"
    cat "$1"/checkpoint.pt.part-* > "$2/checkpoint.new"
    mv "$2/checkpoint.new" "$2/checkpoint.pt"
    if [ "$1" != "$2" ]; then cp "$1/log.jsonl" "$2/"; fi
}

leg() {
    [ $# -ge 5 ] || usage
    local recipe=$1 pieces=$2 run=$3 back=$4 minutes=$5
    shift 5
    if [ -n "${WHEELS:-}" ]; then
        "${PYTHON:-python3}" -m pip install -q --no-index --no-deps --target "$run/site" "$WHEELS"/*.whl
        export PYTHONPATH="$run/site:${PYTHONPATH:-}"
    fi
    if [ ! -e "$run/checkpoint.pt" ] && compgen -G "$run/checkpoint.pt.part-*" > /dev/null; then join "$run" "$run"; fi
    local options=()
    if [ -e "$run/checkpoint.pt" ]; then
        options=(--resume)
        while [ $# -gt 0 ]; do  # what the run began from is in its checkpoint
            if [ "$1" = --initial ]; then shift; else options+=("$1"); fi
            shift
        done
    else
        options=("$@")
    fi
    "${PYTHON:-python3}" -m perception.training "$recipe" "$run" --packed "$pieces" --minutes "$minutes" "${options[@]}"
    mkdir -p "$back"
    rm -f "$back"/checkpoint.pt.part-*
    split -b "$PART" -d "$run/checkpoint.pt" "$back/checkpoint.pt.part-"
    cp "$run/log.jsonl" "$back/"
}

case "${1:-}" in
    leg) shift; leg "$@" ;;
    join) shift; [ $# -eq 2 ] || usage; join "$@" ;;
    *) usage ;;
esac

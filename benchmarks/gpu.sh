#!/usr/bin/env bash
# How fast a run trains on this machine's first GPU, beside transformers' Trainer: writes docs/benchmarks/gpu.md.
# Options go to benchmarks/gpu.py, for example `benchmarks/gpu.sh --rounds 1 --only minilm`; PYTHON names an interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-0}
table=$(mktemp)
trap 'rm -f "$table"' EXIT
"$python" benchmarks/gpu.py "$@" > "$table"
cp "$table" docs/benchmarks/gpu.md

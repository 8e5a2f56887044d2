#!/bin/sh
# Makes the default model, step by step; options go to every step: runs/default.sh --smoke
set -e
cd "$(dirname "$0")/.."
for step in corpus tokenizer pack pretrain ing stage2 utility export evaluate; do
  echo "== $step"
  "${PYTHON:-python}" -m "scripts.$step" "$@"
done

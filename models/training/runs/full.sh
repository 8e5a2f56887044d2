#!/bin/sh
# Makes the model of full scale (44 million parameters, context 2,048) in a work folder, on one GPU: runs/full.sh [FOLDER]
set -e
cd "$(dirname "$0")/.."
work=${1:-full}
run() {
  name=$1
  shift
  "${PYTHON:-python}" -m "scripts.$name" --work "$work" "$@"
}
run corpus
run tokenizer --vocabulary 16384 --sample 200000000
run pack --length 2048 --epochs 2 --processes 16
run pretrain --hidden 512 --layers 12 --query-heads 8 --key-value-heads 4 --intermediate 1408 \
  --rows 128 --micro-rows 32 --minutes 15
run ing --minutes 4 --batch 256
run stage2 --minutes 2 --batch 256
run utility --minutes 1.5 --batch 256
run export

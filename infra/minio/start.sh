#!/bin/sh
# Starts MinIO on this machine for a root to keep its chunks in; Ctrl-C stops it.
#   sh infra/minio/start.sh [folder]        folder of the data, ./minio-data unless told
# MinIO is taken from $MINIO or PATH, else built once by its documented `go install`.
set -eu
data=${1:-./minio-data}
bin=${MINIO:-$(command -v minio || true)}
if [ -z "$bin" ]; then
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/dadip2p
  bin=$cache/minio
  if [ ! -x "$bin" ]; then
    command -v go >/dev/null || { echo "neither minio nor go is on PATH; install one of them" >&2; exit 1; }
    echo "building MinIO into $cache: this takes some minutes" >&2
    GOBIN=$cache go install github.com/minio/minio@latest
  fi
fi
mkdir -p "$data"
export MINIO_ROOT_USER="${MINIO_ROOT_USER:-dadip2p}" MINIO_ROOT_PASSWORD="${MINIO_ROOT_PASSWORD:-dadip2p-secret}"
cat >&2 <<EOF
MinIO will serve http://127.0.0.1:9000. In another shell:
  export DADIP2P_S3__AccessKeyId=$MINIO_ROOT_USER DADIP2P_S3__SecretAccessKey=$MINIO_ROOT_PASSWORD
  npm start -- --s3 http://127.0.0.1:9000
EOF
exec "$bin" server --address 127.0.0.1:9000 "$data"

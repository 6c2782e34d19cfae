#!/usr/bin/env bash
# Write the Python of every .proto file into gen/ beside this script, or into gen/ of the directory given.
# PYTHON names the Python that has grpcio-tools; by default it is the one of the repository's .venv.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHON=${PYTHON:-$here/../.venv/bin/python}

if ! "$PYTHON" -c 'import grpc_tools' 2>/dev/null; then
  echo "generate.sh: $PYTHON is no Python with grpcio-tools; install the dev extra or set PYTHON" >&2
  exit 1
fi
"$here/buf.sh" generate "$here" --template "$here/buf.gen.yaml" --output "${1:-$here}"

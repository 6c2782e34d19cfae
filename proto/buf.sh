#!/usr/bin/env bash
# Run the pinned buf. It is installed from the lock when it is missing or of another version.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
buf=$here/node_modules/.bin/buf
pinned=$(sed -n 's/.*"@bufbuild\/buf": "\([^"]*\)".*/\1/p' "$here/package.json")

if [[ $("$buf" --version 2>/dev/null) != "$pinned" ]]; then
  (cd "$here" && npm ci --loglevel=error >&2)
fi
exec "$buf" "$@"

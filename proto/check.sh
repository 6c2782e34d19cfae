#!/usr/bin/env bash
# Hold proto/ to its rules: format, lint, no breaking change, generated code up to date.
# PYTHON is as in generate.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

commit_of() { git -C "$here" rev-parse --verify --quiet "$1^{commit}"; }

has_proto() { [[ -n $(git -C "$here" ls-tree -r --name-only "$1" -- stele) ]]; }

# The commit that clients may have built on: main, or on main itself the last one before HEAD that touched a .proto.
baseline() {
  local head ref commit
  head=$(commit_of HEAD) || return 0
  for ref in refs/remotes/origin/main refs/heads/main; do
    if commit=$(commit_of "$ref") && [[ $commit != "$head" ]] && has_proto "$commit"; then
      echo "$commit"
      return
    fi
  done
  commit_of HEAD~1 >/dev/null || return 0
  commit=$(git -C "$here" log -1 --format=%H HEAD~1 -- stele)
  if [[ -n $commit ]] && has_proto "$commit"; then
    echo "$commit"
  fi
}

"$here/buf.sh" format "$here" --diff --exit-code
"$here/buf.sh" lint "$here"

before=$(baseline)
if [[ -n $before ]]; then
  git -C "$here/.." archive "$before" proto | tar -x -C "$work"
  "$here/buf.sh" breaking "$here" --against "$work/proto"
  echo "proto: nothing breaks against ${before:0:12}"
else
  echo "proto: no earlier proto to compare with, so nothing can break"
fi

"$here/generate.sh" "$work"
if ! diff -r -x __pycache__ "$here/gen" "$work/gen"; then
  echo "proto: gen/ is not what proto/ and the installed grpcio-tools make; run proto/generate.sh" >&2
  exit 1
fi
echo "proto: generated code is up to date"

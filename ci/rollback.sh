#!/usr/bin/env bash
# Rolls back: one revision, or down to INPUT_TO.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/options.sh"

rm -f "$out"/{outcome.json,outcome.md}
[ -z "${INPUT_TO:-}" ] || options+=(--to "$INPUT_TO")
[ -z "${INPUT_WAIT:-}" ] || options+=(--wait "$INPUT_WAIT")

status=0
erm migrate --mode rollback --format github ${options[@]+"${options[@]}"} --report "$out/outcome.json" --report "$out/outcome.md" || status=$?
if [ -f "$out/outcome.md" ]; then
    cat "$out/outcome.md" >>"$summary"
fi
exit "$status"

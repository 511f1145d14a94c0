#!/usr/bin/env bash
# Signs the plan that the job before this one has kept, in a job that runs no code of the project: only there is the key.
# Prints every statement that it signs.
#   sign.sh fetched     says as what and where the plan is kept, for the step that fetches it and the one that keeps it again
#   sign.sh             signs it, with INPUT_SIGN_KEY; INPUT_DIGEST, where it is given, must be what its digest begins with
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/options.sh"

kept=$out/to-sign
if [ "${1:-}" = fetched ]; then
    rm -rf "$kept"
    printf 'artifact=%s\nkept=%s\n' "$artifact" "$kept" >>"$results"
    exit 0
fi
words=("$kept/plan.json")
[ -z "${INPUT_DIGEST:-}" ] || words+=(--digest "$INPUT_DIGEST")
# shellcheck disable=SC2016 # erm opens it, so that the key stands in no list of processes
erm sign "${words[@]}" --sign-key '${INPUT_SIGN_KEY}'

#!/usr/bin/env bash
# Applies what is pending. With INPUT_PLAN=approved it is the plan of the pull request that this commit was merged with, and
# nothing else is run; any other INPUT_PLAN is the file of a plan, and an empty one plans here and now.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/options.sh"

rm -f "$out"/{outcome.json,outcome.md}
reports=(--report "$out/outcome.json" --report "$out/outcome.md")
wait=()
[ -z "${INPUT_WAIT:-}" ] || wait+=(--wait "$INPUT_WAIT")

status=0
case "${INPUT_PLAN:-}" in
    "")
        [ -z "${INPUT_TO:-}" ] || options+=(--to "$INPUT_TO")
        ;;
    approved)
        # A merge that brings no revision has no plan to be fetched, and needs none.
        pending=0
        ERM_NO_SHADOW=1 env -u GITHUB_TOKEN erm migrate --mode plan --check ${options[@]+"${options[@]}"} >"$out/pending.txt" || pending=$?
        if [ "$pending" -eq 0 ]; then
            cat "$out/pending.txt"
            exit 0
        fi
        rm -f "$out/approved.json"
        erm fetch-plan --provider github --artifact "$artifact" --out "$out/approved.json"
        options+=(--plan "$out/approved.json")
        ;;
    *) options+=(--plan "$INPUT_PLAN") ;;
esac
unset GITHUB_TOKEN # the project's own code needs none
erm migrate --mode apply --format github ${options[@]+"${options[@]}"} ${wait[@]+"${wait[@]}"} "${reports[@]}" || status=$?
if [ -f "$out/outcome.md" ]; then
    cat "$out/outcome.md" >>"$summary"
fi
exit "$status"

#!/usr/bin/env bash
# Plans, and leaves in the folder: kept/plan.json to be approved (unless something objects), shown.json for programs,
# comment.md and plan.html for people; with INPUT_REPORT=true, shown.json and plan.html are kept too. Ends with 0 also where
# something objects, or where there is no plan at all, so that this can be shown; `refused` says so.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/options.sh"

kept=$out/kept
mkdir -p "$kept"
rm -f "$kept"/{plan.json,shown.json,plan.html} "$out"/{shown.json,comment.md,plan.html}
reports=(--report "$out/shown.json" --report "$out/comment.md" --report "$out/plan.html")
[ -z "${INPUT_TO:-}" ] || options+=(--to "$INPUT_TO")
if [ "${INPUT_KEEP:-true}" = true ]; then
    options+=(--out "$kept/plan.json")
    labels=""
    [ ! -f "${GITHUB_EVENT_PATH:-}" ] || labels=$(python3 "${BASH_SOURCE[0]%/*}/labels.py" <"$GITHUB_EVENT_PATH")
    partial=() # a list on several lines is one, too
    while read -r -a line; do partial+=(${line[@]+"${line[@]}"}); done <<<"${INPUT_APPROVE_PARTIAL:-}"$'\n'"$labels"
    for revision in ${partial[@]+"${partial[@]}"}; do options+=(--approve-partial "$revision"); done
fi

status=0
erm migrate --mode plan --format github ${options[@]+"${options[@]}"} "${reports[@]}" || status=$?
if [ ! -f "$out/shown.json" ]; then
    printf 'refused=true\n' >>"$results"
    exit 0 # nothing could be planned; the error stands above
fi
if [ "${INPUT_REPORT:-true}" = true ]; then
    cp "$out/shown.json" "$out/plan.html" "$kept/"
fi
python3 "${BASH_SOURCE[0]%/*}/outputs.py" "$out/shown.json" "$kept" "$artifact" >>"$results"
printf 'refused=%s\n' "$([ "$status" -eq 0 ] && echo false || echo true)" >>"$results"

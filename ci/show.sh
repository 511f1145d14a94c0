#!/usr/bin/env bash
# Shows the plan in the summary of the job, on the pull request (INPUT_COMMENT) and as a check run (INPUT_CHECK_RUN); where there is none,
# that there is none: a check that is required would be waited for without end.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/options.sh"

config=()
[ -z "${INPUT_CONFIG:-}" ] || config+=(--config "$INPUT_CONFIG")

none=(--failed)
[ -z "${INPUT_ENV:-}" ] || none+=(--env "$INPUT_ENV")
text=(--body "$out/comment.md")
[ -f "$out/comment.md" ] || text=("${none[@]}")
plan=(--plan "$out/shown.json")
[ -f "$out/shown.json" ] || plan=("${none[@]}")

# Of two checks of one name GitHub shows the last one alone.
title=()
[ -z "$folder" ] || title=(--title "erm ($environment, $folder)")

status=0
case "${INPUT_COMMENT:-true}:${GITHUB_EVENT_NAME:-}" in
    true:pull_request | true:pull_request_target | true:issue_comment)
        erm comment --provider github --summary "${text[@]}" ${config[@]+"${config[@]}"} || status=$?
        ;;
    *) cat "$out/comment.md" >>"$summary" || true ;;
esac
if [ "${INPUT_CHECK_RUN:-false}" = true ]; then
    erm check-run "${plan[@]}" ${title[@]+"${title[@]}"} ${config[@]+"${config[@]}"} || status=$?
fi
exit "$status"

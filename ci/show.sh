#!/usr/bin/env bash
# Shows the plan in the summary of the job, on the pull request (INPUT_COMMENT) and as a check run (INPUT_CHECK_RUN).
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/options.sh"

config=()
[ -z "${INPUT_CONFIG:-}" ] || config+=(--config "$INPUT_CONFIG")

text=(--body "$out/comment.md")
if [ ! -f "$out/comment.md" ]; then
    text=(--failed)
    [ -z "${INPUT_ENV:-}" ] || text+=(--env "$INPUT_ENV")
fi

case "${INPUT_COMMENT:-true}:${GITHUB_EVENT_NAME:-}" in
    true:pull_request | true:pull_request_target | true:issue_comment)
        erm comment --provider github --summary "${text[@]}" ${config[@]+"${config[@]}"}
        ;;
    *) cat "$out/comment.md" >>"$summary" || true ;;
esac
if [ "${INPUT_CHECK_RUN:-false}" = true ] && [ -f "$out/shown.json" ]; then
    erm check-run --plan "$out/shown.json" ${config[@]+"${config[@]}"}
fi

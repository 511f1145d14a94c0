#!/usr/bin/env bash
# Shows the plan in the summary of the job, on the pull request (INPUT_COMMENT) and as a check run (INPUT_CHECK_RUN).
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/options.sh"

config=()
[ -z "${INPUT_CONFIG:-}" ] || config+=(--config "$INPUT_CONFIG")

case "${INPUT_COMMENT:-true}:${GITHUB_EVENT_NAME:-}" in
    true:pull_request | true:pull_request_target | true:issue_comment)
        erm comment --provider github --summary --body "$out/comment.md" "${config[@]}"
        ;;
    *) cat "$out/comment.md" >>"$summary" ;;
esac
if [ "${INPUT_CHECK_RUN:-false}" = true ]; then
    erm check-run --plan "$out/shown.json" "${config[@]}"
fi

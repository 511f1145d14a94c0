#!/usr/bin/env bash
# Installs erm into the Python of the job.
#
#   INPUT_VERSION      "installed": there already; empty: the version that these files are of; else one of PyPI
#   GITHUB_ACTION_PATH where these files are
set -euo pipefail

case "${INPUT_VERSION:-}" in
    installed) ;;
    "") python3 -m pip install --quiet --disable-pip-version-check "erm-alembic[embedded,lint,sign] @ file://${GITHUB_ACTION_PATH// /%20}" ;;
    *[!0-9A-Za-z.+]*)
        printf 'The version "%s" is none: write it as in 1.4.0.\n' "$INPUT_VERSION" >&2
        exit 2
        ;;
    *) python3 -m pip install --quiet --disable-pip-version-check "erm-alembic[embedded,lint,sign]==$INPUT_VERSION" ;;
esac
erm --version

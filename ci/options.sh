# shellcheck shell=bash disable=SC2034
# Read by the other scripts: what was asked for, as options of erm. No input is ever a part of a command's text.
#
#   INPUT_ENV, INPUT_CONFIG, INPUT_TO    as --env, --config and --to; empty ones are left out
#   INPUT_ARTIFACT                       the name of the kept plan; empty: erm-plan-ENV, or erm-plan-ENV-FOLDER
#   INPUT_WORKING_DIRECTORY              the folder of the project in its repository, which tells several projects apart
#   ERM_CI_OUT                           the folder that the files are left in; default: .erm/ci
# (An empty array is written ${x[@]+"${x[@]}"} for the bash of macOS, which takes it for one that is not set.)
options=()
[ -z "${INPUT_ENV:-}" ] || options+=(--env "$INPUT_ENV")
[ -z "${INPUT_CONFIG:-}" ] || options+=(--config "$INPUT_CONFIG")

out=${ERM_CI_OUT:-.erm/ci}
mkdir -p "$out"

environment=${INPUT_ENV:-${ERM_ENV:-dev}}
folder=${INPUT_WORKING_DIRECTORY:-.}
[ "$folder" != . ] || folder=""
artifact=${INPUT_ARTIFACT:-erm-plan-$environment${folder:+-$folder}}
artifact=${artifact//[!A-Za-z0-9._-]/-} # what an artifact may be called

# Where GitHub reads results and the summary of the step; a person sees them on the terminal.
results=${GITHUB_OUTPUT:-/dev/stdout}
summary=${GITHUB_STEP_SUMMARY:-/dev/null}

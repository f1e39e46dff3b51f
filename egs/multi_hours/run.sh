#!/usr/bin/env bash
# Runs all stages of this recipe; --help lists the options. The recipe's settings are in recipe.yaml.
set -euo pipefail
export XLT_CWD=$PWD
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
exec ../common/asr.sh "$@"

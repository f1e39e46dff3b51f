#!/usr/bin/env bash
# Creates the recipe of a new language, egs/<iso639-3>/, from a corpus, and prints what is in the corpus.
#
# usage: tools/new_recipe.sh [--probe] CODE_Script [DIR_OR_FILE], e.g. tools/new_recipe.sh lug_Latn my_corpus/
#   CODE_Script  language (ISO 639-3) and script (ISO 15924), e.g. lug_Latn, srp_Cyrl
#   DIR_OR_FILE  the corpus: a folder, an archive or a table. Recognised forms: a table (XLSX, CSV, TSV, JSON …) with
#                sound files, a Kaldi directory, lhotse manifests, Common Voice, FLEURS, ELAN, Tux Paint
#   --probe      then rank the encoders that can be had on minutes of the speech, as tools/xlt probe does
#
# Installs the Python environment if needed, writes the recipe, and runs its stages 1 and 2 (data and check).
# Then egs/<iso639-3>/run.sh trains. Exit status: 0 success, 2 error with a remedy, 130 Ctrl-C.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
die() { printf 'new_recipe: %s\n' "$*" >&2; exit 2; }

case ${1:-} in -h|--help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;; esac
probe=()
if [[ ${1:-} == --probe ]]; then probe=(--probe); shift; fi
# what would be a pity to hear of after the installation
(( $# == 1 || $# == 2 )) || die "expected CODE_Script and the corpus; --help shows an example"
[[ $1 =~ ^[a-z]{3}_[A-Z][a-z]{3}$ ]] || {
  near=$(PYTHONPATH=$root "${XLT_VENV:-$root/.venv}/bin/python" -c \
    'import sys; from xlt.text.languages import meant; print(meant(sys.argv[1]) or "")' "$1" 2>/dev/null) || near=
  die "$1: expected three letters of ISO 639-3, '_', and four of ISO 15924, e.g. lug_Latn${near:+; did you mean $near?}"
}
[[ $# == 1 || -e $2 ]] || die "$2: no such file or folder"

[[ ${2:-} != -* ]] || set -- "$1" "./$2" # else it is taken for an option

trap '(( $? == 130 )) || echo "new_recipe: interrupted" >&2; exit 130' INT
"$root/tools/xlt" new_recipe ${probe[@]+"${probe[@]}"} "$@"

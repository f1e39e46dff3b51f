#!/usr/bin/env bash
# Makes the recipe of a new language, egs/<iso639-3>/, from egs/TEMPLATE.
#
# usage: tools/new_recipe.sh CODE_Script [DIR], e.g. tools/new_recipe.sh swh_Latn my_corpus/
#   CODE_Script  ISO 639-3 and ISO 15924, e.g. swh_Latn, srp_Cyrl
#   DIR          the corpus: a Kaldi data directory (wav.scp, text, utt2spk), a folder with train/, dev/ and test/ that
#                are ones, or an unpacked tuxpaint-stamps-default
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
die() { printf 'new_recipe: %s\n' "$*" >&2; exit 2; }

case ${1:-} in -h|--help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;; esac
(( $# == 1 || $# == 2 )) || die "expected CODE_Script and the folder of the corpus; --help shows an example"
code=$1 dir=${2:-}
[[ $code =~ ^[a-z]{3}_[A-Z][a-z]{3}$ ]] ||
  die "$code: expected three letters of ISO 639-3, '_', and four of ISO 15924, e.g. swh_Latn"
python=${XLT_VENV:-$root/.venv}/bin/python
if [[ -x $python ]]; then
  PYTHONPATH=$root "$python" -c '
import sys
from xlt import languages
from xlt.errors import ConfigError
try:
    languages.get(sys.argv[1])
except ConfigError as err:
    sys.exit(f"new_recipe: {err}")
' "$code" || exit 2
fi
recipe=$root/egs/${code%_*}
[[ ! -e $recipe ]] || die "egs/${code%_*} is there already; edit its recipe.yaml, or remove it first"

# What kind of corpus lies in $dir: the name of its reader, or nothing
kind_of() {
  local set
  [[ -f $dir/wav.scp && -f $dir/text ]] && { echo kaldi; return; }
  for set in train dev valid test; do
    [[ -f $dir/$set/wav.scp && -f $dir/$set/text ]] && { echo kaldi; return; }
  done
  [[ -z $(find -L "$dir" -name '*_desc_*.ogg' -print -quit) ]] || echo tuxpaint
}

reader='' place=null
if [[ -n $dir ]]; then
  [[ -d $dir ]] || die "$dir: no such folder"
  reader=$(kind_of)
  place=$(realpath --relative-base="$root" --relative-to="$recipe" "$dir")
  place="'${place//\'/\'\'}'"
fi

draft=$(mktemp -d "$root/egs/.new_recipe.XXXXXX")
trap 'rm -rf "$draft"' EXIT
cp "$root/egs/TEMPLATE/run.sh" "$draft/"
while IFS= read -r line; do
  case $line in
    '# Fill in lang and data'*) line='# Settings of this recipe. All others, with their defaults, are in' ;;
    'lang: '*) line="lang: $code" ;;
    '  reader: '*) [[ -z $dir ]] || line="  reader: ${reader:-null  # to fill in: kaldi or tuxpaint}" ;;
    '  dir: '*) [[ -z $dir ]] || line="  dir: $place" ;;
  esac
  printf '%s\n' "$line"
done <"$root/egs/TEMPLATE/recipe.yaml" >"$draft/recipe.yaml"
sed "s/CODE_Script/$code/g; s/CODE/${code%_*}/g" "$root/egs/TEMPLATE/README.md" >"$draft/README.md"
chmod 755 "$draft"
mv -T "$draft" "$recipe"

echo "new_recipe: made egs/${code%_*}: run.sh recipe.yaml README.md"
if [[ -z $dir ]]; then
  echo "new_recipe: fill in data.dir in egs/${code%_*}/recipe.yaml"
elif [[ -z $reader ]]; then
  echo "new_recipe: $dir is neither a Kaldi directory nor Tux Paint's stamps:" \
    "fill in data.reader in egs/${code%_*}/recipe.yaml"
fi
echo "next: egs/${code%_*}/run.sh"

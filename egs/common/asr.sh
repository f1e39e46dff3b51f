#!/usr/bin/env bash
# Runs the stages of the recipe in the current directory. egs/*/run.sh calls it.
#
# usage: ./run.sh [options] [key=value…]
#   --stage N|name       start at this stage, by number or name (default: the first)
#   --stop_stage N|name  stop after this stage (default: the last)
#   --force              run stages even if their output is up to date
#   --dry_run            show what would run, do nothing
#   --nj N               parallel processes (default: the number of cores)
#   --ngpu N             GPUs for features and training (default: all)
#   --executor NAME      where the work runs: local (default), slurm, dask; docs/scale.md
#   --list               list the stages
#   --help               this text
#   key=value            settings that override recipe.yaml, e.g. features.upstream=fbank train.lr=0.001;
#                        docs/settings.md lists them all
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
# N name what it does, a line a stage, as the package has them: no environment is needed for that
stages=()
while IFS= read -r row; do stages+=("$row"); done < <(sed -nE \
  's/^    Stage\(([0-9]+), "([a-z]+)", "([^"]+)"\),$/\1 \2 \3/p' "$root/xlt/core/context.py")

die() { printf 'run.sh: %s\n' "$*" >&2; exit 2; }

list() {
  local number name does
  for row in "${stages[@]}"; do
    read -r number name does <<<"$row"
    printf '%4d  %-9s %s\n' "$number" "$name" "$does"
  done
}

# number_of OPTION WORD: the number of the stage that is called WORD
number_of() {
  local number name names=''
  for row in "${stages[@]}"; do
    read -r number name _ <<<"$row"
    if [[ $2 == "$number" || $2 == "$name" ]]; then echo "$number"; return; fi
    names+=" $name"
  done
  die "$1: no stage ${2:-of that name}; there are 1 to ${#stages[@]}:$names"
}

first='' last='' flags=() settings=()
while (( $# )); do
  option=$1 value=''
  if [[ $1 =~ ^(--stage|--stop_stage|--nj|--ngpu|--executor)=(.*)$ ]]; then
    option=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
  elif [[ $1 =~ ^(--stage|--stop_stage|--nj|--ngpu|--executor)$ ]]; then
    (( $# > 1 )) || die "$1: needs a value"
    value=$2
    shift
  fi
  case $option in
    --stage) first=$value; number_of --stage "$value" >/dev/null ;;
    --stop_stage) last=$value; number_of --stop_stage "$value" >/dev/null ;;
    --nj) [[ $value =~ ^[1-9][0-9]*$ ]] || die "--nj: found '$value', expected a whole number above 0"
      flags+=(--nj "$value") ;;
    --ngpu) [[ $value =~ ^[0-9]+$ ]] || die "--ngpu: found '$value', expected a whole number"
      flags+=(--ngpu "$value") ;;
    --executor) flags+=(--executor "$value") ;;
    --force|--dry_run) flags+=("$option") ;;
    --list) list; exit ;;
    --help|-h) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; echo; echo stages:; list; exit ;;
    -*) die "$1: no such option; --help lists them" ;;
    *=*) settings+=("$1") ;;
    *) die "$1: expected an option or key=value; --help lists them" ;;
  esac
  shift
done
from=$(number_of --stage "${first:-1}")
to=$(number_of --stop_stage "${last:-${#stages[@]}}")
(( from <= to )) || die "--stage ${first:-1} comes after --stop_stage $last"
[[ -f recipe.yaml ]] || die "$PWD/recipe.yaml: no such file; start a recipe by its own run.sh, e.g. egs/ron/run.sh"

# A stage that ends with 130 has said that it was interrupted.
trap '(( $? == 130 )) || echo "run.sh: interrupted; the same command continues from here" >&2; exit 130' INT
"$root/tools/xlt" run --stage "$from" --stop_stage "$to" ${flags[@]+"${flags[@]}"} ${settings[@]+"${settings[@]}"}

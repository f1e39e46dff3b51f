#!/usr/bin/env bash
# Installs xlt's Python environment into .venv of the repository, or into $XLT_VENV.
#
# usage: tools/install.sh [--quiet] [EXTRA...]
#   --quiet   print nothing if the environment is up to date
#   EXTRA     extras of setup.py, e.g. parquet; kaldiio is always installed
# environment:
#   PYTHON           Python 3.12 or 3.13 to use
#   XLT_VENV         another folder for the environment; several checkouts may share it
#   XLT_TORCH_INDEX  another package index for torch, e.g. with CPU-only builds (4 GB of disk instead of 11)
#
# A second run does nothing; after an interruption, the same command continues.
# Exit status: 0 success, 2 error with a remedy, 130 Ctrl-C.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
own=$root/.venv
venv=${XLT_VENV:-$own}
[[ $venv == /* ]] || venv=${XLT_CWD:-$PWD}/$venv
constraints=$root/tools/constraints.txt
stamp=$venv/xlt-stamp
py=$venv/bin/python
log=$venv/install.log

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: %s\n' "$@" >&2; exit 2; }

quiet=no extras=(kaldiio)
for word in "$@"; do
  case $word in
    --quiet) quiet=yes ;;
    -h|--help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) die "$word: no such option; there is --quiet" ;;
    *) extras+=("$word") ;;
  esac
done

# What the environment is made from. A shared one is not tied to a checkout, so its place does not count.
request() {
  { cat "$root/setup.py" "$constraints"; echo "${XLT_TORCH_INDEX:-}"; [[ $venv != "$own" ]] || echo "$root"; } |
    sha256sum | cut -c1-16
}

have_hash='' have_extras=()
read_stamp() {
  have_hash='' have_extras=()
  [[ ! -f $stamp || ! -x $py ]] || { read -r have_hash && read -ra have_extras; } <"$stamp" || true
}

up_to_date() {
  local extra
  read_stamp
  [[ $have_hash == "$(request)" ]] || return 1
  for extra in "${extras[@]}"; do [[ " ${have_extras[*]} " == *" $extra "* ]] || return 1; done
}

report_up_to_date() { [[ $quiet == yes ]] || say "$venv is up to date"; }

# Prints why the Python $1 cannot be used; nothing if it can.
why_not() {
  "$1" -c '
import sys
if sys.version_info[:2] not in ((3, 12), (3, 13)):
    print("is Python %d.%d" % sys.version_info[:2])
    sys.exit()
import importlib.util, os, sysconfig
lacks = ["the module " + m for m in ("venv", "ensurepip") if importlib.util.find_spec(m) is None]
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    lacks.append("the C header Python.h")
if lacks:
    print("lacks " + " and ".join(lacks) + " (Debian, Ubuntu: apt-get install python%d.%d-venv python%d.%d-dev)"
          % (sys.version_info[:2] * 2))
elif sysconfig.get_config_var("Py_GIL_DISABLED"):
    print("is a free-threaded build")
' 2>/dev/null || echo "does not run"
}

candidates() {
  local minor
  [[ -z ${PYTHON:-} ]] || echo "$PYTHON"
  printf '%s\n' python3.13 python3.12 python3
  for minor in 3.13 3.12; do
    printf '%s\n' "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$minor".*/bin/python | sort -rV
  done
}

python='' tried=()
find_python() {
  local candidate reason
  while read -r candidate; do
    if ! type -P "$candidate" >/dev/null; then
      [[ $candidate != "${PYTHON:-}" ]] || tried+=("  $candidate (PYTHON) is not there")
      continue
    fi
    reason=$(why_not "$candidate")
    if [[ -z $reason ]]; then python=$candidate; return; fi
    tried+=("  $candidate $reason")
  done < <(candidates)
  return 1
}

# No Python 3.12 or 3.13 on this machine: uv can fetch one, and uv itself comes by pip.
fetch_python() {
  local uv helper
  uv=$(type -P uv || true)
  if [[ -z $uv ]]; then
    for helper in python3 python; do
      type -P "$helper" >/dev/null || continue
      "$helper" -m pip install --quiet --target "$venv/uv" uv >>"$log" 2>&1 || continue
      uv=$venv/uv/bin/uv
      break
    done
  fi
  [[ -n $uv ]] || return 1
  say "no Python 3.12 or 3.13 here; fetches one through uv (35 MB)"
  UV_PYTHON_INSTALL_BIN=0 timeout 600 "$uv" python install 3.13 >>"$log" 2>&1 || return 1
  python=$("$uv" python find --managed-python 3.13 2>>"$log") && [[ -z $(why_not "$python") ]]
}

no_python() {
  die "needs Python 3.12 or 3.13 and found none. Tried:" "${tried[@]:-  nothing that is called python}" \
    "  uv python install 3.13: uv is not there, or cannot reach its downloads" \
    "Ways to get one, then run the same command again:" \
    "  Debian 13:     apt-get install python3.13 python3.13-venv python3.13-dev" \
    "  Ubuntu 24.04:  apt-get install python3.12 python3.12-venv python3.12-dev" \
    "  without root:  uv python install 3.13, or pyenv install 3.13, or conda create -n py313 python=3.13" \
    "  elsewhere:     PYTHON=/path/to/python3.13 tools/install.sh"
}

# Disk with PyPI's CUDA build of torch: 7 GB installed, 11 GB while installing; pip's cache takes 4 GB more.
check_disk() {
  local need=11 free have
  [[ -z ${XLT_TORCH_INDEX:-} && $(uname -m) == x86_64 ]] || need=4
  have=$(du -sk "$venv" | cut -f1)
  free=$(df -Pk "$venv" | sed -n 2p | tr -s ' ' | cut -d' ' -f4)
  (( free + have >= need * 1048576 )) ||
    die "$venv: $(( free / 1048576 )) GB are free there and about $need GB are needed; free some space, or choose" \
      "another place with XLT_VENV=DIR, or a CPU-only torch with XLT_TORCH_INDEX=URL (4 GB)"
  (( free >= (need + 4) * 1048576 )) || export PIP_NO_CACHE_DIR=1
}

# A package without RECORD was being unpacked when an earlier run was killed: pip would take it for installed.
drop_torn_packages() {
  local info
  for info in "$venv"/lib/python3*/site-packages/*.dist-info; do
    [[ ! -d $info || -s $info/RECORD ]] || rm -rf "$info"
  done
}

heartbeat=''
stop_heartbeat() { [[ -z $heartbeat ]] || kill "$heartbeat" 2>/dev/null || true; heartbeat=''; }

# pip_step WHAT ARGUMENTS…: pip in silence, with a line of news every 15 s; on failure the end of its log.
pip_step() {
  local what=$1 parent=$$ start=$SECONDS
  shift
  say "$what"
  (
    exec 9<&-
    while sleep 15 >/dev/null 2>&1 && kill -0 "$parent" 2>/dev/null; do
      news=$(grep -aoE '^ *(Collecting|Downloading|Building|Installing) [^ ]+( \([^)]+\))?' "$log" | tail -n 1 | tr -s ' ')
      [[ $news != *Installing* ]] || news="unpacked $(du -sh "$venv/lib" | cut -f1)"
      say "  $(( SECONDS - start )) s:${news:+ ${news# }}"
    done
  ) &
  heartbeat=$!
  if ! "$py" -m pip --no-input --disable-pip-version-check --no-color "$@" >>"$log" 2>&1; then
    stop_heartbeat
    failed
  fi
  stop_heartbeat
}

failed() {
  local remedy="read the log above"
  if grep -aq 'No space left' "$log"; then
    remedy="the disk is full: free some space, or choose another place with XLT_VENV=DIR"
  elif grep -aqE 'Failed to establish|Name or service|name resolution|timed out|ProxyError|SSLError|refused' "$log"; then
    remedy="no package index could be reached: check the network, or name a mirror with PIP_INDEX_URL=URL"
  elif grep -aqE 'error: command .*(cc|clang|g\+\+)|gcc.* failed|Python\.h' "$log"; then
    remedy="a package could not be compiled: apt-get install build-essential"
  fi
  printf 'install: pip failed; the end of %s:\n' "$log" >&2
  tail -n 12 "$log" | cut -c1-300 | sed 's/^/  /' >&2
  die "$remedy; the same command continues from here"
}

make_venv() {
  [[ -x $py && -z $(why_not "$py") ]] && "$py" -m pip --version >/dev/null 2>&1 && return
  if [[ -x $py && $(why_not "$py") == "is Python"* ]]; then
    die "$venv $(why_not "$py"); remove it, or name another place with XLT_VENV=DIR"
  fi
  find_python || fetch_python || no_python
  say "making $venv with $(type -P "$python") ($("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])'))"
  "$python" -m venv --clear "$venv" || die "$python -m venv failed; name another Python with PYTHON=…"
}

main() {
  if up_to_date; then report_up_to_date; exit 0; fi
  [[ -f $constraints ]] || die "$constraints: no such file; this checkout is incomplete"
  mkdir -p "$venv" || die "$venv: cannot be made; name another place with XLT_VENV=DIR"
  exec 9<"$venv"
  if ! flock -n 9; then
    say "another process is installing into $venv; waiting for it"
    flock 9
    if up_to_date; then report_up_to_date; exit 0; fi
  fi
  if [[ ! -e $venv/pyvenv.cfg && ! -e $venv/xlt-venv && -n $(ls -A "$venv") ]]; then
    die "$venv: is neither empty nor a Python environment; name another place with XLT_VENV=DIR"
  fi
  touch "$venv/xlt-venv" || die "$venv: cannot be written; name another place with XLT_VENV=DIR"

  read_stamp
  local extra
  for extra in ${have_extras[@]+"${have_extras[@]}"}; do  # an older version may have had others
    if grep -qF "\"$extra\": [" "$root/setup.py"; then extras+=("$extra"); fi
  done
  mapfile -t extras < <(printf '%s\n' "${extras[@]}" | sort -u)
  rm -f "$stamp"
  make_venv
  touch "$venv/xlt-venv"
  type -P cc >/dev/null || type -P gcc >/dev/null ||
    die "needs a C compiler, to build ctc-segmentation: apt-get install build-essential, then the same command again"
  check_disk
  drop_torn_packages
  : >"$log"
  export TMPDIR=$venv/tmp
  rm -rf "$TMPDIR"
  mkdir "$TMPDIR"

  local size="7 GB with torch's CUDA build, about 3 minutes"
  [[ -z ${XLT_TORCH_INDEX:-} ]] || size="about 2 GB"
  say "installs into $venv ($size); log: $log"

  # Some packages come as source. They are built with the pinned tools, not with the newest that isolation would fetch.
  pip_step "1/3 build tools" install -c "$constraints" setuptools wheel cython numpy pdm-backend
  local requirements
  requirements=$("$py" -c '
import runpy, sys
settings = runpy.run_path(sys.argv[1])
for extra in sys.argv[2:]:
    if extra not in settings["EXTRAS"]:
        sys.exit("no extra %r; there are %s" % (extra, ", ".join(settings["EXTRAS"])))
print("\n".join(settings["REQUIRES"] + [r for extra in sys.argv[2:] for r in settings["EXTRAS"][extra]]))
' "$root/setup.py" "${extras[@]}") || exit 2
  local wanted=()
  mapfile -t wanted <<<"$requirements"

  pip_step "2/3 packages that are compiled" install -c "$constraints" --no-build-isolation --no-deps \
    antlr4-python3-runtime ctc-segmentation editdistance unicodecsv
  pip_step "3/3 torch, espnet, s3prl, transformers and what they need" install -c "$constraints" \
    ${XLT_TORCH_INDEX:+--extra-index-url "$XLT_TORCH_INDEX"} "${wanted[@]}"
  # A shared environment holds what xlt needs and not xlt: run.sh and test.sh say which checkout is meant.
  [[ $venv != "$own" ]] || pip_step "the command xlt" install --no-build-isolation --no-deps -e "$root"
  "$py" -c 'import numpy, omniio, sentencepiece, soundfile, soxr, torch, torchaudio, yaml' 2>>"$log" || failed
  rm -rf "$TMPDIR" "$venv/uv"
  printf '%s\n' "$(request)" "${extras[*]}" >"$stamp.partial"
  mv "$stamp.partial" "$stamp"
  say "done: $venv"
}

trap stop_heartbeat EXIT
trap 'echo "install: interrupted; the same command continues from here" >&2; exit 130' INT
trap 'exit 143' TERM
main

#!/usr/bin/env bash
# Checks everything: ruff, shellcheck, pytest. Makes the environment and fetches sclite first, if they are missing.
#
# usage: tools/test.sh [pytest arguments…], e.g. tools/test.sh tests/test_stage.py -k lock
set -euo pipefail

here=$PWD
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
"$root/tools/install.sh" --quiet test peer
venv=${XLT_VENV:-$root/.venv}
[[ $venv == /* ]] || venv=$here/$venv

# sclite, which our error rates must agree with, is in Debian's package sctk and in no Python package.
need_sclite() {
  if type -P sctk >/dev/null || type -P sclite >/dev/null; then return; fi
  local as_root=()
  (( EUID == 0 )) || as_root=(sudo -n)
  if type -P apt-get >/dev/null && { (( EUID == 0 )) || sudo -n true 2>/dev/null; }; then
    echo "test: installs sctk (sclite) with apt-get"
    local get=(env DEBIAN_FRONTEND=noninteractive apt-get -q)
    if "${as_root[@]}" "${get[@]}" install -y sctk >/dev/null 2>&1; then return; fi
    if "${as_root[@]}" "${get[@]}" update >/dev/null && "${as_root[@]}" "${get[@]}" install -y sctk >/dev/null; then
      return
    fi
  fi
  echo "test: needs sclite: apt-get install sctk (as root), or put sclite on PATH, then run this again" >&2
  exit 2
}
need_sclite

cd "$root"
export PATH=$venv/bin:$PATH PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} OMP_NUM_THREADS=1 XLT_VENV=$venv
unset XLT_CWD
mapfile -t scripts < <(find .ci/run tools egs tests -name '*.sh' -not -path '*/exp/*' -o -path .ci/run)
failed=()
check() { echo "test: $1"; "${@:2}" || failed+=("$1"); }
check ruff ruff check --quiet .
check shellcheck shellcheck -x "${scripts[@]}"
# A test file stays on one worker: it may share something costly among its tests.
check pytest python -m pytest -q -n auto --dist loadfile "$@"
(( ${#failed[@]} == 0 )) || { echo "test: failed: ${failed[*]}" >&2; exit 1; }
echo "test: all passed"

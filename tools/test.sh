#!/usr/bin/env bash
# Runs all tests: ruff, shellcheck, pytest. Installs the environment, sclite and Chromium first if they are missing.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: tools/test.sh [--quick | --other_cpu] [pytest arguments…]

  --quick      skip the tests that train a model, load a neural toolkit or start many processes (pytest markers
               trains and slow); under two minutes on two idle cores, where all tests take under ten
  --other_cpu  run the tests marked trains with the arithmetic of another processor; what they assert must hold
               on both (continuous integration does this)

for example: tools/test.sh tests/core/test_stage.py -k lock
EOF
}
quick=() other_cpu=false
case ${1:-} in
  -h | --help) usage && exit ;;
  --quick) quick=(--quick) && shift ;;
  --other_cpu) other_cpu=true && shift ;;
esac

here=$PWD
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
"$root/tools/install.sh" --quiet test
venv=${XLT_VENV:-$root/.venv}
[[ $venv == /* ]] || venv=$here/$venv

# by_apt PACKAGE COMMAND…: installs the Debian package unless one of the commands is there; fails if that is not possible.
by_apt() {
  local package=$1 command as_root=()
  shift
  for command; do
    if type -P "$command" >/dev/null; then return; fi
  done
  (( EUID == 0 )) || as_root=(sudo -n)
  if type -P apt-get >/dev/null && { (( EUID == 0 )) || sudo -n true 2>/dev/null; }; then
    echo "test: installs $package with apt-get"
    local get=(env DEBIAN_FRONTEND=noninteractive apt-get -q)
    if "${as_root[@]}" "${get[@]}" install -y "$package" >/dev/null 2>&1; then return; fi
    if "${as_root[@]}" "${get[@]}" update >/dev/null && "${as_root[@]}" "${get[@]}" install -y "$package" >/dev/null; then
      return
    fi
  fi
  return 1
}
# sclite, which our error rates must agree with, is in Debian's package sctk and in no Python package.
if ! by_apt sctk sctk sclite; then
  echo "test: needs sclite: apt-get install sctk (as root), or put sclite on PATH, then run this again" >&2
  exit 2
fi
if ! by_apt chromium chromium chromium-browser google-chrome; then
  echo "test: no Chromium, and apt-get gives none: report.html is not looked at in a browser"
fi

cd "$root"
export PATH=$venv/bin:$PATH PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} OMP_NUM_THREADS=1 XLT_VENV=$venv
unset XLT_CWD
mapfile -t scripts < <(find .ci/run tools egs tests -name '*.sh' -not -path '*/exp/*' -o -path .ci/run -o -path tools/xlt)
failed=()
check() { echo "test: $1"; "${@:2}" || failed+=("$1"); }
check ruff ruff check --quiet .
check mypy mypy --no-error-summary
check shellcheck shellcheck -x "${scripts[@]}"
# Each worker gets neighbouring tests, which may share something costly; an idle worker takes over tests from another.
pytest=(python -m pytest -q -n auto --dist worksteal --durations=15)
if "$other_cpu"; then
  check "pytest of what does not train" "${pytest[@]}" -m "not trains" "$@"
  # the kernels of torch, oneDNN, MKL and OpenBLAS: products, LSTMs, sums, losses and Adam differ in their last bits
  export ATEN_CPU_CAPABILITY=default DNNL_MAX_CPU_ISA=AVX2 MKL_CBWR=COMPATIBLE OPENBLAS_CORETYPE=Haswell
  check "pytest of what trains, with another processor's arithmetic" "${pytest[@]}" -m trains "$@"
else
  check pytest "${pytest[@]}" "${quick[@]}" "$@"
fi
(( ${#failed[@]} == 0 )) || { echo "test: failed: ${failed[*]}" >&2; exit 1; }
echo "test: all passed"

# What quickstart and test share; sourced from the top of the tree. CASSATA_PYTHON names another interpreter than Debian's.

build_packages=(
  g++ cmake ninja-build python3 python3-dev python3-venv
  libboost-dev libboost-program-options-dev flatbuffers-compiler libflatbuffers-dev libhwy-dev libtbb-dev libxxhash-dev libzstd-dev nlohmann-json3-dev
)
test_packages=(libgtest-dev libgmock-dev)
python=${CASSATA_PYTHON:-/usr/bin/python3}

# ccache is used where it is installed, unless CCACHE_DISABLE is set. Without it, sources of a library are compiled
# together (a unity build): a whole build takes less time, one after a small change takes more.
unity=ON
if [[ ! ${CCACHE_DISABLE-} ]] && command -v ccache >/dev/null; then
  unity=OFF
  export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}
  export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS-pch_defines,time_macros}
fi

say() { printf '\n== %s\n' "$*"; }

# update_lists: apt's package lists, with the long descriptions.
update_lists() {
  say "apt-get update"
  DEBIAN_FRONTEND=noninteractive apt-get update -q -o Acquire::Languages=en
}

# install_packages PACKAGE...: those of them that are missing.
install_packages() {
  local package missing=()
  for package; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if [[ $(id -u) != 0 ]]; then
    echo "missing packages; as root: apt-get install ${missing[*]}" >&2
    return 1
  fi
  say "apt-get install ${missing[*]}"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}")
  "${install[@]}" || { update_lists && "${install[@]}"; }  # there are no lists yet, or they are out of date
}

# make_venv: .venv with $python, made anew if it is of another interpreter.
make_venv() {
  local identity
  identity=$("$python" -c 'import sys; print(sys.executable, sys.version)')
  [[ $(cat .venv/interpreter 2>/dev/null) != "$identity" ]] || return 0
  say "python -m venv .venv, of $identity"
  rm -rf .venv
  "$python" -m venv .venv
  .venv/bin/python -c 'import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' |
    .venv/bin/pip install -q --disable-pip-version-check -r /dev/stdin
  echo "$identity" >.venv/interpreter
}

# build_dir: where install_project compiles for the interpreter of .venv.
build_dir() { echo "build/$(.venv/bin/python -c 'import sys; print(sys.implementation.cache_tag)')"; }

# install_project EXTRAS [CMAKE_DEFINITION...]: compiles what has changed in build_dir, and installs module and program in
# .venv. Does nothing if .venv holds these sources, with the packages of these extras (a stamp of "sparse,test" serves
# "sparse", too).
install_project() {
  local sources extras=$1 definition
  local settings=(--config-settings="build-dir=$(build_dir)" --config-settings="cmake.define.CASSATA_UNITY=$unity")
  shift
  sources=$(sources_hash)
  [[ $(cat .venv/installed 2>/dev/null) != "$sources $extras"* ]] || return 0
  for definition; do settings+=(--config-settings="cmake.define.$definition"); done
  say "pip install .[$extras]"
  rm -f .venv/installed
  .venv/bin/pip install -q --disable-pip-version-check --no-build-isolation "${settings[@]}" ".[$extras]"
  echo "$sources $extras" >.venv/installed
}

sources_hash() {
  find CMakeLists.txt pyproject.toml README.md LICENSE bindings engine format tools -type f ! -path '*/__pycache__/*' -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}

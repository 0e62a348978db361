# Sourced by the other scripts: virtual environments below .venv/, made once and re-used.
#
# The OctoPrint ones get the plugin as the Plugin Manager installs it, from the checkout, again whenever that changed.

say() { printf '%s\n' "$*" >&2; }

# need_python: print the first Python that is new enough for the server side and can make virtual environments.
need_python() {
  for candidate in python3 python3.12 python3.11 python3.13; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  say "Python 3.11 or newer with venv is needed (Debian: apt install python3-venv)."
  return 1
}

# checkout_hash: a number that changes with any file that is installed.
checkout_hash() {
  find octoprint_spaghetti inference_server pyproject.toml setup.py -type f ! -name '*.pyc' ! -path '*/.*' -exec cksum {} + | sort | cksum
}

# one_at_a_time: let another script that sets up this checkout finish first; held until this (sub)shell ends.
one_at_a_time() {
  mkdir -p .venv
  if command -v flock >/dev/null 2>&1; then
    exec 9>.venv/lock
    flock -w 900 9 || say "Another set-up has held .venv/lock for 15 minutes; going on without waiting."
  fi
}

# in_venv NAME STAMP COMMAND...: make .venv/NAME if it is not there, then run COMMAND unless it ran with this STAMP before.
in_venv() {
  name=$1 stamp=$2
  shift 2
  if [ ! -x ".venv/$name/bin/pip" ]; then # the last thing that venv makes
    "$(need_python)" -m venv --clear ".venv/$name" || return 1
  fi
  [ "$(cat ".venv/$name/stamp" 2>/dev/null)" = "$stamp" ] && return
  "$@" || return 1
  printf '%s\n' "$stamp" >".venv/$name/stamp"
}

# constraints NAME: the options that hold pip to the versions of scripts/locks/NAME.txt, none where there is no such file.
constraints() {
  [ ! -f "scripts/locks/$1.txt" ] || printf -- '--constraint scripts/locks/%s.txt' "$1"
}

# lock_hash NAME: a number that changes with that file.
lock_hash() {
  [ ! -f "scripts/locks/$1.txt" ] || cksum <"scripts/locks/$1.txt"
}

# supply_venv: what scripts/lock and scripts/audit use, in .venv/supply.
supply_venv() {
  tools="uv==0.13.8 pip-audit==2.10.1"
  in_venv supply "$tools" .venv/supply/bin/python -m pip --quiet --disable-pip-version-check install $tools
}

# octoprint_venv VERSION [EXTRA]: OctoPrint of that version with the plugin, in .venv/octoprint-VERSION.
octoprint_venv() {
  in_venv "octoprint-$1" "$1 ${2-} $(checkout_hash) $(lock_hash "octoprint-$1")" install_octoprint "$1" "${2-}"
}

install_octoprint() {
  pip=".venv/octoprint-$1/bin/python -m pip --quiet --disable-pip-version-check install $(constraints "octoprint-$1")"
  if [ ! -x ".venv/octoprint-$1/bin/octoprint" ]; then
    say "Installing OctoPrint $1 (about a minute) ..."
    $pip "octoprint==$1" >&2 || {
      say "OctoPrint $1 could not be installed; it may need a compiler (Debian: apt install gcc python3-dev)."
      return 1
    }
  fi
  say "Installing the plugin into OctoPrint $1 ..."
  # From a copy: pip builds in the folder it is given, and what an older build left there would be installed too.
  copy=$(mktemp -d)
  cp -R octoprint_spaghetti inference_server pyproject.toml setup.py README.md LICENSE "$copy"
  $pip "$copy${2:+[$2]}" >&2 && $pip --no-deps --force-reinstall "$copy" >&2
  status=$?
  rm -rf "$copy"
  return $status
}

# install_with_triton NAME EXTRAS: this checkout with the extras and the Triton wheel, or without it where there is none.
install_with_triton() {
  with=".venv/$1/bin/python -m pip --quiet --disable-pip-version-check install $(constraints tests-and-demo)"
  $with --editable ".[server,$2]" >&2 && return
  # The wheel asks for numpy 1, which Python 3.13 does not have; its server does not care.
  say "Trying again with newer libraries ..."
  $with --editable ".[edge,$2]" >&2 || return 1
  $with --no-deps "nvidia-pytriton==0.7.0" >&2 || say "Triton could not be installed here; what needs it goes another way or is skipped."
}

# test_venv: everything the tests and linters need, with this checkout as an editable install, in .venv/test.
test_venv() {
  in_venv test "$(cksum <pyproject.toml) $(lock_hash tests-and-demo) ${SPAGHETTI_WITHOUT_TORCH-}" install_tests
}

install_tests() {
  say "Installing what the tests need (one to two minutes) ..."
  install_with_triton test demo,gateway,test || return 1
  pip=".venv/test/bin/python -m pip --quiet --disable-pip-version-check install $(constraints tests-and-demo)"
  # Its definitions of an InferenceService are read; the package itself would bring a client for whole clusters.
  $pip --no-deps "kserve==0.21.0" >&2 || say "Without KServe; its manifest is checked less."
  # torch is large and exists for fewer systems; the tests that train are skipped without it.
  [ -n "${SPAGHETTI_WITHOUT_TORCH-}" ] || $pip --editable ".[train]" >&2 || say "Without torch; tests that train are skipped."
}

# system_packages PROGRAM...: install Debian packages for programs that are not there, where that is allowed; else name them.
system_packages() {
  missing=
  for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
  done
  [ -n "$missing" ] || return 0
  sudo=
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  if command -v apt-get >/dev/null 2>&1 && { [ -z "$sudo" ] || $sudo true 2>/dev/null; }; then
    say "Installing system packages:$missing ..."
    $sudo apt-get -qq update >&2 && DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq install -y --no-install-recommends $missing fonts-dejavu-core >&2 && return 0
  fi
  say "Not installed:$missing; the tests that need them are skipped."
}

# unpacked_packages PROGRAM:PACKAGE...: put programs that are not there into .venv/debian, from the packages that have them.
# Unpacked and not installed: installing these would start servers (nginx on port 80), and this needs no root.
unpacked_packages() {
  wanted=
  for pair in "$@"; do
    program=${pair%%:*}
    PATH="$PATH:/usr/sbin:.venv/debian/usr/bin:.venv/debian/usr/sbin" command -v "$program" >/dev/null 2>&1 || wanted="$wanted ${pair#*:}"
  done
  [ -n "$wanted" ] || return 0
  say "Fetching$wanted ..."
  folder=$(mktemp -d)
  chmod 755 "$folder" # apt fetches as a user of its own
  (cd "$folder" && fetch_packages $wanted) && for package in "$folder"/*.deb; do
    dpkg-deb -x "$package" .venv/debian || say "$package could not be unpacked."
  done || say "Not fetched:$wanted; the tests that need them are skipped."
  rm -rf "$folder"
}

fetch_packages() {
  command -v apt-get >/dev/null 2>&1 || return 1
  apt-get -qq download "$@" >&2 2>/dev/null && return
  { [ "$(id -u)" = 0 ] && apt-get -qq update >&2 || sudo -n apt-get -qq update >&2; } && apt-get -qq download "$@" >&2
}

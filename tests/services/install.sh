#!/bin/sh
# Install what the tests run against, where it is missing: install.sh PACKAGE...
#
# PACKAGE is a name of Debian's. With root and apt-get the missing ones are installed; else one line says
# what to install, and the tests that need it say so by themselves.
set -eu

program() {
  case "$1" in
    bubblewrap) echo bwrap ;;
    # Debian keeps the programs of each version off the PATH.
    postgresql) find /usr/lib/postgresql -name postgres -path '*/bin/*' 2>/dev/null | grep . || echo postgres ;;
    # Who is not root may have no /usr/sbin on the PATH.
    pgbouncer) command -v pgbouncer || echo /usr/sbin/pgbouncer ;;
    chromium-driver) echo chromedriver ;;
    *) echo "$1" ;;
  esac
}

missing=""
for package in "$@"; do
  command -v "$(program "$package" | tail -n 1)" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing$missing ..."
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # Debian starts a server once it is installed. The tests start their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  # The package lists may be missing or old; they are fetched only where the first attempt fails.
  # shellcheck disable=SC2086 # one word a package
  if ! { apt-get install -qq --no-install-recommends $missing ||
    { apt-get update -qq && apt-get install -qq --no-install-recommends $missing; }; } >"$log" 2>&1; then
    echo "Not installed:$missing. $(tail -n 1 "$log")" >&2
  fi
  rm -f "$log"
else
  echo "Some tests need$missing, which is missing. Install it: sudo apt-get install$missing" >&2
fi

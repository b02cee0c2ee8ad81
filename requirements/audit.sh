#!/bin/sh
# Asks the databases of known weaknesses about what we depend on: pip-audit for Python, npm for the page's type checker.
# Where a tool is missing or its database cannot be reached, that part is skipped with a sentence. Exit: 1 if there is a
# finding, else 0.
cd "$(dirname "$0")/.." || exit 2
found=0
said=$(mktemp) || exit 2
trap 'rm -f "$said"' EXIT

# ask NAME COMMAND...: exit code 1 of both tools means findings; whether the database answered is in what they say.
ask() {
  name=$1
  shift
  if ! command -v "$1" > /dev/null 2>&1; then
    echo "audit: $name is skipped: $1 is not installed"
    return
  fi
  if "$@" > "$said" 2>&1; then
    echo "audit: $name: no known weakness"
  elif grep -qiE 'vulnerabilit|severity' "$said" && ! grep -qiE 'ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENOAUDIT|audit endpoint returned an error|ConnectionError|Max retries|ServiceError' "$said"; then
    cat "$said"
    echo "audit: $name: see above; move the version on in constraints.txt or package.json, then: make lock"
    found=1
  else
    echo "audit: $name is skipped: its database cannot be asked ($(grep -v '^ *$' "$said" | tail -n 1 | cut -c1-160))"
  fi
}

ask "Python" pip-audit --requirement requirements/core.txt --no-deps --disable-pip --progress-spinner off
ask "Node.js" npm audit --audit-level=low
exit $found

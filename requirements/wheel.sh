#!/usr/bin/env bash
# Build sdist and wheel into dist/, check both, and run the wheel outside of the repository, in an environment that has nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
MOST=$((20 * 1024 * 1024))

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/release"
"$work/release/bin/python" -m pip --disable-pip-version-check --quiet install -r requirements/release.txt
rm -f dist/fewclicks-*.whl dist/fewclicks-*.tar.gz
"$work/release/bin/python" -m build --outdir dist . > "$work/build.log" || { cat "$work/build.log" >&2; exit 1; }
"$work/release/bin/python" -m twine check --strict dist/fewclicks-*.whl dist/fewclicks-*.tar.gz

wheel=$(ls "$PWD"/dist/fewclicks-*.whl)
size=$(stat -c %s "$wheel")
[ "$size" -le "$MOST" ] || { echo "the wheel has $size bytes, more than $MOST" >&2; exit 1; }

"$PYTHON" -m venv "$work/clean"
"$work/clean/bin/python" -m pip --disable-pip-version-check --quiet install -c constraints.txt "$wheel"
cp examples/images/coffee.png "$work"
cd "$work"
clean/bin/fewclicks --version
clean/bin/fewclicks segment coffee.png --click 290,130 --click -150,290 -o mask.png
clean/bin/python -W error -c "
import fewclicks, sys
assert 'clean' in fewclicks.__file__, fewclicks.__file__
assert fewclicks.open('coffee.png').click(290, 130).any()
assert 'torch' not in sys.modules
"
echo "$(basename "$wheel"): $((size / 1024)) KiB"

#!/usr/bin/env bash
# An editable install by setuptools loses to any folder of the same name in the working directory, even without code.
#
# Package:    setuptools 80.9.0, hatchling 1.27.0
# Behaviour:  A package next to its pyproject.toml (flat layout) is installed with pip install -e. setuptools adds
#             an import hook that comes after Python's own search, so a folder of that name where Python is started,
#             with data only and no __init__.py, is imported as a namespace package. hatchling adds the
#             project's folder to the path, and a package there comes before a namespace. Both are right elsewhere.
# Seen:       next to a folder "widgetlib": setuptools: the empty folder; hatchling: the installed package
# What we do: build with hatchling, and test that the installed package wins next to such a folder.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/elsewhere" "$work/data/widgetlib"

found_with() { # backend, its pinned requirement, more of pyproject.toml; prints what is imported next to the folder
    local project="$work/$1"
    mkdir -p "$project/widgetlib"
    echo 'ORIGIN = "installed"' > "$project/widgetlib/__init__.py"
    printf '%s\n' '[build-system]' "requires = [\"$2\"]" "build-backend = \"$1\"" \
        '[project]' 'name = "widgetlib"' 'version = "1"' "$3" > "$project/pyproject.toml"
    python3 -m venv --clear "$work/venv"
    "$work/venv/bin/pip" install --quiet --editable "$project" >&2
    (cd "$work/elsewhere" && "$work/venv/bin/python" -c 'import widgetlib; assert widgetlib.ORIGIN == "installed"')
    (cd "$work/data" && "$work/venv/bin/python" -c 'import widgetlib; print(getattr(widgetlib, "ORIGIN", "folder"))')
}

setuptools=$(found_with setuptools.build_meta setuptools==80.9.0 $'[tool.setuptools]\npackages = ["widgetlib"]')
hatchling=$(found_with hatchling.build hatchling==1.27.0 '')
echo "next to a folder called widgetlib: setuptools imports: $setuptools; hatchling imports: $hatchling"
if [[ $setuptools != folder || $hatchling != installed ]]; then
    echo "changed: the folder no longer hides the package, or hides both" >&2
    exit 1
fi

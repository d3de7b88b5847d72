# Sourced by the scripts beside it, from the root of the checkout.

# make_environment FOLDER EXTRAS: a virtual environment with this checkout installed in it, at the pinned versions.
# It is made anew when what it was made from has changed, or when it was left half made.
make_environment() {
    local folder=$1 extras=$2 python
    if [[ -x $folder/bin/python ]] && made_from | cmp -s - "$folder/made-from"; then
        return
    fi
    python=$(find_python)
    echo "Installing into $folder ..." >&2
    "$python" -m venv --clear "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extras]"
    made_from >"$folder/made-from"
}

# What an environment depends on; the path, because an editable install points to it.
made_from() {
    pwd && cat pyproject.toml constraints.txt
}

# Print the name of a Python that is new enough and can make virtual environments.
find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "ScoreRT needs Python 3.11 or newer with its venv module (Debian, Ubuntu: apt install python3-venv)." >&2
    return 1
}

# Install the browser of the tests with Debian's packages, where it is not there yet.
require_chromium() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
    if [[ -x /usr/bin/chromium && -x /usr/bin/chromedriver ]]; then
        return
    fi
    if ((EUID)); then
        apt=(sudo -n "${apt[@]}")
    fi
    echo "Installing chromium ..." >&2
    if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends chromium chromium-driver; } &>/dev/null; then
        echo "The tests need Debian's chromium and chromium-driver, and apt-get could not install them: install both." >&2
        return 1
    fi
}

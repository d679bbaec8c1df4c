# For scripts that install what they need: `source scripts/packages.sh`.

# Installs Debian packages, as root or by sudo. Where that cannot be, says why on standard error and fails.
install_packages() {
    local as_root=()
    if ! command -v apt-get >/dev/null; then
        echo "there is no apt-get to install $*" >&2
        return 1
    elif [[ "$(id -u)" != 0 ]]; then
        if ! command -v sudo >/dev/null; then
            echo "neither root nor sudo to install them; as root: apt-get install $*" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    ${as_root[@]+"${as_root[@]}"} apt-get update -qq \
        && ${as_root[@]+"${as_root[@]}"} apt-get install --yes -qq --no-install-recommends "$@"
}

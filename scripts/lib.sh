# shellcheck shell=bash
# Shared by the scripts beside it; source it, do not run it.
#
# What a machine lacks is downloaded once into .cache/ of the project and used from there: nothing is installed on the
# system, no system service starts, and root is not needed.

# The root of the project.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/.cache

# say TEXT...: one line about what is going on. Standard output is kept for results.
say() {
    printf '==> %s\n' "$*" >&2
}

# die TEXT...: ends the script with a reason.
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# need COMMAND WHY: ends the script when a command is missing.
need() {
    command -v "$1" >/dev/null || die "$1 is missing: $2"
}

# debian_packages NAME PACKAGE...
#
# Extracts Debian packages, with whatever dependencies the machine lacks, below .cache/ and sets `prefix` to the folder.
# apt gets a private state, so that it neither needs root nor touches the system's; its signatures are checked as usual.
debian_packages() {
    local name=$1 system
    shift
    # shellcheck source=/dev/null
    system=$(. /etc/os-release && printf '%s-%s' "$ID" "${VERSION_ID:-rolling}")
    prefix=$cache/$name-$system-$(uname -m)
    [ -e "$prefix/complete" ] && return
    need apt-get "only Debian and its relatives are supported; on another system install $* yourself"
    need dpkg "only Debian and its relatives are supported; on another system install $* yourself"

    local apt=$cache/apt options deb
    mkdir -p "$apt/state/lists/partial" "$apt/archives/partial"
    exec {lock}>"$apt/lock"
    flock "$lock"
    if [ ! -e "$prefix/complete" ]; then
        options=(
            -o "Dir::State=$apt/state" -o "Dir::Cache=$apt" -o "Dir::Cache::archives=$apt/archives"
            -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Acquire::Retries=3
        )
        rm -rf "$prefix" "$apt"/archives/*.deb
        say "downloading from Debian: $*"
        # One dead source among many is no reason to give up; the download below decides.
        apt-get "${options[@]}" -q update >&2 || say "apt-get update reported a problem, going on"
        apt-get "${options[@]}" -q -y --download-only install "$@" >&2 || die "cannot download $* from Debian"
        mkdir -p "$prefix"
        for deb in "$apt"/archives/*.deb; do
            # The C library must stay the one of the machine's own loader.
            case ${deb##*/} in libc6_* | libc-bin_*) continue ;; esac
            dpkg -x "$deb" "$prefix" || die "cannot extract $deb"
        done
        rm -rf "$apt/archives"
        touch "$prefix/complete"
    fi
    exec {lock}>&-
}

# library_path FOLDER: the library folders of an extracted prefix, for LD_LIBRARY_PATH.
library_path() {
    local folder path=
    for folder in "$1"/usr/lib/*-linux-gnu* "$1"/lib/*-linux-gnu*; do
        [ -d "$folder" ] && path+=${path:+:}$folder
    done
    printf '%s' "$path"
}

# find_python: sets `python` to a Python 3 with pip: the system's, else Debian's extracted into .cache/.
find_python() {
    python=(python3)
    python3 -m pip --version >/dev/null 2>&1 && return
    debian_packages pip python3 python3-pip
    python=(env "PYTHONPATH=$prefix/usr/lib/python3/dist-packages")
    if command -v python3 >/dev/null; then
        python+=(python3)
    else
        python+=("LD_LIBRARY_PATH=$(library_path "$prefix")" "$prefix/usr/bin/python3")
    fi
}

# pip_packages NAME REQUIREMENTS: installs pinned wheels below .cache/ and sets `prefix` to their folder. Whatever has not
# the hash that the file tells is refused.
pip_packages() {
    local name=$1 requirements=$2 pinned folder
    pinned=$(sha256sum "$requirements")
    folder=$cache/$name-${pinned:0:16}
    if [ ! -d "$folder" ]; then
        local python fresh
        find_python
        say "downloading from PyPI: $name"
        mkdir -p "$cache"
        fresh=$(mktemp -d "$cache/$name.XXXXXX")
        if ! PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1 \
            "${python[@]}" -m pip install --quiet --no-deps --only-binary :all: --require-hashes \
            --target "$fresh" --requirement "$requirements" >&2; then
            rm -rf "$fresh"
            die "cannot download $name from PyPI"
        fi
        chmod 755 "$fresh"
        # Another run may have been quicker; then its copy is as good.
        mv -T "$fresh" "$folder" 2>/dev/null || rm -rf "$fresh"
        [ -d "$folder" ] || die "cannot move $name to $folder"
    fi
    prefix=$folder
}

# begin_copy FILE: makes sure that a copy overwrites nothing, and that what it writes is for its owner alone.
begin_copy() {
    [ ! -e "$1" ] || die "$1 is there already"
    [ ! -e "$1.partial" ] || die "$1.partial is there: another copy is under way, or one broke off; then remove it"
    umask 077
}

# end_copy FILE: FILE.partial is whole; gives it its name and its digest when it is on the disk.
end_copy() {
    local folder name digest
    folder=$(dirname "$1")
    name=$(basename "$1")
    digest=$(sha256sum <"$1.partial")
    printf '%s  %s\n' "${digest%% *}" "$name" >"$1.sha256"
    sync "$1.partial" "$1.sha256"
    mv -T "$1.partial" "$1"
    sync "$folder"
    say "$1: $(stat -c %s "$1") bytes"
}

# check_copy FILE: ends the script unless the file has the digest beside it.
check_copy() {
    [ -r "$1" ] || die "$1 cannot be read"
    [ -r "$1.sha256" ] || die "$1.sha256 cannot be read: without it nobody knows whether the copy is whole"
    (cd "$(dirname "$1")" && sha256sum --check --status "$(basename "$1").sha256") || die "$1 is cut short or altered"
}

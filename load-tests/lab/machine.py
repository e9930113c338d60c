"""What the figures were measured on and with."""

import datetime
import os
import platform
import re
from pathlib import Path

import matplotlib

from .processes import Failed, run


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def describe(lab):
    """Name and value of each circumstance, in the order in which people want to read them."""
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    release = re.search(r'PRETTY_NAME="?([^"\n]+)', Path("/etc/os-release").read_text())
    hashing = lab.bare_rate(1)
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": said(["git", "-C", lab.root, "describe", "--always", "--dirty"]),
        "processor": f"{model.group(1) if model else platform.machine()}, {cores()} cores",
        "memory": f"{int(memory.group(1)) / 2**20:.0f} GiB",
        "system": f"{release.group(1)}, Linux {platform.release()}",
        "server": f"{said([lab.binary, '--version'])}, {lab.build}",
        "hash": f"Argon2id m={hashing['memory_kib']} KiB, t={hashing['iterations']}, p={hashing['lanes']}; "
        f"engine {hashing['engine']}, {hashing['threads']} threads",
        "compiler": said(["rustc", "--version"]),
        "load generators": f"{said([lab.k6, 'version']).split(' (')[0]}, {wrk_version(lab)}; on the same machine",
        "plots": f"matplotlib {matplotlib.__version__}, Python {platform.python_version()}",
        "run": f"{lab.size}, rounds: {lab.rounds}",
    }


def said(command) -> str:
    try:
        return run(command, 30).strip().splitlines()[0]
    except (Failed, FileNotFoundError, IndexError):
        return "unknown"


def wrk_version(lab) -> str:
    # It tells its version and ends with 1.
    environment = {**os.environ, "LD_LIBRARY_PATH": lab.wrk_libraries}
    try:
        run([lab.wrk, "-v"], 10, environment)
    except Failed:
        pass
    path = lab.wrk
    return said(["sh", "-c", 'LD_LIBRARY_PATH="$1" "$2" -v 2>&1 | head -n 1 | cut -d " " -f 1,2; true', "sh",
                 lab.wrk_libraries, path])

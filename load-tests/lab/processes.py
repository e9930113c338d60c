"""Processes that the lab starts, and their certain end."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

# Seconds in which a process must have ended after SIGTERM, before it is killed. Longer than shutdown.grace_ms.
STOP_LIMIT = 40.0


class Failed(Exception):
    """Something that a scenario rests on did not work."""


class Process:
    """A running program, ended with the `with` block, however that is left. Its output goes to files in `folder`."""

    def __init__(self, command, folder: Path, name: str, environment=None, limit: float = STOP_LIMIT):
        self.name = name
        self.limit = limit
        self.stdout_path = folder / f"{name}.out"
        self.stderr_path = folder / f"{name}.err"
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.child = subprocess.Popen(
                bound(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                start_new_session=True,
            )
        self.pid = self.child.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def running(self) -> bool:
        return self.child.poll() is None

    def end(self):
        """SIGTERM, a deadline, SIGKILL. An interrupt on the way kills at once and goes on as an interrupt."""
        if not self.running():
            return
        self.child.terminate()
        try:
            self.child.wait(self.limit)
        except BaseException as reason:
            # With all that it started: workers may outlive who started them.
            os.killpg(self.pid, signal.SIGKILL)
            self.child.wait()
            if not isinstance(reason, subprocess.TimeoutExpired):
                raise
            raise Failed(f"{self.name} did not end within {self.limit:.0f} s and was killed") from None

    def wait(self, limit: float):
        """Waits for its own end; gives the exit status."""
        try:
            return self.child.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {limit:.0f} s: {self.last_words()}") from None

    def stdout(self) -> str:
        return self.stdout_path.read_text(errors="replace")

    def last_words(self) -> str:
        lines = self.stderr_path.read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:]) or "(no word on standard error)"

    def await_value(self, what: str, limit: float, look, pause: float = 0.01):
        """Waits until `look` gives a value; fails when the process ends first or the limit is reached."""
        end = time.monotonic() + limit
        while True:
            # Asked before the look, so that a last word is not lost.
            ended = not self.running()
            value = look()
            if value is not None:
                return value
            if ended or time.monotonic() > end:
                why = "ended" if ended else f"took more than {limit:.0f} s"
                raise Failed(f"{self.name}: {what}: it {why}: {self.last_words()}")
            time.sleep(pause)

    def memory_kib(self, line: str = "VmRSS") -> int:
        """A line of /proc/PID/status: VmRSS is memory held now, VmHWM the most it ever held."""
        for text in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if text.startswith(line + ":"):
                return int(text.split()[1])
        raise Failed(f"{self.name} has no {line}")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self) -> float:
        """Processor time of the process and of its children that ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def bound(command):
    """The command, told by the kernel to end when the lab dies without a chance to end it."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Failed("setpriv is missing: install util-linux")
    return [setpriv, "--pdeathsig", "TERM", *map(str, command)]


def run(command, limit: float, environment=None, text: str = None) -> str:
    """Runs a program to its end; gives what it prints. Its standard error is shown when it fails."""
    try:
        done = subprocess.run(
            bound(command), input=text, capture_output=True, text=True, timeout=limit, env=environment,
            stdin=None if text is not None else subprocess.DEVNULL, start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} did not end within {limit:.0f} s") from None
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


class Stopped(BaseException):
    """A signal told the lab to end. Like KeyboardInterrupt no scenario catches it."""


def end_on_signals():
    """Makes SIGTERM and SIGHUP end the lab as Ctrl-C does: everything that was started is ended first."""

    def stop(number, _):
        raise Stopped(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)

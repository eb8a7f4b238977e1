"""Run the same program compiled for several instruction sets; all must print the same.

Usage: compare_bits.py PROGRAM ... ; the first is the baseline. A level the processor does
not have is left out, but at least one besides the baseline must have run.
"""

import signal
import subprocess
import sys


def output(program: str) -> str | None:
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGILL:
        return None
    done.check_returncode()
    return done.stdout.strip()


def main(programs: list[str]) -> int:
    results = {program: output(program) for program in programs}
    for program, result in results.items():
        print(program, result or "not on this processor")
    ran = [result for result in results.values() if result is not None]
    return 0 if len(ran) > 1 and len(set(ran)) == 1 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

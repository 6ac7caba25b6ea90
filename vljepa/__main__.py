"Where the commands start, before torch is imported; `python -m vljepa` is `vljepa_train`, for launchers that start a module."
import os
from contextlib import suppress
import psutil
import vljepa

def choose_waiting():
    "Where other programs need the cores, let threads that wait for each other sleep and not spin: same results, sooner."
    with suppress(Exception):  # not every system tells, and the default is right everywhere
        cores, asked = os.cpu_count(), os.environ.get("OMP_NUM_THREADS", "")
        idle = cores * (1 - psutil.cpu_percent(interval=.2) / 100)
        if (int(asked) if asked.isdigit() else cores) > idle + .5: os.environ.setdefault("OMP_WAIT_POLICY", "passive")

choose_waiting()

def __getattr__(name):
    if name.startswith("vljepa_"): return getattr(vljepa, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

if __name__ == "__main__": vljepa.vljepa_train()

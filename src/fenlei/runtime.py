"""Where the work runs: one value, made once at the door and handed down."""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fenlei.errors import FenleiError, SettingsError

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Device, precision and threads of one run.

    Attributes:
        device: `cpu`, `cuda` or `cuda:N`.
        precision: what matrix products are computed in; weights stay float32.
        threads: intra-operation threads of PyTorch on the CPU.
    """

    device: str
    precision: Precision
    threads: int

    def require_threads(self) -> None:
        """Refuse to compute in a process that was forked off, where the threads that this asks for stayed behind.

        Raises:
            FenleiError: it was.
        """
        if self.threads > 1 and _LOST_THREADS:
            raise FenleiError(
                f"this computes on {self.threads} threads of the process that this one was forked off, and would wait "
                "for them forever",
                hint="load the classifier in each worker, after the fork, or with threads=1",
            )

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a forward pass runs; errors as for `require_threads`."""
        import torch

        self.require_threads()
        device_type = torch.device(self.device).type
        return torch.autocast(device_type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    @contextmanager
    def within_memory(self, *next_steps: str) -> Iterator[None]:
        """A block that may ask for more memory than there is.

        Args:
            next_steps: what asks for less; on a GPU the system's memory is one more.

        Raises:
            FenleiError: it did.
        """
        import torch

        try:
            yield
        except (MemoryError, RuntimeError) as error:
            # PyTorch has an exception for a GPU only.
            of_memory = isinstance(error, (MemoryError, torch.OutOfMemoryError))
            if not of_memory and "can't allocate memory" not in str(error):
                raise
            steps = [*next_steps, *([] if self.device == "cpu" else ["--device cpu has the system's memory"])]
            told = str(error).partition("\n")[0]
            raise FenleiError(f"there is too little memory on {self.device}: {told}", hint="; ".join(steps)) from error

    def torch_device(self) -> "torch.device":
        """The device as PyTorch names it."""
        import torch

        return torch.device(self.device)


def open_runtime(*, device: str | None = None, precision: str | None = None, threads: int | None = None) -> Runtime:
    """Settle device, precision and thread count, and set PyTorch's thread count to it.

    Args:
        device: default: the first CUDA device if there is one, otherwise the CPU.
        precision: default: bfloat16 where the hardware multiplies it natively, otherwise float32.
        threads: default: the cores this process may use; 1 in one that was forked off a process with more.

    Raises:
        SettingsError: an unknown device or precision, fewer than one thread, or more than one where a fork lost them.
    """
    import torch

    if threads is not None and threads < 1:
        raise SettingsError(f"--threads is {threads}; it must be 1 or more")
    if precision not in (None, "float32", "bfloat16"):
        raise SettingsError(f"--precision is {precision!r}; accepted are float32 and bfloat16")
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu" and not (device.split(":")[0] == "cuda" and torch.cuda.is_available()):
        raise SettingsError(
            f"--device is {device!r}; this machine offers cpu{' and cuda' if torch.cuda.is_available() else ''}"
        )
    # The products of packed batches come in a few hundred shapes (encoders/packing.py); 1,024 compiled ones, as oneDNN
    # would keep, take memory. Read at the first product; a user's own value stays.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "512")
    # PyTorch's own bridge to oneDNN keeps as many again, each with its buffers, and saves little time by it.
    os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
    _keep_freed_memory()
    if _LOST_THREADS and (threads or 1) > 1:
        raise SettingsError(
            f"--threads is {threads}; a process forked off one that computed on several threads has but 1",
            hint="use threads=1, or start workers by spawn",
        )
    threads = threads or (1 if _LOST_THREADS else _available_cores())
    torch.set_num_threads(threads)
    if threads > 1:
        _watch_forks()
    chosen: Precision = "bfloat16" if (precision or _native_precision(device)) == "bfloat16" else "float32"
    return Runtime(device=device, precision=chosen, threads=threads)


# Something in it: this process was forked off one with several threads of OpenMP. They stayed there, and whoever asks
# for them waits forever.
_LOST_THREADS: list[bool] = []


@cache
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _LOST_THREADS.append(True))


def crowded(threads: int) -> str:
    """A remark where other work has kept half of so many cores busy, or nothing; asked before our own work has.

    The threads of a product wait for the last of them, which waits for that work: fewer are quicker (LOG.md).
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if threads < 2 or load < threads / 2:
        return ""
    fewer = max(1, round(threads - load))
    busy = f"other work kept about {load:.1f} cores busy in the last minute"
    return f"{busy}: --threads {fewer} may be faster than {threads}"


def cache_folder() -> Path:
    """Where converted encoders are kept: `$FENLEI_CACHE`, or the system's folder for caches."""
    if named := os.environ.get("FENLEI_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "fenlei" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "fenlei"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fenlei"


def _keep_freed_memory() -> None:
    """Let glibc keep freed memory in place of giving it back to the system.

    An update frees and asks for the same tensors over and over; faulting their pages in anew takes up to a sixth of its
    time. Not every tensor finds room in what was kept, so some faults stay and the peak rises a little (LOG.md). Tables
    beyond 256 MiB still come and go.
    """
    if platform.libc_ver()[0] == "glibc":
        set_option = ctypes.CDLL(None).mallopt
        # malloc.h; an old glibc takes no threshold that high, and then the other would make it worse.
        m_mmap_threshold, m_trim_threshold = -3, -1
        if set_option(m_mmap_threshold, 1 << 28):
            set_option(m_trim_threshold, -1)


def _available_cores() -> int:
    # A container may be allowed fewer cores than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _native_precision(device: str) -> Precision:
    import torch

    if device == "cpu":
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        native = torch.cuda.get_device_capability(device)[0] >= 8
    return "bfloat16" if native else "float32"


def library_versions() -> dict[str, str]:
    """What computes here: Python and the libraries that numbers depend on."""
    names = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}

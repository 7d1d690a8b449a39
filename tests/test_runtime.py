import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from fenlei.errors import FenleiError, SettingsError
from fenlei.runtime import Runtime, crowded, open_runtime


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_thread_count_is_set_once():
    assert open_runtime(device="cpu", threads=2).threads == 2
    assert torch.get_num_threads() == 2
    assert open_runtime(device="cpu").threads >= 1


def test_a_busy_machine_is_told_of(monkeypatch):
    monkeypatch.setattr("fenlei.runtime.os.getloadavg", lambda: (1.2, 0.0, 0.0))
    assert "about 1.2 cores busy in the last minute: --threads 1 may be faster than 2" in crowded(2)
    assert crowded(1) == crowded(4) == ""
    monkeypatch.setattr("fenlei.runtime.os.getloadavg", lambda: (9.4, 0.0, 0.0))
    assert "--threads 7 may be faster than 16" in crowded(16)
    monkeypatch.delattr("fenlei.runtime.os.getloadavg")
    assert crowded(2) == ""


@pytest.mark.parametrize(("native", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_bfloat16_only_where_the_hardware_has_it(monkeypatch, native, precision):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)
    assert open_runtime(device="cpu").precision == precision
    assert open_runtime(device="cpu", precision="float32").precision == "float32"


def test_autocast_follows_the_precision():
    product = torch.ones(2, 2)
    with Runtime(device="cpu", precision="bfloat16", threads=1).autocast():
        assert (product @ product).dtype == torch.bfloat16
    with Runtime(device="cpu", precision="float32", threads=1).autocast():
        assert (product @ product).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threads": 0}, "--threads is 0; it must be 1 or more"),
        ({"precision": "float16"}, "--precision is 'float16'; accepted are float32 and bfloat16"),
        ({"device": "tpu"}, "--device is 'tpu'; this machine offers cpu"),
    ],
)
def test_what_the_machine_cannot_do_is_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        open_runtime(**arguments)


@pytest.mark.parametrize(
    ("library", "accepts", "set_options"),
    [("glibc", 1, [(-3, 2**28), (-1, -1)]), ("glibc", 0, [(-3, 2**28)]), ("", 1, [])],
    ids=["glibc", "old glibc", "another"],
)
def test_glibc_keeps_freed_memory_where_it_takes_the_threshold(monkeypatch, library, accepts, set_options):
    """What a tensor then gets is up to glibc: no single one is sure to fault less (LOG.md)."""
    done = []
    c_library = SimpleNamespace(mallopt=lambda *option: (done.append(option), accepts)[1])
    monkeypatch.setattr("fenlei.runtime.platform.libc_ver", lambda: (library, ""))
    monkeypatch.setattr("fenlei.runtime.ctypes.CDLL", lambda name: c_library)
    open_runtime(device="cpu", threads=1)
    assert done == set_options


def test_caches_of_compiled_products_are_small_unless_the_user_says_otherwise(monkeypatch):
    """Packed batches come in a few hundred shapes; what is kept beyond those would fill memory."""
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")
    open_runtime(device="cpu", threads=1)
    assert (os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"], os.environ["LRU_CACHE_CAPACITY"]) == ("512", "7")
    monkeypatch.delenv("LRU_CACHE_CAPACITY")
    open_runtime(device="cpu", threads=1)
    assert os.environ["LRU_CACHE_CAPACITY"] == "64"


def asks_for_too_much():
    torch.empty(1 << 60, dtype=torch.int8)


def a_gpu_is_full():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nIf reserved …")


@pytest.mark.parametrize(
    ("device", "asks", "said", "hint"),
    [
        (
            "cpu",
            asks_for_too_much,
            "memory on cpu: .*can't allocate memory: you tried to allocate 1152921504606846976",
            "a",
        ),
        (
            "cuda",
            a_gpu_is_full,
            r"memory on cuda: CUDA out of memory. Tried to allocate 2 GiB\.$",
            "a; --device cpu has .*",
        ),
    ],
)
def test_too_little_memory_is_an_error_with_a_next_step(device, asks, said, hint):
    runtime = Runtime(device=device, precision="float32", threads=1)
    with pytest.raises(FenleiError, match=said) as caught, runtime.within_memory("a"):
        asks()
    assert re.fullmatch(hint, caught.value.hint)


def test_other_errors_of_the_libraries_stay_what_they_are():
    runtime = Runtime(device="cpu", precision="float32", threads=1)
    with pytest.raises(RuntimeError, match="cannot be multiplied"), runtime.within_memory("a"):
        torch.ones(2, 3) @ torch.ones(2, 3)


SCRIPT = """
import os, sys
from fenlei.errors import FenleiError
from fenlei.runtime import Runtime, open_runtime
before = open_runtime(device="cpu", threads=int(sys.argv[1]))
read, write = os.pipe()
if os.fork() == 0:
    try:
        before.require_threads()
        said = f"computes, {open_runtime(device='cpu').threads}"
    except FenleiError as error:
        said = f"{error} / {open_runtime(device='cpu').threads}"
    try:
        open_runtime(device="cpu", threads=2)
    except FenleiError as error:
        said += f" / {error}"
    os.write(write, said.encode())
    os._exit(0)
os.close(write)
print(os.fdopen(read).read())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_threads_that_a_fork_lost_are_not_waited_for():
    several, one = (
        subprocess.run([sys.executable, "-c", SCRIPT, threads], capture_output=True, text=True, check=True).stdout
        for threads in ("2", "1")
    )
    refused, default, explicit = several.split(" / ")
    assert "this computes on 2 threads of the process that this one was forked off" in refused
    assert default == "1"
    assert "--threads is 2; a process forked off one that computed on several threads has but 1" in explicit
    assert one.startswith("computes, ")

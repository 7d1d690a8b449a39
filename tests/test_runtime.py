import platform
import subprocess
import sys

import pytest
import torch

from fenlei.errors import SettingsError
from fenlei.runtime import Runtime, open_runtime


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_thread_count_is_set_once():
    assert open_runtime(device="cpu", threads=2).threads == 2
    assert torch.get_num_threads() == 2
    assert open_runtime(device="cpu").threads >= 1


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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of glibc")
def test_memory_that_was_freed_serves_the_next_tensor():
    """Without the option each of these tensors of 48 MB comes in 12,000 pages that the system has to fill anew."""
    script = (
        "import resource, torch; from fenlei import open_runtime; open_runtime(device='cpu', threads=1)\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "torch.zeros(12_000_000); before = faults()\n"
        "for _ in range(5): torch.zeros(12_000_000)\n"
        "print(faults() - before)"
    )

    def faults():
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
        return int(done.stdout)

    # One process in ten has so little room above its heap, where the system happened to put it, that it cannot grow.
    assert any(faults() < 1000 for _ in range(4))

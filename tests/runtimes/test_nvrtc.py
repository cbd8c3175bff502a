"""NVIDIA's run-time compiler takes the CUDA source for every kind of GPU that torch serves; no GPU is needed for that."""

import ctypes
from importlib.metadata import PackageNotFoundError, files

import pytest

from steer_kernels import cuda

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module")
def nvrtc():
    try:
        found = files("nvidia-cuda-nvrtc-cu12") or []
    except PackageNotFoundError:
        pytest.skip("needs NVIDIA's package nvidia-cuda-nvrtc-cu12")
    paths = {path.name: str(path.locate()) for path in found if ".so" in path.name}
    ctypes.CDLL(paths["libnvrtc-builtins.so.12.9"], mode=ctypes.RTLD_GLOBAL)  # it is looked for by name
    return ctypes.CDLL(paths["libnvrtc.so.12"])


@pytest.mark.parametrize("architecture", ["sm_70", "sm_80", "sm_90", "sm_120"])
def test_the_source_compiles_without_a_toolkit(nvrtc, architecture):
    image = cuda.nvrtc_image(nvrtc, cuda._SOURCE.read_text(encoding="utf-8"), architecture)
    assert image.startswith(b"\x7fELF")
    for dtype in cuda._NAMES.values():
        for kind in ("", "_packed"):
            assert f".text.steer_{dtype}{kind}\0".encode() in image


def test_what_does_not_compile_is_said(nvrtc):
    with pytest.raises(RuntimeError, match="steer.cu.1.: error: identifier .nothing. is undefined"):
        cuda.nvrtc_image(nvrtc, "int x = nothing;", "sm_90")

"""spconv-triton 1.0: spconv's calls over Triton's kernels; the package of PyPI is Python alone."""

from tests.bench.peers.spconv_like import SpconvLike

SPCONV_TRITON = SpconvLike("spconv-triton", "spconv_triton")

"""Arrays from anywhere are what numpy reads, by any number of threads, and never more than their file can hold."""

import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lidar_vl_core.foundation.plain_arrays import load_plain_array, load_plain_arrays

MOST = 1 << 20
DTYPES = ("<f4", ">f8", "|u1", "<i8", "<f2", "|b1", "<U3", "|S5", "<c8")


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    ),
    st.booleans(),
    st.sampled_from([(1, 0), (2, 0)]),
)
def test_an_array_of_any_type_shape_and_order_is_read_as_numpy_reads_it(tmp_path_factory, array, is_fortran, version):
    array = np.asfortranarray(array) if is_fortran else array
    path = tmp_path_factory.getbasetemp() / "plain.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    found, expected = load_plain_array(path, MOST), np.load(path)
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def test_of_many_arrays_the_named_ones_are_read():
    stream = BytesIO()
    np.savez_compressed(stream, a=np.arange(5), b=np.eye(3), c=np.zeros(2))
    assert set(load_plain_arrays(stream, MOST)) == {"a", "b", "c"}
    found = load_plain_arrays(stream, MOST, ("b", "not there"))
    np.testing.assert_array_equal(found.pop("b"), np.eye(3))
    assert found == {}


def test_many_threads_read_at_once(tmp_path):
    path, switch_s = tmp_path / "many.npz", sys.getswitchinterval()
    np.savez(path, **{f"a{number}": np.full(number, number) for number in range(20)})
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            reads = list(pool.map(lambda _: load_plain_arrays(path, MOST), range(100)))
    finally:
        sys.setswitchinterval(switch_s)
    assert all((found[f"a{number}"] == number).all() for found in reads for number in range(20))


@pytest.mark.parametrize(
    "descr", ["'|O'", "[('x', '<f4')]", "'<f4', 'descr': '|O'", "__import__('os')", "'<U0'", "'<z9'"]
)
def test_what_is_no_plain_number_or_word_is_refused(tmp_path, descr):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}\n".encode()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 8)
    with pytest.raises(ValueError, match=r"plain numbers and words|TypeError"):
        load_plain_array(tmp_path / "a.npy", MOST)


@pytest.mark.parametrize("shape", ["(3,)", "(1,)", "(4000000000, 4000000000)", "(-2,)", "(1,1,1,1,1,1,1,1,2)", "2"])
def test_a_shape_that_the_bytes_do_not_have_is_refused(tmp_path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 8)
    with pytest.raises(ValueError, match=r"the array with|the array of"):
        load_plain_array(tmp_path / "a.npy", MOST)

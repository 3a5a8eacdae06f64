// The kernel of a sparse convolution, and a plain C function that starts it.
#include "sparse_conv.h"
#include "sparse_conv_tile.h"

namespace lidar_vl {
namespace {

template <typename T>
struct SumsOf {
  using type = Sums;
};

#ifdef __CUDA_ARCH__
template <>
struct SumsOf<__half> {
  using type = TensorCoreSums;
};
#endif

template <typename T>
__global__ void __launch_bounds__(THREADS) sparse_conv(const Problem<T> p) {
  __shared__ Scratch<T> scratch;
  const int thread = threadIdx.x;
  const int first_row = blockIdx.x * TILE_ROWS, first_column = blockIdx.y * TILE_COLUMNS;
  read_neighbours(thread, p, first_row, scratch);
  __syncthreads();
  find_empty_offsets(thread, p, scratch);
  __syncthreads();
  typename SumsOf<T>::type sums;
  for (int k = 0; k < p.kernel; ++k) {
    if (!scratch.has_neighbours[k]) continue;  // the same for the whole block
    for (int c = 0; c < p.c_in; c += TILE_DEPTH) {
      load_x(thread, p, k, c, scratch);
      load_weight(thread, p, k, c, first_column, scratch);
      __syncthreads();
      sums.add_products(thread, scratch);
      __syncthreads();
    }
  }
  sums.write_out(thread, scratch);
  __syncthreads();
  store_tile(thread, p, first_row, first_column, scratch);
}

template <typename T>
int start(const void* x, const int* table, const void* weight, const void* bias, void* y, int rows_in, int rows, int kernel,
          int c_in, int c_out, cudaStream_t stream) {
  const Problem<T> problem{static_cast<const T*>(x),    table, static_cast<const T*>(weight), static_cast<const T*>(bias),
                           static_cast<T*>(y), rows_in, rows,  kernel,                        c_in,
                           c_out};
  const dim3 blocks((rows + TILE_ROWS - 1) / TILE_ROWS, (c_out + TILE_COLUMNS - 1) / TILE_COLUMNS);
  sparse_conv<T><<<blocks, THREADS, 0, stream>>>(problem);
  return cudaGetLastError();
}

}  // namespace
}  // namespace lidar_vl

extern "C" int lidar_vl_sparse_conv(int is_half, const void* x, const int* table, const void* weight, const void* bias, void* y,
                                    int rows_in, int rows, int kernel, int c_in, int c_out, void* stream) {
  if (rows_in < 0 || rows < 0 || kernel < 1 || kernel > lidar_vl::MOST_NEIGHBOURS || c_in < 1 || c_out < 1)
    return cudaErrorInvalidValue;
  if (rows == 0) return cudaSuccess;
  const auto start = is_half ? lidar_vl::start<__half> : lidar_vl::start<float>;
  return start(x, table, weight, bias, y, rows_in, rows, kernel, c_in, c_out, static_cast<cudaStream_t>(stream));
}

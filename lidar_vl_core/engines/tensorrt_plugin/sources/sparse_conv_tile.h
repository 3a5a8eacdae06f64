// One tile of a sparse convolution, step by step: y[i] = bias + sum_k x[table[i, k]] @ weight[k].
//
// A tile is TILE_ROWS output rows by TILE_COLUMNS output channels, computed by THREADS threads that share a Scratch. A step is
// what each thread does between two barriers. The CUDA kernel and the check on a CPU call the same steps.
#pragma once

#include <cuda_fp16.h>

#ifdef __CUDACC__
#define LIDAR_VL_STEP __device__ __forceinline__
#else
#define LIDAR_VL_STEP inline
#endif
#ifdef __CUDA_ARCH__
#include <mma.h>
#endif

namespace lidar_vl {

constexpr int MOST_NEIGHBOURS = 27;
constexpr int TILE_ROWS = 64;
constexpr int TILE_COLUMNS = 64;
constexpr int TILE_DEPTH = 32;  // input channels that lie in shared memory at a time
constexpr int THREADS = 128;
constexpr int PADDING = 8;  // keeps the rows of a tile off each other's memory banks, and 16 x 16 matrices aligned to 32 bytes
constexpr int X_PITCH = TILE_DEPTH + PADDING;
constexpr int WEIGHT_PITCH = TILE_COLUMNS + PADDING;
constexpr int SUM_PITCH = TILE_COLUMNS + PADDING;

template <typename T>
struct Problem {
  const T* x;        // (rows_in, c_in)
  const int* table;  // (rows, kernel) rows of x; anything else is a missing neighbour
  const T* weight;   // (kernel, c_in, c_out)
  const T* bias;     // (c_out)
  T* y;              // (rows, c_out)
  int rows_in, rows, kernel, c_in, c_out;
};

template <typename T>
struct alignas(32) Scratch {
  union {
    struct {
      T x[TILE_ROWS * X_PITCH];
      T weight[TILE_DEPTH * WEIGHT_PITCH];
    };
    float sums[TILE_ROWS * SUM_PITCH];
  };
  int neighbours[MOST_NEIGHBOURS * TILE_ROWS];
  int has_neighbours[MOST_NEIGHBOURS];
};

// 16 bytes, the widest thing a thread loads at once.
template <typename T>
struct alignas(16) Pack {
  T values[16 / sizeof(T)];
};

LIDAR_VL_STEP float to_float(float value) { return value; }
LIDAR_VL_STEP float to_float(__half value) { return __half2float(value); }
LIDAR_VL_STEP void store(float value, float* at) { *at = value; }
LIDAR_VL_STEP void store(float value, __half* at) { *at = __float2half(value); }

template <typename T>
LIDAR_VL_STEP void read_neighbours(int thread, const Problem<T>& p, int first_row, Scratch<T>& scratch) {
  for (int i = thread; i < TILE_ROWS * p.kernel; i += THREADS) {
    const int row = i / p.kernel, k = i % p.kernel;
    const int source = first_row + row < p.rows ? p.table[static_cast<long long>(first_row) * p.kernel + i] : -1;
    scratch.neighbours[k * TILE_ROWS + row] = source >= 0 && source < p.rows_in ? source : -1;
  }
}

template <typename T>
LIDAR_VL_STEP void find_empty_offsets(int thread, const Problem<T>& p, Scratch<T>& scratch) {
  if (thread >= p.kernel) return;
  int largest = -1;
  for (int row = 0; row < TILE_ROWS; ++row) {
    const int source = scratch.neighbours[thread * TILE_ROWS + row];
    largest = source > largest ? source : largest;
  }
  scratch.has_neighbours[thread] = largest >= 0;
}

// Rows of x that offset k gathers, channels c to c + TILE_DEPTH; zero where there is none.
template <typename T>
LIDAR_VL_STEP void load_x(int thread, const Problem<T>& p, int k, int c, Scratch<T>& scratch) {
  constexpr int WIDTH = 16 / sizeof(T);
  constexpr int PACKS = TILE_DEPTH / WIDTH;
  for (int i = thread; i < TILE_ROWS * PACKS; i += THREADS) {
    const int row = i / PACKS, channel = c + i % PACKS * WIDTH;
    const int source = scratch.neighbours[k * TILE_ROWS + row];
    const T* from = p.x + static_cast<long long>(source < 0 ? 0 : source) * p.c_in + channel;
    Pack<T> pack = {};
    if (source >= 0 && p.c_in % WIDTH == 0) {
      if (channel < p.c_in) pack = *reinterpret_cast<const Pack<T>*>(from);
    } else if (source >= 0) {
      for (int j = 0; j < WIDTH; ++j)
        if (channel + j < p.c_in) pack.values[j] = from[j];
    }
    *reinterpret_cast<Pack<T>*>(scratch.x + row * X_PITCH + i % PACKS * WIDTH) = pack;
  }
}

template <typename T>
LIDAR_VL_STEP void load_weight(int thread, const Problem<T>& p, int k, int c, int first_column, Scratch<T>& scratch) {
  constexpr int WIDTH = 16 / sizeof(T);
  constexpr int PACKS = TILE_COLUMNS / WIDTH;
  for (int i = thread; i < TILE_DEPTH * PACKS; i += THREADS) {
    const int channel = c + i / PACKS, column = first_column + i % PACKS * WIDTH;
    const T* from = p.weight + (static_cast<long long>(k) * p.c_in + channel) * p.c_out + column;
    Pack<T> pack = {};
    if (channel < p.c_in && p.c_out % WIDTH == 0) {
      if (column < p.c_out) pack = *reinterpret_cast<const Pack<T>*>(from);
    } else if (channel < p.c_in) {
      for (int j = 0; j < WIDTH; ++j)
        if (column + j < p.c_out) pack.values[j] = from[j];
    }
    *reinterpret_cast<Pack<T>*>(scratch.weight + i / PACKS * WEIGHT_PITCH + i % PACKS * WIDTH) = pack;
  }
}

// What a thread keeps of the sums between steps: in float32, of 4 rows and 8 columns. Threads side by side read rows side by
// side, which lie in different memory banks.
struct Sums {
  static constexpr int ROWS = 4, COLUMNS = 8, STEP = TILE_ROWS / ROWS;
  float values[ROWS][COLUMNS] = {};

  template <typename T>
  LIDAR_VL_STEP void add_products(int thread, const Scratch<T>& scratch) {
    const int row = thread / 8, column = thread % 8 * COLUMNS;
    for (int d = 0; d < TILE_DEPTH; ++d) {
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const float x = to_float(scratch.x[(row + r * STEP) * X_PITCH + d]);
#pragma unroll
        for (int n = 0; n < COLUMNS; ++n)
          values[r][n] += x * to_float(scratch.weight[d * WEIGHT_PITCH + column + n]);
      }
    }
  }

  template <typename T>
  LIDAR_VL_STEP void write_out(int thread, Scratch<T>& scratch) const {
    const int row = thread / 8, column = thread % 8 * COLUMNS;
    for (int r = 0; r < ROWS; ++r)
      for (int n = 0; n < COLUMNS; ++n) scratch.sums[(row + r * STEP) * SUM_PITCH + column + n] = values[r][n];
  }
};

#ifdef __CUDA_ARCH__
// The same on tensor cores: each of the four warps keeps 32 rows and 32 columns.
struct TensorCoreSums {
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> values[2][2];

  LIDAR_VL_STEP TensorCoreSums() {
    for (auto& row : values)
      for (auto& value : row) nvcuda::wmma::fill_fragment(value, 0.0f);
  }

  LIDAR_VL_STEP void add_products(int thread, const Scratch<__half>& scratch) {
    using namespace nvcuda::wmma;
    const int row = thread / 32 / 2 * 32, column = thread / 32 % 2 * 32;
#pragma unroll
    for (int d = 0; d < TILE_DEPTH; d += 16) {
      fragment<matrix_a, 16, 16, 16, __half, row_major> x[2];
      fragment<matrix_b, 16, 16, 16, __half, row_major> weight[2];
      for (int i = 0; i < 2; ++i) {
        load_matrix_sync(x[i], scratch.x + (row + 16 * i) * X_PITCH + d, X_PITCH);
        load_matrix_sync(weight[i], scratch.weight + d * WEIGHT_PITCH + column + 16 * i, WEIGHT_PITCH);
      }
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) mma_sync(values[i][j], x[i], weight[j], values[i][j]);
    }
  }

  LIDAR_VL_STEP void write_out(int thread, Scratch<__half>& scratch) const {
    using namespace nvcuda::wmma;
    const int row = thread / 32 / 2 * 32, column = thread / 32 % 2 * 32;
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j)
        store_matrix_sync(scratch.sums + (row + 16 * i) * SUM_PITCH + column + 16 * j, values[i][j], SUM_PITCH, mem_row_major);
  }
};
#endif

// Bias is added in float32; then comes the only rounding.
template <typename T>
LIDAR_VL_STEP void store_tile(int thread, const Problem<T>& p, int first_row, int first_column, const Scratch<T>& scratch) {
  for (int i = thread; i < TILE_ROWS * TILE_COLUMNS; i += THREADS) {
    const int row = i / TILE_COLUMNS, column = first_column + i % TILE_COLUMNS;
    if (first_row + row < p.rows && column < p.c_out)
      store(scratch.sums[row * SUM_PITCH + i % TILE_COLUMNS] + to_float(p.bias[column]),
            p.y + static_cast<long long>(first_row + row) * p.c_out + column);
  }
}

}  // namespace lidar_vl

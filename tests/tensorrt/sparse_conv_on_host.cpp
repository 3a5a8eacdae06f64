// The steps of the plugin's kernel on a CPU: what the threads of a block do one after the other, in the order of the kernel.
#include "sparse_conv_tile.h"

#include <memory>

template <typename T>
static void sparse_conv(const lidar_vl::Problem<T>& p) {
  using namespace lidar_vl;
  const auto scratch = std::make_unique<Scratch<T>>();
  const auto all_threads = [](auto step) {
    for (int thread = 0; thread < THREADS; ++thread) step(thread);
  };
  for (int first_row = 0; first_row < p.rows; first_row += TILE_ROWS) {
    for (int first_column = 0; first_column < p.c_out; first_column += TILE_COLUMNS) {
      Sums sums[THREADS];
      all_threads([&](int thread) { read_neighbours(thread, p, first_row, *scratch); });
      all_threads([&](int thread) { find_empty_offsets(thread, p, *scratch); });
      for (int k = 0; k < p.kernel; ++k) {
        if (!scratch->has_neighbours[k]) continue;
        for (int c = 0; c < p.c_in; c += TILE_DEPTH) {
          all_threads([&](int thread) { load_x(thread, p, k, c, *scratch); });
          all_threads([&](int thread) { load_weight(thread, p, k, c, first_column, *scratch); });
          all_threads([&](int thread) { sums[thread].add_products(thread, *scratch); });
        }
      }
      all_threads([&](int thread) { sums[thread].write_out(thread, *scratch); });
      all_threads([&](int thread) { store_tile(thread, p, first_row, first_column, *scratch); });
    }
  }
}

extern "C" void sparse_conv_float(const lidar_vl::Problem<float>* p) { sparse_conv(*p); }
extern "C" void sparse_conv_half(const lidar_vl::Problem<__half>* p) { sparse_conv(*p); }

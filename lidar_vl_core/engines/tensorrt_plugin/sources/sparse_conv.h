// y[i] = bias + sum_k x[table[i, k]] @ weight[k] on the GPU, on a stream.
//
// x (rows_in, c_in), weight (kernel, c_in, c_out), bias (c_out) and y (rows, c_out) are all float16 or all float32, aligned to
// 16 bytes; table (rows, kernel) is int32, and what is no row of x is a missing neighbour. kernel is at most 27. Sums are taken
// in float32. Returns 0 or a cudaError_t.
#pragma once

extern "C" int lidar_vl_sparse_conv(int is_half, const void* x, const int* table, const void* weight, const void* bias, void* y,
                                    int rows_in, int rows, int kernel, int c_in, int c_out, void* stream);

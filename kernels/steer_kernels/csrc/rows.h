// One edit as plain numbers, shared by the rows of every instruction set and by the operator.
#pragma once
#include <cstdint>

struct Edit {
  const float *read, *write;  // [k, d]
  const float *terms;         // [k, 5]: offset, gain, low, high, radial
  const float *query;         // [d], or null: no gate
  int64_t k, d, step;         // step: from one row of read, write or terms to the next
  float threshold, sharpness;
  bool reads, rotates, keep_norm;
};

// How many rows are given at once.
constexpr int64_t kRows = 4;

// Edits up to kRows rows in place, each by its own k strengths. What lies `ahead` numbers on is fetched meanwhile; 0 where
// rows lie in the caches. `scratch` holds 2 kRows k floats. A row whose s * g are all 0 is not written.
using EditRows = void (*)(void *const *rows, int64_t n, int64_t ahead, const Edit &edit, const float *strengths,
                          float *scratch);

enum Kind { kFloat, kBFloat16, kHalf, kKinds };

extern "C" const EditRows *steer_rows_base();
extern "C" const EditRows *steer_rows_avx2();
extern "C" const EditRows *steer_rows_avx512();

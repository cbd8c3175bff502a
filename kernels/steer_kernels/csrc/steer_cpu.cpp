// steer::edit_ for CPUs, against libtorch's stable ABI: built once, it serves every torch from 2.10 on.
// Walks the rows of any leading shape and strides, and picks the instruction set at run time. The arithmetic is in rows.cpp.
#define TORCH_TARGET_VERSION (((0ULL + 2) << 56) | ((0ULL + 10) << 48))
#include "rows.h"

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

namespace {

// Below this many numbers read or written a second thread costs more than it brings.
constexpr int64_t kGrain = 1 << 17;
// Columns before the directions in a packed table.
constexpr int64_t kHead = 16;
// Activations of more bytes than this are taken to lie beyond the caches.
constexpr int64_t kFar = 1 << 24;

// The best instruction set of this machine; STEER_CPU_ISA=avx2 or base asks for an older one's results.
const EditRows *best_rows() {
#if defined(__x86_64__)
  const char *asked = std::getenv("STEER_CPU_ISA");
  bool base = asked && !std::strcmp(asked, "base"), avx2 = asked && !std::strcmp(asked, "avx2");
  if (base) return steer_rows_base();
  if (!avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd"))
    return steer_rows_avx512();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return steer_rows_avx2();
#endif
  return steer_rows_base();
}

Kind kind_of(const Tensor &hidden) {
  switch (hidden.scalar_type()) {
    case ScalarType::Float: return kFloat;
    case ScalarType::BFloat16: return kBFloat16;
    case ScalarType::Half: return kHalf;
    default: STD_TORCH_CHECK(false, "steer::edit_: activations must be float32, bfloat16 or float16");
  }
}

// A tensor's shape, asked for once: each question goes through a function of torch's, seldom in the caches.
struct Shape {
  torch::headeronly::IntHeaderOnlyArrayRef sizes, strides;
  int64_t dim;

  explicit Shape(const Tensor &t) : sizes(t.sizes()), strides(t.strides()), dim((int64_t)sizes.size()) {}
};

// Where a row and its strengths start: leading indices times their strides. Strengths broadcast as torch's tensors do.
struct Walk {
  std::vector<int64_t> sizes, rows, strengths;

  Walk(const Shape &hidden, const Shape &strength) {
    for (int64_t i = 0; i + 1 < hidden.dim; i++) {
      if (hidden.sizes[i] == 1) continue;
      int64_t j = i + strength.dim - hidden.dim, size = hidden.sizes[i], row = hidden.strides[i];
      int64_t own = j < 0 || strength.sizes[j] == 1 ? 0 : strength.strides[j];
      // Dimensions that follow each other in memory are one: most calls end with a single one.
      if (!sizes.empty() && rows.back() == row * size && strengths.back() == own * size) {
        sizes.back() *= size, rows.back() = row, strengths.back() = own;
      } else {
        sizes.push_back(size), rows.push_back(row), strengths.push_back(own);
      }
    }
  }

  int64_t count() const {
    int64_t n = 1;
    for (int64_t size : sizes) n *= size;
    return n;
  }

  void at(int64_t n, int64_t &row, int64_t &own) const {
    row = own = 0;
    for (int64_t i = (int64_t)sizes.size() - 1; i >= 0; i--) {
      int64_t index = n % sizes[i];
      n /= sizes[i];
      row += index * rows[i], own += index * strengths[i];
    }
  }
};

// The table is packed as in table.py: [2 k (+ 1), kHead + d].
void edit_(Tensor hidden, Tensor packed, Tensor given) {
  static const EditRows *best = best_rows();
  Shape shape(hidden), table(packed), strength(given);
  int64_t d = shape.dim ? shape.sizes[shape.dim - 1] : 0, step = kHead + d;
  STD_TORCH_CHECK(d > 0 && table.dim == 2 && table.sizes[0] > 1 && table.sizes[1] == step,
                  "steer::edit_: another width than the table's");
  STD_TORCH_CHECK(packed.scalar_type() == ScalarType::Float && table.strides[0] == step && table.strides[1] == 1,
                  "steer::edit_: a table that is not packed");
  STD_TORCH_CHECK(shape.strides[shape.dim - 1] == 1, "steer::edit_: rows must be contiguous");
  Kind kind = kind_of(hidden);
  EditRows edit_rows = best[kind];
  int64_t k = table.sizes[0] / 2;
  auto *terms = (const float *)packed.const_data_ptr(), *gate = terms + 2 * k * step;
  bool gated = table.sizes[0] % 2;
  const float *second = terms + k * step;
  Edit edit{terms + kHead, second[1] != 0 ? terms + kHead : second + kHead, terms, gated ? gate + kHead : nullptr, k, d, step,
            gated ? gate[0] : 0, gated ? gate[1] : 0, false, false, second[0] != 0};
  for (int64_t j = 0; j < k; j++) edit.rotates |= terms[j * step + 4] != 0;
  edit.reads = edit.rotates;
  for (int64_t j = 0; j < k; j++) {
    const float *t = edit.terms + edit.step * j;
    edit.reads |= t[1] != 0 || std::isfinite(t[2]) || std::isfinite(t[3]);
  }
  STD_TORCH_CHECK(strength.dim <= shape.dim && given.scalar_type() == ScalarType::Float,
                  "steer::edit_: strengths must be float32 that broadcasts to the rows");
  for (int64_t j = 0; j < strength.dim; j++) {
    int64_t i = j + shape.dim - strength.dim, size = i + 1 < shape.dim ? shape.sizes[i] : k;
    STD_TORCH_CHECK(strength.sizes[j] == 1 || strength.sizes[j] == size,
                    "steer::edit_: strengths must be float32 that broadcasts to the rows");
  }
  for (int64_t i = 0; i + 1 < shape.dim; i++)
    STD_TORCH_CHECK(shape.strides[i] || shape.sizes[i] < 2, "steer::edit_: rows that share memory; clone them first");
  Walk walk(shape, strength);
  char *rows = (char *)hidden.mutable_data_ptr();
  const float *strengths = (const float *)given.const_data_ptr();
  int64_t item = kind == kFloat ? 4 : 2, last = strength.dim - 1;
  int64_t stride = last < 0 || strength.sizes[last] == 1 ? 0 : strength.strides[last];
  int64_t count = walk.count();
  bool far = count * d * item > kFar;
  auto some = [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(3 * kRows * k);
    float *own = scratch.data() + 2 * kRows * k;
    for (int64_t n = begin; n < end; n += kRows) {
      void *block[kRows];
      int64_t size = end - n < kRows ? end - n : kRows;
      for (int64_t b = 0; b < size; b++) {
        int64_t row, at;
        walk.at(n + b, row, at);
        block[b] = rows + row * item;
        for (int64_t j = 0; j < k; j++) own[b * k + j] = strengths[at + j * stride];
      }
      edit_rows(block, size, far ? kRows * d : 0, edit, own, scratch.data());
    }
  };
  int64_t grain = kGrain / (d * k * (edit.reads ? 2 : 1) + 1) + 1;
  if (count <= grain)
    some(0, count);
  else
    torch::stable::parallel_for(0, count, grain, some);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(steer, CPU, m) { m.impl("edit_", TORCH_BOX(&edit_)); }

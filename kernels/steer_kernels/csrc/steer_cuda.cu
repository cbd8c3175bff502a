// The equation for one row a block, as rows.cpp has it for CPUs. For NVRTC or nvcc; needs no headers.
//
//   p = R h;  f = offset + gain p + (clamp(p, low, high) - p) + radial rho;  h' = h + W^T (s g(h) f)
//
// Arithmetic is float32; lengths are summed in double. A row is read from memory once and then again from the caches of
// its multiprocessor. Every thread holds V neighbouring numbers at a time: 16 bytes where rows are aligned, else one.

typedef long long i64;

constexpr int kMost = 64;  // directions of one table
constexpr int kHead = 16;   // columns before the directions in a packed table

struct Rows {
  void *at;
  i64 stride;  // numbers from one row to the next
};

struct Edit {
  const float *read, *write;  // [k, d]
  const float *terms;         // [k, 5]: offset, gain, low, high, radial
  const float *query;         // [d], or null: no gate
  const float *strength;      // of row 0
  int rows_stride, k_stride;  // of the strengths
  int k, d, step;             // step: from one row of read, write or terms to the next
  float threshold, sharpness;
  bool reads, rotates, keep_norm;
};

struct F32 {
  using T = float;
  static __device__ float load(T v) { return v; }
  static __device__ T store(float v) { return v; }
};

struct BF16 {
  using T = unsigned short;
  static __device__ float load(T v) { return __uint_as_float((unsigned)v << 16); }
  static __device__ T store(float v) {
    unsigned u = __float_as_uint(v);
    return v != v ? 0x7fc0 : (T)((u + 0x7fff + ((u >> 16) & 1)) >> 16);  // to nearest, ties to even
  }
};

struct F16 {
  using T = unsigned short;
#if defined(__CUDACC__)
  static __device__ float load(T v) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(v));
    return f;
  }
  static __device__ T store(float v) {
    T u;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(u) : "f"(v));
    return u;
  }
#else
  static float load(T v) { return (float)__builtin_bit_cast(_Float16, v); }
  static T store(float v) { return __builtin_bit_cast(T, (_Float16)v); }
#endif
};

template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T v[V];
};

// Of all threads of the block, to all of them. Called by all of them.
template <class S>
__device__ S sum(S own) {
  __shared__ S part[32];
  for (int o = 16; o; o /= 2) own += __shfl_xor_sync(0xffffffffu, own, o);
  __syncthreads();  // the last sum has been read
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = own;
  __syncthreads();
  S total = 0;
  for (unsigned i = 0; i < (blockDim.x + 31) / 32; i++) total += part[i];
  return total;
}

template <class Io, int V, class F>
__device__ void each(const typename Io::T *row, int d, F use) {
  for (int i = threadIdx.x * V; i < d; i += blockDim.x * V) {
    auto pack = *(const Pack<typename Io::T, V> *)(row + i);
    for (int v = 0; v < V; v++) use(i + v, Io::load(pack.v[v]));
  }
}

template <class Io, int V>
__device__ float dot(const typename Io::T *row, const float *r, int d) {
  float own = 0;
  each<Io, V>(row, d, [&](int i, float h) { own += h * r[i]; });
  return sum(own);
}

template <class Io, int V>
__device__ double square(const typename Io::T *row, int d) {
  double own = 0;
  each<Io, V>(row, d, [&](int, float h) { own += (double)h * h; });
  return sum(own);
}

__device__ float clamped(float p, const float *t) { return p < t[2] ? t[2] : p > t[3] ? t[3] : p; }

// f(p), in place; one thread
__device__ void change(float *p, const Edit &e) {
  for (int j = 0; j < e.k; j++) {
    const float *t = e.terms + (i64)j * e.step;
    float own = p[j], f = t[0] + t[1] * own + (clamped(own, t) - own);
    if (e.rotates) {  // both projections of a pair are needed by both of its rows
      const float *u = t + e.step;
      float other = p[j + 1], rho = hypotf(own, other);
      p[j + 1] = u[0] + u[1] * other + (clamped(other, u) - other) + u[4] * rho;
      p[j++] = f + t[4] * rho;
    } else {
      p[j] = f;
    }
  }
}

template <class Io, int V>
__device__ void edit_row(typename Io::T *row, const float *strength, const Edit &e) {
  __shared__ float c[kMost];
  // Strengths first: 0 times the gate of a row that holds a NaN is not 0.
  bool touched = false;
  for (int j = 0; j < e.k; j++) touched |= strength[j * e.k_stride] != 0;
  if (!touched) return;
  float gate = 1;
  if (e.query) {
    float along = dot<Io, V>(row, e.query, e.d);
    double length = sqrt(square<Io, V>(row, e.d));
    double cosine = along / (length > 1e-300 ? length : 1e-300);
    gate = isinf(e.sharpness) ? ((float)cosine > e.threshold ? 1.f : 0.f)
                              : (float)(1 / (1 + exp(-e.sharpness * (cosine - e.threshold))));
  }
  if (gate == 0) return;

  for (int j = 0; j < e.k; j++) {
    float p = e.reads ? dot<Io, V>(row, e.read + (i64)j * e.step, e.d) : 0;
    if (threadIdx.x == 0) c[j] = p;
  }
  if (threadIdx.x == 0) {
    change(c, e);
    for (int j = 0; j < e.k; j++) c[j] *= strength[j * e.k_stride] * gate;
  }
  __syncthreads();
  auto moved = [&](int i, float h) {
    for (int j = 0; j < e.k; j++) h += c[j] * e.write[(i64)j * e.step + i];
    return h;
  };
  float ratio = 1;
  if (e.keep_norm) {
    double before = square<Io, V>(row, e.d), after = 0;
    each<Io, V>(row, e.d, [&](int i, float h) { after += (double)moved(i, h) * moved(i, h); });
    after = sum(after);
    // Of a row that lies in what was removed only rounding is left, and that is not made long again.
    if (sqrt(after) > 1e-6 * sqrt(before)) ratio = (float)(sqrt(before) / sqrt(after));
  }
  for (int i = threadIdx.x * V; i < e.d; i += blockDim.x * V) {
    auto *at = (Pack<typename Io::T, V> *)(row + i);
    auto pack = *at;
    for (int v = 0; v < V; v++) pack.v[v] = Io::store(moved(i + v, Io::load(pack.v[v])) * ratio);
    *at = pack;
  }
  __syncthreads();  // before the next row takes c
}

// Whether a projection is wanted at all; what adds reads nothing.
__device__ bool reads(const Edit &e) {
  bool found = e.rotates;
  for (int j = 0; j < e.k; j++) {
    const float *t = e.terms + (i64)j * e.step;
    found |= t[1] != 0 || !isinf(t[2]) || !isinf(t[3]);
  }
  return found;
}

// The table is packed as in table.py: [2 k (+ 1), kHead + d].
template <class Io, int V>
__device__ void edit_rows(Rows rows, int count, const float *table, int length, const float *strength, int rows_stride,
                          int k_stride, int d) {
  int k = length / 2, step = kHead + d;
  const float *gate = table + 2 * (i64)k * step;
  bool gated = length % 2;
  const float *second = table + (i64)k * step;
  Edit e{table + kHead, second[1] != 0 ? table + kHead : second + kHead, table, gated ? gate + kHead : nullptr, strength, rows_stride, k_stride,
         k, d, step, gated ? gate[0] : 0, gated ? gate[1] : 0, false, false, second[0] != 0};
  for (int j = 0; j < k; j++) e.rotates |= table[(i64)j * step + 4] != 0;
  e.reads = reads(e);
  for (int n = blockIdx.x; n < count; n += gridDim.x)
    edit_row<Io, V>((typename Io::T *)rows.at + n * rows.stride, e.strength + (i64)n * e.rows_stride, e);
}

// Numbers come as int, which is what torch's launcher hands over.
#define STEER_KERNEL(name, Io, V)                                                                                       \
  extern "C" __global__ void name(void *at, int stride, int count, const float *table, int length,                     \
                                  const float *strength, int rows_stride, int k_stride, int d) {                        \
    edit_rows<Io, V>(Rows{at, stride}, count, table, length, strength, rows_stride, k_stride, d);                       \
  }

STEER_KERNEL(steer_float32, F32, 1)
STEER_KERNEL(steer_float32_packed, F32, 4)
STEER_KERNEL(steer_bfloat16, BF16, 1)
STEER_KERNEL(steer_bfloat16_packed, BF16, 8)
STEER_KERNEL(steer_float16, F16, 1)
STEER_KERNEL(steer_float16_packed, F16, 8)

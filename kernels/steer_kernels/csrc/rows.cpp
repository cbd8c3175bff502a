// The equation for one row. Compiled once per instruction set (-DISA=base|avx2|avx512); knows no torch.
//
//   p = R h;  f = offset + gain p + (clamp(p, low, high) - p) + radial rho;  h' = h + W^T (s g(h) f)
//
// Arithmetic is float32 on vectors of 16; sums run in four independent accumulators, so that none waits for the last.
// Rows that lie beyond the caches are read whole while the next one is fetched, and then written: a single core waits
// on memory where it mixes the two.
#include "rows.h"

#include <cmath>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr int64_t L = 16;
constexpr double kLeastLeft = 1e-6;  // of a row's length
typedef float Vec __attribute__((vector_size(64)));
typedef uint32_t UVec __attribute__((vector_size(64)));
typedef uint16_t HVec __attribute__((vector_size(32)));

template <class To, class From>
inline To bits(const From &from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

template <class V, class T>
inline V load_as(const T *at) {
  V v;
  std::memcpy(&v, at, sizeof v);
  return v;
}

template <class V, class T>
inline void store_as(T *at, V v) {
  std::memcpy(at, &v, sizeof v);
}

// --- how 16 numbers are read and written -------------------------------------------------------------------------

struct F32 {
  using T = float;
  static Vec load(const T *at) { return load_as<Vec>(at); }
  static void store(T *at, Vec v) { store_as(at, v); }
  static void store(T *at, Vec a, Vec b) { store(at, a), store(at + L, b); }
};

struct BF16 {
  using T = uint16_t;
  // Rounded to nearest, ties to even, in the upper halves. Adding would carry a NaN into the sign.
#if defined(__AVX512BW__)
  // By hand: compilers widen and narrow through halves of a vector, at half the speed.
  static Vec load(const T *at) {
    return bits<Vec>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)at)), 16));
  }
  static __m512i rounded(Vec v) {
    UVec u = bits<UVec>(v);
    __mmask16 nan = _mm512_cmp_ps_mask(bits<__m512>(v), bits<__m512>(v), _CMP_UNORD_Q);
    return _mm512_mask_mov_epi32(bits<__m512i>(u + 0x7fff + ((u >> 16) & 1)), nan, _mm512_set1_epi32(0x7fc00000));
  }
  static void store(T *at, Vec v) {
    _mm256_storeu_si256((__m256i *)at, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded(v), 16)));
  }
  static void store(T *at, Vec a, Vec b) {
    alignas(64) static const uint16_t upper[2 * L] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                                      33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    _mm512_storeu_si512(at, _mm512_permutex2var_epi16(rounded(a), _mm512_load_si512(upper), rounded(b)));
  }
#else
  static Vec load(const T *at) { return bits<Vec>(__builtin_convertvector(load_as<HVec>(at), UVec) << 16); }
  static UVec rounded(Vec v) {
    UVec u = bits<UVec>(v), nan = bits<UVec>(v != v);
    return ((u + 0x7fff + ((u >> 16) & 1)) & ~nan) | (nan & 0x7fc00000);
  }
  static void store(T *at, Vec v) { store_as(at, __builtin_convertvector(rounded(v) >> 16, HVec)); }
  static void store(T *at, Vec a, Vec b) { store(at, a), store(at + L, b); }
#endif
};

struct F16 {
#if defined(__AVX512F__)
  using T = uint16_t;
  static Vec load(const T *at) { return bits<Vec>(_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at))); }
  static void store(T *at, Vec v) {
    _mm256_storeu_si256((__m256i *)at, _mm512_cvtps_ph(bits<__m512>(v), _MM_FROUND_TO_NEAREST_INT));
  }
#elif defined(__F16C__)
  using T = uint16_t;
  static Vec load(const T *at) {
    __m256 half[2] = {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at)),
                      _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(at + 8)))};
    return load_as<Vec>(half);
  }
  static void store(T *at, Vec v) {
    __m256 half[2];
    std::memcpy(half, &v, sizeof v);
    for (int i = 0; i < 2; i++)
      _mm_storeu_si128((__m128i *)(at + 8 * i), _mm256_cvtps_ph(half[i], _MM_FROUND_TO_NEAREST_INT));
  }
#else
  using T = _Float16;
  static Vec load(const T *at) {
    Vec v;
    for (int i = 0; i < L; i++) v[i] = (float)at[i];
    return v;
  }
  static void store(T *at, Vec v) {
    for (int i = 0; i < L; i++) at[i] = (_Float16)v[i];
  }
#endif
  static void store(T *at, Vec a, Vec b) { store(at, a), store(at + L, b); }
};

// The last few numbers of a row travel through a padded vector, so that there is one arithmetic.
template <class Io>
inline Vec load_part(const typename Io::T *at, int64_t n) {
  typename Io::T part[L] = {};
  std::memcpy(part, at, n * sizeof *at);
  return Io::load(part);
}

template <class Io>
inline void store_part(typename Io::T *at, Vec v, int64_t n) {
  typename Io::T part[L];
  Io::store(part, v);
  std::memcpy(at, part, n * sizeof *at);
}

inline float sum(Vec v) {
  float total = 0;
  for (int i = 0; i < L; i++) total += v[i];
  return total;
}

// Asks for n numbers that will be needed soon; no fault wherever they are.
template <class T>
inline void fetch(const T *at, int64_t n) {
  for (int64_t i = 0; i < n; i += 64 / sizeof(T)) __builtin_prefetch(at + i, 0, 2);
}

// <x, r>
template <class Io>
float dot(const typename Io::T *x, const float *r, int64_t d, const typename Io::T *next) {
  Vec a = {}, b = {}, c = {}, e = {};
  int64_t i = 0;
  for (; i + 4 * L <= d; i += 4 * L) {
    if (next) fetch(next + i, 4 * L);
    a += Io::load(x + i) * F32::load(r + i);
    b += Io::load(x + i + L) * F32::load(r + i + L);
    c += Io::load(x + i + 2 * L) * F32::load(r + i + 2 * L);
    e += Io::load(x + i + 3 * L) * F32::load(r + i + 3 * L);
  }
  for (; i + L <= d; i += L) a += Io::load(x + i) * F32::load(r + i);
  if (i < d) b += load_part<Io>(x + i, d - i) * load_part<F32>(r + i, d - i);
  return sum((a + b) + (c + e));
}

// x += c w
template <class Io>
void add_scaled(typename Io::T *x, const float *w, float c, int64_t d, const typename Io::T *next) {
  int64_t i = 0;
  for (; i + 2 * L <= d; i += 2 * L) {
    if (next) fetch(next + i, 2 * L);
    Vec a = Io::load(x + i) + c * F32::load(w + i);
    Vec b = Io::load(x + i + L) + c * F32::load(w + i + L);
    Io::store(x + i, a, b);
  }
  for (; i + L <= d; i += L) Io::store(x + i, Io::load(x + i) + c * F32::load(w + i));
  if (i < d) store_part<Io>(x + i, load_part<Io>(x + i, d - i) + c * load_part<F32>(w + i, d - i), d - i);
}

template <class From, class To>
void copy(const typename From::T *from, typename To::T *to, int64_t d) {
  int64_t i = 0;
  for (; i + L <= d; i += L) To::store(to + i, From::load(from + i));
  if (i < d) store_part<To>(to + i, load_part<From>(from + i, d - i), d - i);
}

// |x|; where a square would leave float32, again in double.
template <class Io>
double length(const typename Io::T *x, int64_t d) {
  Vec a = {}, b = {};
  int64_t i = 0;
  for (; i + 2 * L <= d; i += 2 * L) {
    Vec u = Io::load(x + i), v = Io::load(x + i + L);
    a += u * u;
    b += v * v;
  }
  for (; i < d; i += L) {
    Vec u = load_part<Io>(x + i, d - i < L ? d - i : L);
    a += u * u;
  }
  float square = sum(a + b);
  if (square > 1e-20f && square < 1e30f) return std::sqrt((double)square);
  double exact = 0;
  for (i = 0; i < d; i += L) {
    Vec u = load_part<Io>(x + i, d - i < L ? d - i : L);
    for (int j = 0; j < L; j++) exact += (double)u[j] * u[j];
  }
  return std::sqrt(exact);
}

// --- the equation --------------------------------------------------------------------------------------------------

// f(p), in place
void change(float *p, const Edit &e) {
  for (int64_t j = 0; j < e.k; j++) {
    const float *t = e.terms + e.step * j;
    float own = p[j], bounded = own < t[2] ? t[2] : own > t[3] ? t[3] : own;
    float f = t[0] + t[1] * own + (bounded - own);
    if (e.rotates) {  // both projections of a pair are needed by both of its rows
      if (j % 2 == 0) {
        float other = p[j + 1], rho = std::hypot(own, other);
        const float *u = t + e.step;
        float kept = other < u[2] ? u[2] : other > u[3] ? u[3] : other;
        p[j + 1] = u[0] + u[1] * other + (kept - other) + u[4] * rho;
        f += t[4] * rho;
      } else {
        continue;
      }
    }
    p[j] = f;
  }
}

template <class Io>
float gate(const typename Io::T *row, const Edit &e) {
  if (!e.query) return 1;
  double cosine = dot<Io>(row, e.query, e.d, nullptr) / std::fmax(length<Io>(row, e.d), 1e-300);
  if (std::isinf(e.sharpness)) return (float)cosine > e.threshold ? 1.f : 0.f;
  return (float)(1 / (1 + std::exp(-e.sharpness * (cosine - e.threshold))));
}

template <class Io>
void edit_row(void *at, const void *after, const Edit &e, const float *strength, float *scratch) {
  auto *row = static_cast<typename Io::T *>(at);
  auto *next = static_cast<const typename Io::T *>(after);
  float *c = scratch + e.d, *scale = c + e.k;
  // Strengths first: 0 times the gate of a row that holds a NaN is not 0.
  bool touched = false;
  for (int64_t j = 0; j < e.k; j++) touched |= strength[j] != 0;
  if (!touched) return;
  float g = gate<Io>(row, e);
  if (g == 0) return;
  for (int64_t j = 0; j < e.k; j++) scale[j] = strength[j] * g;

  for (int64_t j = 0; j < e.k; j++) {
    c[j] = 0;
    if (!e.reads && !next) continue;
    float p = dot<Io>(row, (e.reads ? e.read : e.write) + j * e.step, e.d, j ? nullptr : next);
    // What adds wants no projection (it may overflow), but far rows are to be read before they are written.
    asm volatile("" : : "m"(p));
    if (e.reads) c[j] = p;
  }
  change(c, e);
  for (int64_t j = 0; j < e.k; j++) c[j] *= scale[j];

  if (e.k == 1 && !e.keep_norm) {
    add_scaled<Io>(row, e.write, c[0], e.d, next);
    return;
  }
  // Several writes are summed in float32 and rounded once.
  copy<Io, F32>(row, scratch, e.d);
  for (int64_t j = 0; j < e.k; j++) add_scaled<F32>(scratch, e.write + j * e.step, c[j], e.d, nullptr);
  if (e.keep_norm) {
    double before = length<Io>(row, e.d), after = length<F32>(scratch, e.d);
    // Of a row that lies in what was removed only rounding is left, and that is not made long again.
    if (after > kLeastLeft * before) {
      float ratio = (float)(before / after);
      for (int64_t i = 0; i < e.d; i++) scratch[i] *= ratio;
    }
  }
  copy<F32, Io>(scratch, row, e.d);
}

constexpr EditRow rows[kKinds] = {edit_row<F32>, edit_row<BF16>, edit_row<F16>};

}  // namespace

#define NAME_(isa) steer_rows_##isa
#define NAME(isa) NAME_(isa)
extern "C" const EditRow *NAME(ISA)() { return rows; }

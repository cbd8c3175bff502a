// The equation for a few rows. Compiled once per instruction set (-DISA=base|avx2|avx512); knows no torch.
//
//   p = R h;  f = offset + gain p + (clamp(p, low, high) - p) + radial rho;  h' = h + W^T (s g(h) f)
//
// Arithmetic is float32 on vectors of 16. A direction is read once for all rows of a block: with the rows themselves it
// fills the first cache. A row is summed in the same order alone and in a block, so that neighbours never change it.
// Rows that lie beyond the caches are read whole while the next ones are fetched, and then written: a single core waits
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
#if defined(__AVX512F__)
constexpr int kBlock = 4;
#else
constexpr int kBlock = 2;  // half the registers
#endif
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

// 32 numbers, the step of every loop.
struct Two {
  Vec a, b;
};

// --- how 32 numbers are read and written -------------------------------------------------------------------------

// `beside` puts 32 numbers of a direction in the order in which `load` gives those of a row.
struct InOrder {
  static Two beside(Two v) { return v; }
};

struct F32 : InOrder {
  using T = float;
  static Two load(const T *at) { return {load_as<Vec>(at), load_as<Vec>(at + L)}; }
  static void store(T *at, Two v) { store_as(at, v.a), store_as(at + L, v.b); }
};

// Rounded to nearest, ties to even, in the upper halves. A NaN stays one: those of bfloat16 activations, and what
// arithmetic makes, are quiet and have zeros below, so that nothing is carried into the sign.
#if defined(__AVX512BW__)
// Even numbers first, then odd ones: a shift and a mask where keeping the order takes shuffles.
struct BF16 {
  using T = uint16_t;
  static Two beside(Two v) {
    constexpr UVec even = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
    return {__builtin_shuffle(v.a, v.b, even), __builtin_shuffle(v.a, v.b, even + 1)};
  }
  static Two load(const T *at) {
    UVec both = load_as<UVec>(at);
    return {bits<Vec>(both << 16), bits<Vec>(both & 0xffff0000)};
  }
  static UVec rounded(Vec v) {
    __m512i u = bits<__m512i>(v);
    __mmask16 odd = _mm512_test_epi32_mask(u, _mm512_set1_epi32(1 << 16));
    u = _mm512_add_epi32(u, _mm512_set1_epi32(0x7fff));
    return bits<UVec>(_mm512_mask_add_epi32(u, odd, u, _mm512_set1_epi32(1)));
  }
  static void store(T *at, Two v) { store_as(at, (rounded(v.a) >> 16) | (rounded(v.b) & 0xffff0000)); }
};
#else
struct BF16 : InOrder {
  using T = uint16_t;
  static Vec half(const T *at) { return bits<Vec>(__builtin_convertvector(load_as<HVec>(at), UVec) << 16); }
  static HVec rounded(Vec v) {
    UVec u = bits<UVec>(v);
    return __builtin_convertvector((u + 0x7fff + ((u >> 16) & 1)) >> 16, HVec);
  }
  static Two load(const T *at) { return {half(at), half(at + L)}; }
  static void store(T *at, Two v) { store_as(at, rounded(v.a)), store_as(at + L, rounded(v.b)); }
};
#endif

struct F16 : InOrder {
#if defined(__AVX512F__)
  using T = uint16_t;
  static Vec half(const T *at) { return bits<Vec>(_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at))); }
  static void put(T *at, Vec v) {
    _mm256_storeu_si256((__m256i *)at, _mm512_cvtps_ph(bits<__m512>(v), _MM_FROUND_TO_NEAREST_INT));
  }
#elif defined(__F16C__)
  using T = uint16_t;
  static Vec half(const T *at) {
    __m256 parts[2] = {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at)),
                       _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(at + 8)))};
    return load_as<Vec>(parts);
  }
  static void put(T *at, Vec v) {
    __m256 parts[2];
    std::memcpy(parts, &v, sizeof v);
    for (int i = 0; i < 2; i++)
      _mm_storeu_si128((__m128i *)(at + 8 * i), _mm256_cvtps_ph(parts[i], _MM_FROUND_TO_NEAREST_INT));
  }
#else
  using T = _Float16;
  static Vec half(const T *at) {
    Vec v;
    for (int i = 0; i < L; i++) v[i] = (float)at[i];
    return v;
  }
  static void put(T *at, Vec v) {
    for (int i = 0; i < L; i++) at[i] = (_Float16)v[i];
  }
#endif
  static Two load(const T *at) { return {half(at), half(at + L)}; }
  static void store(T *at, Two v) { put(at, v.a), put(at + L, v.b); }
};

// x + a b, rounded once where the machine can. Not left to the compiler (-ffp-contract=off): it may choose otherwise for a
// row alone than for a block.
inline Vec fused(Vec x, Vec a, Vec b) {
#if defined(__AVX512F__)
  return bits<Vec>(_mm512_fmadd_ps(bits<__m512>(a), bits<__m512>(b), bits<__m512>(x)));
#elif defined(__FMA__)
  __m256 of_x[2], of_a[2], of_b[2];
  std::memcpy(of_x, &x, sizeof x), std::memcpy(of_a, &a, sizeof a), std::memcpy(of_b, &b, sizeof b);
  for (int i = 0; i < 2; i++) of_x[i] = _mm256_fmadd_ps(of_a[i], of_b[i], of_x[i]);
  return bits<Vec>(of_x);
#else
  return x + a * b;
#endif
}

inline float sum(Vec v) {
  float total = 0;
  for (int i = 0; i < L; i++) total += v[i];
  return total;
}

// Calls each(i, n) for the n numbers from i on: 32, and what is left of a row.
template <class Each>
inline void columns(int64_t d, Each each) {
  int64_t i = 0;
  for (; i + 2 * L <= d; i += 2 * L) each(i, 2 * L);
  if (i < d) each(i, d - i);
}

// The last few numbers travel through padded vectors, so that there is one arithmetic.
template <class Io>
inline Two load(const typename Io::T *at, int64_t n) {
  if (n == 2 * L) return Io::load(at);
  typename Io::T part[2 * L] = {};
  std::memcpy(part, at, n * sizeof *at);
  return Io::load(part);
}

template <class Io>
inline void store(typename Io::T *at, Two v, int64_t n) {
  if (n == 2 * L) return Io::store(at, v);
  typename Io::T part[2 * L];
  Io::store(part, v);
  std::memcpy(at, part, n * sizeof *at);
}

// Asks for 32 numbers that will be needed soon; no fault wherever they are.
template <class T>
inline void fetch(const T *at) {
  for (int64_t i = 0; i < 2 * L; i += 64 / sizeof(T)) __builtin_prefetch(at + i, 0, 2);
}

// p = <x, r> of each row
template <class Io, int B>
void dots(typename Io::T *const *rows, const float *r, int64_t d, int64_t ahead, float *p) {
  Two sums[B] = {};
  columns(d, [&](int64_t i, int64_t n) {
    Two own = Io::beside(load<F32>(r + i, n));
    for (int b = 0; b < B; b++) {
      if (ahead) fetch(rows[b] + ahead + i);
      Two x = load<Io>(rows[b] + i, n);
      sums[b] = {fused(sums[b].a, x.a, own.a), fused(sums[b].b, x.b, own.b)};
    }
  });
  for (int b = 0; b < B; b++) p[b] = sum(sums[b].a + sums[b].b);
}

// Calls then(x + c W, b, i, n) for the n numbers from i on, of every row b.
template <class Io, int B, class Then>
inline void moved(typename Io::T *const *rows, const Edit &e, const float *c, int64_t ahead, Then then) {
  columns(e.d, [&](int64_t i, int64_t n) {
    Two x[B];
    for (int b = 0; b < B; b++) {
      if (ahead) fetch(rows[b] + ahead + i);
      x[b] = load<Io>(rows[b] + i, n);
    }
    for (int64_t j = 0; j < e.k; j++) {
      Two own = Io::beside(load<F32>(e.write + j * e.step + i, n));
      for (int b = 0; b < B; b++) {
        Vec share = Vec{} + c[b * e.k + j];
        x[b] = {fused(x[b].a, share, own.a), fused(x[b].b, share, own.b)};
      }
    }
    for (int b = 0; b < B; b++) then(x[b], b, i, n);
  });
}

// As `moved`, of one row that stays.
template <class Io, class Then>
inline void still(const typename Io::T *row, int64_t d, Then then) {
  columns(d, [&](int64_t i, int64_t n) { then(load<Io>(row + i, n), 0, i, n); });
}

// |x| of the row that `each` goes through, by `still` or `moved`; where a square would leave float32, again in double.
template <class Each>
double length(Each each) {
  Vec squares = {};
  each([&](Two x, int, int64_t, int64_t) { squares = fused(fused(squares, x.a, x.a), x.b, x.b); });
  float square = sum(squares);
  if (square > 1e-20f && square < 1e30f) return std::sqrt((double)square);
  double exact = 0;
  each([&](Two x, int, int64_t, int64_t) {
    for (int i = 0; i < L; i++) exact += (double)x.a[i] * x.a[i] + (double)x.b[i] * x.b[i];
  });
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
float gate(typename Io::T *row, const Edit &e) {
  if (!e.query) return 1;
  float p;
  dots<Io, 1>(&row, e.query, e.d, 0, &p);
  double cosine = p / std::fmax(length([&](auto then) { still<Io>(row, e.d, then); }), 1e-300);
  if (std::isinf(e.sharpness)) return (float)cosine > e.threshold ? 1.f : 0.f;
  return (float)(1 / (1 + std::exp(-e.sharpness * (cosine - e.threshold))));
}

template <class Io, int B>
void edit_block(typename Io::T *const *rows, int64_t ahead, const Edit &e, const float *scale, float *c) {
  for (int64_t j = 0; j < e.k; j++) {
    float p[B] = {};
    // What adds wants no projection (it may overflow), but far rows are to be read before they are written.
    if (e.reads || (ahead && !j)) dots<Io, B>(rows, (e.reads ? e.read : e.write) + j * e.step, e.d, j ? 0 : ahead, p);
    for (int b = 0; b < B; b++) {
      asm volatile("" : : "m"(p[b]));
      c[b * e.k + j] = e.reads ? p[b] : 0;
    }
  }
  for (int b = 0; b < B; b++) {
    change(c + b * e.k, e);
    for (int64_t j = b * e.k; j < (b + 1) * e.k; j++) {
      c[j] *= scale[j];
      if (std::isnan(c[j])) c[j] = NAN;  // a caller's may have any bits
    }
  }
  if (!e.keep_norm)
    return moved<Io, B>(rows, e, c, ahead, [&](Two x, int b, int64_t i, int64_t n) { store<Io>(rows[b] + i, x, n); });
  for (int b = 0; b < B; b++) {
    double before = length([&](auto then) { still<Io>(rows[b], e.d, then); });
    double after = length([&](auto then) { moved<Io, 1>(rows + b, e, c + b * e.k, 0, then); });
    // Of a row that lies in what was removed only rounding is left, and that is not made long again.
    float ratio = after > kLeastLeft * before ? (float)(before / after) : 1.f;
    moved<Io, 1>(rows + b, e, c + b * e.k, 0, [&](Two x, int, int64_t i, int64_t n) {
      store<Io>(rows[b] + i, {x.a * ratio, x.b * ratio}, n);
    });
  }
}

template <class Io>
void edit_rows(void *const *given, int64_t n, int64_t ahead, const Edit &e, const float *strengths, float *scratch) {
  typename Io::T *rows[kRows];
  float *scale = scratch, *c = scratch + kRows * e.k;
  int64_t left = 0;
  for (int64_t i = 0; i < n; i++) {
    // Strengths first: 0 times the gate of a row that holds a NaN is not 0.
    const float *own = strengths + i * e.k;
    bool touched = false;
    for (int64_t j = 0; j < e.k; j++) touched |= own[j] != 0;
    if (!touched) continue;
    rows[left] = static_cast<typename Io::T *>(given[i]);
    float g = gate<Io>(rows[left], e);
    if (g == 0) continue;
    for (int64_t j = 0; j < e.k; j++) scale[left * e.k + j] = own[j] * g;
    left++;
  }
  int64_t at = 0;
  for (; at + kBlock <= left; at += kBlock) edit_block<Io, kBlock>(rows + at, ahead, e, scale + at * e.k, c);
  for (; at < left; at++) edit_block<Io, 1>(rows + at, ahead, e, scale + at * e.k, c);
}

constexpr EditRows rows[kKinds] = {edit_rows<F32>, edit_rows<BF16>, edit_rows<F16>};

}  // namespace

#define NAME_(isa) steer_rows_##isa
#define NAME(isa) NAME_(isa)
extern "C" const EditRows *NAME(ISA)() { return rows; }

// Vectors by the compiler's extensions, and the few steps for which it has none.
//
// A vector of 16-bit numbers splits into two of 32 bits by shifts: the even lanes and the odd ones. Membranes
// are kept in that order, so that widening takes three instructions and a spike mask comes out in the natural one.
#pragma once

#include <cstdint>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace dqn2snn::DQN2SNN_ISA {

#if defined(__AVX512VBMI2__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif
constexpr int lanes16 = vector_bytes / 2;
constexpr int lanes32 = vector_bytes / 4;
constexpr int lanes64 = vector_bytes / 8;

typedef int16_t i16v __attribute__((vector_size(vector_bytes)));
typedef int32_t i32v __attribute__((vector_size(vector_bytes)));
typedef uint32_t u32v __attribute__((vector_size(vector_bytes)));
typedef float f32v __attribute__((vector_size(vector_bytes)));
typedef double f64v __attribute__((vector_size(vector_bytes)));
typedef int16_t i16half __attribute__((vector_size(vector_bytes / 2)));
typedef int32_t i32half __attribute__((vector_size(vector_bytes / 2)));
typedef float f32half __attribute__((vector_size(vector_bytes / 2)));
typedef uint16_t u16v_unaligned __attribute__((vector_size(32), aligned(2), may_alias));

#define DQN2SNN_INLINE inline __attribute__((always_inline))

template <class V, class T>
DQN2SNN_INLINE V load(const T *p) {
    return *reinterpret_cast<const V *>(p);
}
template <class V, class T>
DQN2SNN_INLINE void store(T *p, V v) {
    *reinterpret_cast<V *>(p) = v;
}

DQN2SNN_INLINE i32v even(i16v a) { return (reinterpret_cast<i32v>(a) << 16) >> 16; }
DQN2SNN_INLINE i32v odd(i16v a) { return reinterpret_cast<i32v>(a) >> 16; }

// The other way round, for numbers that fit.
DQN2SNN_INLINE i16v interleaved(i32v evens, i32v odds) {
    return reinterpret_cast<i16v>((evens & 0xFFFF) | (odds << 16));
}

// Bit i of the result: lane i of an interleaved pair of masks, whose lanes are all ones or all zeros.
DQN2SNN_INLINE uint64_t interleaved_bits(i32v evens, i32v odds) {
#if defined(__AVX512VBMI2__)
    const __mmask16 e = _mm512_movepi32_mask(reinterpret_cast<__m512i>(evens));
    const __mmask16 o = _mm512_movepi32_mask(reinterpret_cast<__m512i>(odds));
    return _pdep_u32(e, 0x55555555u) | _pdep_u32(o, 0xAAAAAAAAu);
#elif defined(__AVX2__)
    const __m256i mask = _mm256_blend_epi16(reinterpret_cast<__m256i>(evens), reinterpret_cast<__m256i>(odds), 0xAA);
    const __m256i bytes = _mm256_packs_epi16(mask, mask);
    const uint32_t bits = static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
    return (bits & 0xFFu) | (bits >> 8 & 0xFF00u);
#else  // every lane keeps its own bit of eight; then they are folded together
    typedef uint16_t u16v __attribute__((vector_size(vector_bytes)));
    typedef uint64_t u64v __attribute__((vector_size(vector_bytes)));
    constexpr u16v own = {1, 2, 4, 8, 16, 32, 64, 128};
    const i32v mask = (evens & 0xFFFF) | (odds << 16);
    const u64v kept = reinterpret_cast<u64v>(reinterpret_cast<u16v>(mask) & own);
    uint64_t bits = kept[0] | kept[1];
    bits |= bits >> 32;
    return (bits | bits >> 16) & 0xFF;
#endif
}

// Bit i of the result: lane i of a mask.
DQN2SNN_INLINE uint64_t bits(i32v mask) {
#if defined(__AVX512VBMI2__)
    return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask));
#elif defined(__AVX2__)
    return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(mask)));
#else
    uint64_t bits = 0;
    for (int i = 0; i < lanes32; i++) bits |= static_cast<uint64_t>(mask[i] & 1) << i;
    return bits;
#endif
}

// The positions of the set bits among the first 32 * halves, plus base, modulo 2^16, appended to a list; up to 16
// entries past its end are overwritten.
DQN2SNN_INLINE uint16_t *positions(uint64_t word, uint32_t halves, uint32_t base, uint16_t *out) {
#if defined(__AVX512VBMI2__)
    alignas(64) static constexpr uint16_t counting[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                          11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                                          22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    const __m512i first = _mm512_load_si512(counting);
    for (uint32_t i = 0; i < halves; i++, word >>= 32, base += 32) {
        const __mmask32 mask = static_cast<__mmask32>(word);
        const __m512i found =
            _mm512_maskz_compress_epi16(mask, _mm512_add_epi16(first, _mm512_set1_epi16(static_cast<short>(base))));
        const int count = __builtin_popcount(mask);
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), _mm512_castsi512_si256(found));
        if (__builtin_expect(count > 16, 0))
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + 16), _mm512_maskz_extracti64x4_epi64(0xF, found, 1));
        out += count;
    }
    return out;
#else
    (void)halves;
    const int count = __builtin_popcountll(word);
    for (int i = 0; i < 4; i++) {  // most words have few; those that have less write what is overwritten
        out[i] = static_cast<uint16_t>(base + static_cast<uint32_t>(word ? __builtin_ctzll(word) : 0));
        word &= word - 1;
    }
    for (int i = 4; i < count; i++) {
        out[i] = static_cast<uint16_t>(base + static_cast<uint32_t>(__builtin_ctzll(word)));
        word &= word - 1;
    }
    return out + count;
#endif
}

// Sums of products of neighbouring pairs, x[2i] y[2i] + x[2i+1] y[2i+1].
DQN2SNN_INLINE i32v pair_products(i16v x, i16v y) {
#if defined(__AVX512VBMI2__)
    return reinterpret_cast<i32v>(_mm512_madd_epi16(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(y)));
#elif defined(__AVX2__)
    return reinterpret_cast<i32v>(_mm256_madd_epi16(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(y)));
#elif defined(__SSE2__)
    return reinterpret_cast<i32v>(_mm_madd_epi16(reinterpret_cast<__m128i>(x), reinterpret_cast<__m128i>(y)));
#else
    return even(x) * even(y) + odd(x) * odd(y);
#endif
}

DQN2SNN_INLINE i32v plus_pair_products(i32v sum, i16v x, i16v y) {
#if defined(__AVX512VNNI__)
    return reinterpret_cast<i32v>(_mm512_dpwssd_epi32(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(x),
                                                      reinterpret_cast<__m512i>(y)));
#else
    return sum + pair_products(x, y);
#endif
}

}  // namespace dqn2snn::DQN2SNN_ISA

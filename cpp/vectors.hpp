// Vectors by the compiler's extensions, and the few steps for which it has none.
//
// A vector of 16-bit numbers splits into two of 32 bits by shifts: the even lanes and the odd ones. Membranes
// are kept in that order, so that widening takes three instructions and a spike mask comes out in the natural one.
#pragma once

#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace dqn2snn::DQN2SNN_ISA {

#if defined(__AVX512BW__)
constexpr int vector_bytes = 64;
#else
constexpr int vector_bytes = 32;
#endif
constexpr int lanes16 = vector_bytes / 2;
constexpr int lanes32 = vector_bytes / 4;

typedef int16_t i16v __attribute__((vector_size(vector_bytes)));
typedef int32_t i32v __attribute__((vector_size(vector_bytes)));
typedef uint32_t u32v __attribute__((vector_size(vector_bytes)));
typedef float f32v __attribute__((vector_size(vector_bytes)));
typedef double f64v __attribute__((vector_size(vector_bytes)));
typedef uint32_t u32v_unaligned __attribute__((vector_size(vector_bytes), aligned(4), may_alias));

#define DQN2SNN_INLINE inline __attribute__((always_inline))

template <class V, class T>
DQN2SNN_INLINE V load(const T *p) { return *reinterpret_cast<const V *>(p); }
template <class V, class T>
DQN2SNN_INLINE void store(T *p, V v) { *reinterpret_cast<V *>(p) = v; }

DQN2SNN_INLINE i32v even(i16v a) { return (reinterpret_cast<i32v>(a) << 16) >> 16; }
DQN2SNN_INLINE i32v odd(i16v a) { return reinterpret_cast<i32v>(a) >> 16; }

// Bit i of the result: lane i of an interleaved pair of masks, whose lanes are all ones or all zeros.
DQN2SNN_INLINE uint64_t interleaved_bits(i32v evens, i32v odds) {
#if defined(__AVX512BW__)
    const __mmask16 e = _mm512_movepi32_mask(reinterpret_cast<__m512i>(evens));
    const __mmask16 o = _mm512_movepi32_mask(reinterpret_cast<__m512i>(odds));
    return _pdep_u32(e, 0x55555555u) | _pdep_u32(o, 0xAAAAAAAAu);
#elif defined(__AVX2__)
    const __m256i mask = _mm256_blend_epi16(reinterpret_cast<__m256i>(evens), reinterpret_cast<__m256i>(odds), 0xAA);
    const __m256i bytes = _mm256_packs_epi16(mask, mask);
    const uint32_t bits = static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
    return (bits & 0xFFu) | (bits >> 8 & 0xFF00u);
#else
    uint64_t bits = 0;
    for (int i = 0; i < lanes32; i++)
        bits |= (static_cast<uint64_t>(evens[i] & 1) << 2 * i) | (static_cast<uint64_t>(odds[i] & 1) << (2 * i + 1));
    return bits;
#endif
}

// Bit i of the result: lane i of a mask.
DQN2SNN_INLINE uint64_t bits(i32v mask) {
#if defined(__AVX512BW__)
    return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask));
#elif defined(__AVX2__)
    return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(mask)));
#else
    uint64_t bits = 0;
    for (int i = 0; i < lanes32; i++) bits |= static_cast<uint64_t>(mask[i] & 1) << i;
    return bits;
#endif
}

// The positions of set bits, plus base, appended to a list; up to 64 entries past its end are overwritten.
DQN2SNN_INLINE uint32_t *positions(uint64_t word, uint32_t base, uint32_t *out) {
#if defined(__AVX512BW__)
    const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i index = _mm512_add_epi32(first, _mm512_set1_epi32(static_cast<int>(base)));
    while (word) {
        const __mmask16 mask = static_cast<__mmask16>(word);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(mask, index));
        out += __builtin_popcount(mask);
        index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
        word >>= 16;
    }
    return out;
#else
    const int count = __builtin_popcountll(word);
    for (int i = 0; i < 4; i++) {  // most words have few; those that have less write what is overwritten
        out[i] = base + static_cast<uint32_t>(word ? __builtin_ctzll(word) : 0);
        word &= word - 1;
    }
    for (int i = 4; i < count; i++) {
        out[i] = base + static_cast<uint32_t>(__builtin_ctzll(word));
        word &= word - 1;
    }
    return out + count;
#endif
}

// Sums of products of neighbouring pairs, x[2i] y[2i] + x[2i+1] y[2i+1].
DQN2SNN_INLINE i32v pair_products(i16v x, i16v y) {
#if defined(__AVX512BW__)
    return reinterpret_cast<i32v>(_mm512_madd_epi16(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(y)));
#elif defined(__AVX2__)
    return reinterpret_cast<i32v>(_mm256_madd_epi16(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(y)));
#else
    return even(x) * even(y) + odd(x) * odd(y);
#endif
}

}  // namespace dqn2snn::DQN2SNN_ISA

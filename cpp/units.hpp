// Output pixels that receive the same input at every step fire alike: they share a unit, which is simulated once.
// Frames of games are full of them: of a 20 x 20 map of an Atari frame, two thirds.
#pragma once

#include "layer.hpp"

namespace dqn2snn::DQN2SNN_ISA {

class Units {
public:
    Units() = default;
    explicit Units(uint32_t pixels) : of_(pixels), pixel_(pixels), slots_(table_size(pixels)) {}

    void clear() {
        count_ = 0;
        std::memset(slots_.begin(), 0, slots_.size() * sizeof(uint32_t));
    }
    // Puts a pixel into the unit that `same` recognises, or into a new one. Returns whether it is new.
    template <class Same>
    bool add(uint32_t pixel, uint64_t hash, Same same) {
        size_t slot = static_cast<size_t>(hash >> 20) & (slots_.size() - 1);
        for (; slots_[slot]; slot = (slot + 1) & (slots_.size() - 1)) {
            const uint32_t unit = slots_[slot] - 1;
            if (!same(unit)) continue;
            of_[pixel] = unit;
            return false;
        }
        slots_[slot] = count_ + 1;
        append(pixel);
        return true;
    }
    void append(uint32_t pixel) {
        of_[pixel] = count_;
        pixel_[count_++] = pixel;
    }
    uint32_t count() const { return count_; }
    uint32_t of(uint32_t pixel) const { return of_[pixel]; }
    uint32_t pixel(uint32_t unit) const { return pixel_[unit]; }
    bool all_differ() const { return count_ == of_.size(); }

private:
    static size_t table_size(uint32_t pixels) {
        size_t size = 16;
        while (size < 2 * static_cast<size_t>(pixels)) size *= 2;
        return size;
    }
    Array<uint32_t> of_, pixel_, slots_;
    uint32_t count_ = 0;
};

constexpr uint64_t multiplier = 0x9E3779B97F4A7C15ull;

inline uint64_t mixed(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * multiplier;
    return hash ^ hash >> 29;
}

// A hash of whole vectors; the memory behind `bytes` is zero up to the next vector.
inline uint64_t hashed(const void *data, size_t bytes) {
    const u32v *const p = static_cast<const u32v *>(data);
    const size_t n = (bytes + vector_bytes - 1) / vector_bytes;
    u32v a = {}, b = {};
    size_t i = 0;
    for (; i + 1 < n; i += 2) {
        a = (a ^ p[i]) * 0x9E3779B1u;
        b = (b ^ p[i + 1]) * 0x85EBCA77u;
        a ^= a >> 15, b ^= b >> 13;
    }
    if (i < n) a = (a ^ p[i]) * 0xC2B2AE3Du;
    const u32v c = a + b * 0x27D4EB2Fu;
    typedef uint64_t u64v __attribute__((vector_size(vector_bytes)));
    const u64v words = reinterpret_cast<u64v>(c);
    uint64_t hash = 0;
    for (int j = 0; j < vector_bytes / 8; j++) hash += words[j] * (multiplier + 2 * static_cast<uint64_t>(j));
    return hash ^ hash >> 29;
}

// The units of a layer behind another: pixels whose runs have the same shape and lead to the same units.
template <class N>
inline void find_units(const Layer<N> &layer, const Units &inputs, Units &units) {
    units.clear();
    if (layer.pixels == 1 || inputs.all_differ() || !layer.shared()) {
        for (uint32_t p = 0; p < layer.pixels; p++) units.append(p);
        return;
    }
    for (uint32_t p = 0; p < layer.pixels; p++) {
        const Run *const runs = layer.runs.begin() + layer.fields[p];
        const uint32_t n = layer.fields[p + 1] - layer.fields[p];
        uint64_t hash = layer.shapes[p];
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < runs[i].length; j++) hash = mixed(hash, inputs.of(runs[i].pixel + j));
        units.add(p, hash, [&](uint32_t unit) {
            const uint32_t q = units.pixel(unit);
            if (layer.shapes[q] != layer.shapes[p]) return false;
            const Run *const others = layer.runs.begin() + layer.fields[q];
            for (uint32_t i = 0; i < n; i++)
                for (uint32_t j = 0; j < runs[i].length; j++)
                    if (inputs.of(runs[i].pixel + j) != inputs.of(others[i].pixel + j)) return false;
            return true;
        });
    }
}

}  // namespace dqn2snn::DQN2SNN_ISA

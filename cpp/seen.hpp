// What has changed from one frame to the next.
#pragma once

#include "array.hpp"

namespace dqn2snn::DQN2SNN_ISA {

// The bytes that were presented last, so that what has changed can be found.
struct SeenFrame {
    bool known = false;
    Array<uint8_t> bytes;   // [channels][pixels]
    Array<int16_t> whole;   // [pixels][channels]
    Array<uint8_t> differ;  // [pixels]

    void forget() { known = false; }
    // Takes the bytes over and calls `changed` for each pixel in which they are others.
    template <class F>
    void update(const uint8_t *now, uint32_t pixels, uint32_t channels, F changed) {
        std::memset(differ.begin(), known ? 0 : 1, pixels);
        for (uint32_t c = 0; c < channels; c++)
            compare(now + static_cast<size_t>(c) * pixels, pixels, bytes.begin() + static_cast<size_t>(c) * pixels);
        known = true;
        for (uint32_t block = 0; block < pixels; block += 8) {
            uint64_t any;
            std::memcpy(&any, differ.begin() + block, 8);  // zero past the end
            if (!any) continue;
            for (uint32_t p = block; p < smaller(block + 8, pixels); p++) {
                if (!differ[p]) continue;
                for (uint32_t c = 0; c < channels; c++)
                    whole[static_cast<size_t>(p) * channels + c] = now[static_cast<size_t>(c) * pixels + p];
                changed(p);
            }
        }
    }

private:
    void compare(const uint8_t *__restrict now, uint32_t pixels, uint8_t *__restrict before) {
        uint8_t *__restrict const out = differ.begin();
        for (uint32_t p = 0; p < pixels; p++) {
            out[p] |= static_cast<uint8_t>(now[p] ^ before[p]);
            before[p] = now[p];
        }
    }
};

}  // namespace dqn2snn::DQN2SNN_ISA

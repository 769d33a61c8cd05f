#include "dispatch.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef DQN2SNN_X86_64
#include <cpuid.h>
#endif

namespace dqn2snn {
namespace {

#ifdef DQN2SNN_X86_64
// Not every compiler's __builtin_cpu_supports knows lzcnt.
bool has_lzcnt() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(0x80000001u, &a, &b, &c, &d) && (c & 1u << 5);
}

bool has_avx2() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") && has_lzcnt();
}

bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vnni");
}
#endif

// Those that run here, the widest vectors last.
std::vector<const Engine *> supported_engines() {
    std::vector<const Engine *> engines = {&portable::engine};
#ifdef DQN2SNN_X86_64
    __builtin_cpu_init();
    if (has_avx2()) engines.push_back(&avx2::engine);
    if (has_avx512()) engines.push_back(&avx512::engine);
#endif
    return engines;
}

const Engine &choose() {
    const std::vector<const Engine *> engines = supported_engines();
    const char *wish = std::getenv("DQN2SNN_ISA");
    if (wish == nullptr || *wish == '\0') return *engines.back();
    std::string names;
    for (const Engine *engine : engines) {
        if (std::string(wish) == engine->instruction_set) return *engine;
        names += (names.empty() ? "" : ", ") + std::string(engine->instruction_set);
    }
    throw std::invalid_argument(
        "Expected the environment variable DQN2SNN_ISA to name an instruction set of this "
        "processor (" +
        names + "). Found '" + wish + "'. Unset it, or set it to one of these.");
}

}  // namespace

const Engine &chosen_engine() {
    static const Engine &engine = choose();
    return engine;
}

}  // namespace dqn2snn

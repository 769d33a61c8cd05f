// The engine for this processor.
#pragma once

#include "simulate.hpp"

namespace dqn2snn {

// The one with the widest vectors that the processor has, or the one that the environment variable DQN2SNN_ISA
// names. Throws std::invalid_argument, at each call, where that is none or needs more than the processor has.
const Engine &chosen_engine();

}  // namespace dqn2snn

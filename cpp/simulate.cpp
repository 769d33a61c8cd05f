// Compiled once for each instruction set. Everything here and in the headers that only this file includes lies
// in the namespace DQN2SNN_ISA: two builds of one inline function under one name would be merged by the linker.
#include "simulate.hpp"

#define DQN2SNN_TEXT_OF(name) #name
#define DQN2SNN_TEXT(name) DQN2SNN_TEXT_OF(name)

namespace dqn2snn::DQN2SNN_ISA {

const Engine engine = {DQN2SNN_TEXT(DQN2SNN_ISA)};

}  // namespace dqn2snn::DQN2SNN_ISA

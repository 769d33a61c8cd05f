// Compiled once for each instruction set, as the namespace that DQN2SNN_ISA names.
#include "decision.hpp"
#include "delta.hpp"

#define DQN2SNN_TEXT(name) #name
#define DQN2SNN_NAME(macro) DQN2SNN_TEXT(macro)

namespace dqn2snn::DQN2SNN_ISA {
namespace {

Network *make(const NetworkSpec &spec) {
    if (spec.delta) return new DeltaSimulator(spec);
    if (spec.on_grid) return new Simulator<Grid>(spec);
    return new Simulator<Raw>(spec);
}

}  // namespace

extern const Engine engine = {DQN2SNN_NAME(DQN2SNN_ISA), make};

}  // namespace dqn2snn::DQN2SNN_ISA

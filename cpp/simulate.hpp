// What each build of simulate.cpp, one for each instruction set, offers to the rest of the module.
#pragma once

namespace dqn2snn {

struct Engine {
  const char* instruction_set;
};

namespace portable {
extern const Engine engine;
}
namespace avx2 {
extern const Engine engine;
}
namespace avx512 {
extern const Engine engine;
}

}  // namespace dqn2snn

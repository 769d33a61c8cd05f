// What Python sees.
#include <nanobind/nanobind.h>

#include "dispatch.hpp"

namespace nb = nanobind;

NB_MODULE(_event, module) {
  module.def("instruction_set", [] { return dqn2snn::chosen_engine().instruction_set; });
}

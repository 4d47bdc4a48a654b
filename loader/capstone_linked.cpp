// Capstone as part of the command, which is linked statically: nothing to load.
#include "loader/capstone_library.hpp"

namespace sudrun::loader {

const CapstoneLibrary* capstone_library() noexcept {
  static constexpr CapstoneLibrary kFunctions{&cs_open,   &cs_close, &cs_option,
                                              &cs_malloc, &cs_free,  &cs_disasm_iter};
  return &kFunctions;
}

}  // namespace sudrun::loader

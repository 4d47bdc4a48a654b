// Where Capstone is: in the command itself (capstone_linked.cpp), or in its shared library
// (capstone_loaded.cpp). The one who links decides.
#pragma once

#include <capstone/capstone.h>

namespace sudrun::loader {

/// The functions we use, by their own names.
struct CapstoneLibrary {
  decltype(&cs_open) open;
  decltype(&cs_close) close;
  decltype(&cs_option) option;
  decltype(&cs_malloc) malloc;
  decltype(&cs_free) free;
  decltype(&cs_disasm_iter) disasm_iter;
};

/// Null if the library cannot be loaded. Stays loaded. Thread-safe; allocates the first time.
const CapstoneLibrary* capstone_library() noexcept;

}  // namespace sudrun::loader

// Capstone, loaded when the first instruction is to be decoded. Its tables are megabytes of relocations,
// which would double the time and the memory of starting a program; most programs end without any use for it.
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

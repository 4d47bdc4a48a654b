// Capstone from its shared library, loaded when the first instruction is to be decoded. Its tables are
// megabytes of relocations, which would double the time and the memory of starting a program; most programs
// end without any use for it.
#include "loader/capstone_library.hpp"

#include <dlfcn.h>

namespace sudrun::loader {
namespace {

#define SUDRUN_TEXT_OF(value) #value
#define SUDRUN_TEXT(value) SUDRUN_TEXT_OF(value)
constexpr const char* kFile = "libcapstone.so." SUDRUN_TEXT(CS_API_MAJOR);

template <typename Function>
bool find(void* library, const char* name, Function& function) noexcept {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

struct Loaded {
  CapstoneLibrary functions{};
  bool complete = false;

  Loaded() noexcept {
    void* const library = ::dlopen(kFile, RTLD_LAZY | RTLD_LOCAL);
    complete = library != nullptr && find(library, "cs_open", functions.open) &&
               find(library, "cs_close", functions.close) && find(library, "cs_option", functions.option) &&
               find(library, "cs_malloc", functions.malloc) && find(library, "cs_free", functions.free) &&
               find(library, "cs_disasm_iter", functions.disasm_iter);
  }
};

}  // namespace

const CapstoneLibrary* capstone_library() noexcept {
  static const Loaded loaded;
  return loaded.complete ? &loaded.functions : nullptr;
}

}  // namespace sudrun::loader

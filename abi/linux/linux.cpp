#include "abi/linux/linux.hpp"

#include <sys/auxv.h>

#include <array>
#include <cstring>
#include <random>

namespace sudrun::abi::linux_abi {
namespace {

AuxEntry value(Word type, Word word) { return {type, word, {}}; }

AuxEntry string(Word type, std::string_view text) {
  AuxEntry entry{type, 0, std::vector<std::byte>(text.size() + 1)};
  std::memcpy(entry.blob.data(), text.data(), text.size());
  return entry;
}

/// What the C library seeds its stack protector and pointer guard with.
AuxEntry random_bytes() {
  AuxEntry entry{AT_RANDOM, 0, std::vector<std::byte>(16)};
  std::random_device device;
  for (std::byte& byte : entry.blob) byte = static_cast<std::byte>(device());
  return entry;
}

}  // namespace

// AT_SYSINFO_EHDR and the AT_RSEQ_* entries are left out; the table says why.
StackImage Linux::stack_image(const ImageInfo& image, std::string_view program_path) const {
  StackImage layout;
  layout.aux = {
      value(AT_PHDR, image.phdr), value(AT_PHENT, image.phent), value(AT_PHNUM, image.phnum),
      value(AT_BASE, image.base), value(AT_FLAGS, 0),           value(AT_ENTRY, image.entry),
  };
  // Properties of the machine and the process, which the guest shares with us.
  constexpr Word kShared[] = {AT_HWCAP, AT_PAGESZ, AT_CLKTCK, AT_UID,    AT_EUID,
                              AT_GID,   AT_EGID,   AT_SECURE, AT_HWCAP2, AT_MINSIGSTKSZ};
  for (const Word type : kShared) layout.aux.push_back(value(type, getauxval(type)));
  layout.aux.push_back(random_bytes());
  layout.aux.push_back(string(AT_EXECFN, program_path));
  layout.aux.push_back(string(AT_PLATFORM, "x86_64"));
  return layout;
}

std::vector<std::span<const HandlerEntry>> handlers() {
  return {memory_handlers(), signal_handlers(),  wait_handlers(),
          thread_handlers(), process_handlers(), descriptor_handlers()};
}

}  // namespace sudrun::abi::linux_abi

// Source of struct ps_strings: FreeBSD sys/sys/exec.h (13). Order of the parts: kern_exec.c
// exec_copyout_strings() and imgact_elf.c; Linux fs/binfmt_elf.c create_elf_tables() agrees but for
// ps_strings.
#include "loader/stack.hpp"

#include <algorithm>
#include <cstring>

namespace sudrun::loader {
namespace {

using abi::Word;

struct PsStrings {
  Word argv;
  std::uint32_t argc;
  std::uint32_t pad0;
  Word envp;
  std::uint32_t envc;
  std::uint32_t pad1;
};
static_assert(sizeof(PsStrings) == 32);
static_assert(offsetof(PsStrings, envp) == 16 && offsetof(PsStrings, envc) == 24);

constexpr std::size_t kBlobAlign = 16;
constexpr std::size_t padded(std::size_t n) noexcept { return (n + kBlobAlign - 1) & ~(kBlobAlign - 1); }
/// Every blob is followed by at least one zero, so that text in one always ends.
std::size_t blob_room(const abi::AuxEntry& entry) noexcept {
  return entry.blob.empty() ? 0 : padded(entry.blob.size() + 1);
}

std::size_t string_room(std::span<const std::string> strings) noexcept {
  std::size_t room = 0;
  for (const std::string& s : strings) room += s.size() + 1;
  return room;
}

/// Writes upwards from an address; the bytes are zero before.
class Writer {
 public:
  Writer(std::span<std::byte> bytes, Word base, Word at) noexcept : bytes_(bytes), base_(base), at_(at) {}
  void word(Word value) noexcept { put(&value, sizeof value); }
  void string(const std::string& s) noexcept { put(s.c_str(), s.size() + 1); }
  void put(const void* from, std::size_t size) noexcept {
    std::memcpy(bytes_.data() + (at_ - base_), from, size);
    at_ += size;
  }
  Word at() const noexcept { return at_; }
  void skip_to(Word address) noexcept { at_ = address; }

 private:
  std::span<std::byte> bytes_;
  Word base_;
  Word at_;
};

}  // namespace

Outcome<BuiltStack> build_stack(const abi::StackImage& layout, std::span<const std::string> argv,
                                std::span<const std::string> envp, Word top, std::size_t size) {
  std::size_t blobs = 0;
  for (const abi::AuxEntry& entry : layout.aux) blobs += blob_room(entry);
  std::size_t aux_count = layout.aux.size() + 1;
  for (const unsigned type :
       {layout.aux_argc, layout.aux_argv, layout.aux_envc, layout.aux_envv, layout.aux_ps_strings}) {
    aux_count += type != 0;
  }
  const std::size_t vectors = (1 + argv.size() + 1 + envp.size() + 1 + 2 * aux_count) * sizeof(Word);
  const std::size_t strings = string_room(argv) + string_room(envp);
  const std::size_t ps_room = layout.ps_strings ? sizeof(PsStrings) : 0;

  top &= ~Word{15};
  const std::size_t needed = ps_room + blobs + strings + vectors + 32;  // 32: the most padding can take
  if (needed > stack_limit(size) || needed > top) {
    return LoadError{LoadError::Kind::too_big, "arguments and environment take " + std::to_string(needed) +
                                                   " bytes; a stack of " + std::to_string(size) + " takes " +
                                                   std::to_string(stack_limit(size))};
  }

  BuiltStack built;
  const Word ps_at = top - ps_room;
  const Word blobs_at = ps_at - blobs;
  const Word strings_at = blobs_at - strings;
  // The highest address at or below that leaves the remainder asked for.
  const Word lowest = strings_at - vectors;
  const Word remainder = layout.alignment_remainder % 16;
  built.stack_pointer = lowest - ((lowest - remainder) & 15);
  built.bytes.resize(static_cast<std::size_t>(top - built.stack_pointer));
  built.argv = built.stack_pointer + sizeof(Word);
  built.envp = built.argv + (argv.size() + 1) * sizeof(Word);
  if (layout.ps_strings) built.ps_strings = ps_at;

  Writer vector(built.bytes, built.stack_pointer, built.stack_pointer);
  Writer text(built.bytes, built.stack_pointer, strings_at);
  Writer blob(built.bytes, built.stack_pointer, blobs_at);
  vector.word(argv.size());
  for (const auto& list : {argv, envp}) {
    for (const std::string& s : list) {
      vector.word(text.at());
      text.string(s);
    }
    vector.word(0);
  }
  for (const abi::AuxEntry& entry : layout.aux) {
    vector.word(entry.type);
    vector.word(entry.blob.empty() ? entry.value : blob.at());
    if (entry.blob.empty()) continue;
    const Word next = blob.at() + blob_room(entry);
    blob.put(entry.blob.data(), entry.blob.size());
    blob.skip_to(next);
  }
  const auto known_here = [&vector](unsigned type, Word value) {
    if (type == 0) return;
    vector.word(type);
    vector.word(value);
  };
  known_here(layout.aux_argc, argv.size());
  known_here(layout.aux_argv, built.argv);
  known_here(layout.aux_envc, envp.size());
  known_here(layout.aux_envv, built.envp);
  known_here(layout.aux_ps_strings, built.ps_strings);
  vector.word(0);  // AT_NULL
  vector.word(0);
  if (layout.ps_strings) {
    const PsStrings ps{built.argv, static_cast<std::uint32_t>(argv.size()), 0,
                       built.envp, static_cast<std::uint32_t>(envp.size()), 0};
    Writer(built.bytes, built.stack_pointer, ps_at).put(&ps, sizeof ps);
  }
  return built;
}

}  // namespace sudrun::loader

#include "abi/dragonfly/dragonfly.hpp"

#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

extern "C" {
[[gnu::visibility("hidden")]] extern const std::byte sudrun_dragonfly_sigcode_begin[],
    sudrun_dragonfly_sigcode_end[];
}

namespace sudrun::abi::dragonfly {
namespace {

// Auxiliary vector types: DragonFly 6.4, sys/cpu/x86_64/include/elf.h.
enum Aux : unsigned {
  kPhdr = 3,
  kPhent = 4,
  kPhnum = 5,
  kPagesz = 6,
  kBase = 7,
  kFlags = 8,
  kEntry = 9,
  kExecpath = 15,
  kOsreldate = 18,
};

}  // namespace

DragonFly::DragonFly()
    : Bsd({.continued_status = 0x13,  // SIGCONT
           .nofollow_error = EMLINK,
           .min_signal_stack = 8192}) {}

// In the order of dragonfly_fixup() (sys/kern/imgact_elf.c).
StackImage DragonFly::stack_image(const ImageInfo& image, std::string_view program_path) const {
  StackImage stack;
  // Programs find argc at what %rdi says; the stack pointer, 8 bytes off a multiple of 16, is that or 8 bytes
  // less (exec_setregs()).
  stack.alignment_remainder = 8;
  stack.ps_strings = true;
  const auto add = [&](unsigned type, Word value) { stack.aux.push_back({type, value, {}}); };
  add(kPhdr, image.phdr);
  add(kPhent, image.phent);
  add(kPhnum, image.phnum);
  add(kPagesz, 4096);
  add(kFlags, 0);
  add(kEntry, image.entry);
  add(kBase, image.base);
  const auto* path = reinterpret_cast<const std::byte*>(program_path.data());
  stack.aux.push_back({kExecpath, 0, {path, path + program_path.size()}});  // a NUL follows every blob
  add(kOsreldate, release().number);
  return stack;
}

Registers DragonFly::initial_registers(Word entry, Word stack_pointer, Word ps_strings) const noexcept {
  Registers regs;
  regs.rip = entry;
  regs.rsp = stack_pointer;
  regs.rdi = stack_pointer;
  regs.rbx = ps_strings;
  return regs;
}

std::span<const std::byte> DragonFly::trampoline() const noexcept {
  return {sudrun_dragonfly_sigcode_begin, sudrun_dragonfly_sigcode_end};
}

// Two values: 0 and 1 (cpu_fork()).
Result DragonFly::child_of_fork(Host&) noexcept { return Result::ok2(0, 1); }

// sys_nosys() (sys/kern/kern_sig.c).
Result DragonFly::missing_call(Call& call) noexcept {
  constexpr int kSigsys = 12;
  call.host.call(SYS_tgkill, static_cast<Word>(call.host.pid()), static_cast<Word>(call.host.tid()),
                 static_cast<Word>(call.table.signal_to_native(kSigsys)));
  return Result::fail(EINVAL);
}

std::vector<std::span<const HandlerEntry>> handlers() {
  std::vector<std::span<const HandlerEntry>> all{thread_handlers(), scheduling_handlers(), umtx_handlers(),
                                                 file_handlers(),   event_handlers(),      memory_handlers(),
                                                 mount_handlers()};
  for (const auto area : shared_handlers()) all.push_back(area);
  return all;
}

}  // namespace sudrun::abi::dragonfly

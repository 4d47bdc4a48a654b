#include "abi/netbsd/netbsd.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace sudrun::abi::netbsd {
namespace {

// Auxiliary vector types: NetBSD 10.1, sys/sys/exec_elf.h. Order and values are those of elf_copyargs() and
// exec_elf_makecmds() (sys/kern/exec_elf.c).
enum Aux : unsigned {
  kPhdr = 3,
  kPhent = 4,
  kPhnum = 5,
  kPagesz = 6,
  kBase = 7,
  kFlags = 8,
  kEntry = 9,
  kStackBase = 13,
  kEuid = 2000,
  kRuid = 2001,
  kEgid = 2002,
  kRgid = 2003,
  kExecName = 2014,
};

}  // namespace

// Threads have the host's numbers: on both systems the first one's is the process's.
NetBsd::NetBsd()
    : Bsd({.continued_status = 0xffff,     // _WCONTINUED (sys/sys/wait.h)
           .nofollow_error = EMEDIUMTYPE,  // stands for EFTYPE
           .inet6_family = 24,
           .min_signal_stack = 8192,
           .moves_used_stack = true,
           .maps_like_linux = true}) {}  // sys/miscfs/procfs/procfs_map.c: PFSmaps

StackImage NetBsd::stack_image(const ImageInfo& image, std::string_view program_path) const {
  StackImage stack;
  stack.ps_strings = true;
  const auto add = [&stack](unsigned type, Word value) { stack.aux.push_back({type, value, {}}); };
  add(kPhdr, image.phdr);
  add(kPhent, image.phent);
  add(kPhnum, image.phnum);
  add(kPagesz, 4096);
  add(kBase, image.interpreted ? image.base : 0);
  add(kFlags, 0);
  add(kEntry, image.entry);
  add(kEuid, geteuid());
  add(kRuid, getuid());
  add(kEgid, getegid());
  add(kRgid, getgid());
  add(kStackBase, image.stack_top);  // exec_setup_stack() (sys/kern/exec_subr.c)
  const std::string path(program_path);
  const auto* bytes = reinterpret_cast<const std::byte*>(path.c_str());
  stack.aux.push_back({kExecName, 0, {bytes, bytes + path.size() + 1}});
  return stack;
}

// setregs() (sys/arch/amd64/amd64/machdep.c). Programs stop if rbx is null (lib/csu); rdx is what the dynamic
// linker has them run at exit, and so 0.
Registers NetBsd::initial_registers(Word entry, Word stack_pointer, Word ps_strings) const noexcept {
  Registers regs;
  regs.rip = entry;
  regs.rsp = stack_pointer;
  regs.rbx = ps_strings;
  return regs;
}

// Each takes its locks before those it may be asked by: a fork finds them all free.
void NetBsd::before_fork() noexcept {
  lwps_.before_fork();
  Bsd::before_fork();
}
void NetBsd::after_fork_in_parent() noexcept {
  Bsd::after_fork_in_parent();
  lwps_.after_fork_in_parent();
}
void NetBsd::after_fork_in_child(Host& host) noexcept {
  Bsd::after_fork_in_child(host);
  lwps_.after_fork_in_child();
}

// sys_nosys() (sys/kern/sys_sig.c). What NetBSD has and is only not carried out here is no reason to be
// killed.
Result NetBsd::missing_call(Call& call) noexcept {
  constexpr int kSigsys = 12;
  if (call.table.string(call.entry.name).empty())
    call.host.call(SYS_tgkill, static_cast<Word>(call.host.pid()), static_cast<Word>(call.host.tid()),
                   static_cast<Word>(call.table.signal_to_native(kSigsys)));
  return Result::fail(ENOSYS);
}

// Registers are the parent's but for the result: no second one tells the child apart (child_return()).
Result NetBsd::child_of_fork(Host& host) noexcept { return Result::ok2(0, host.context().regs.rdx); }

std::vector<std::span<const HandlerEntry>> handlers() {
  std::vector<std::span<const HandlerEntry>> all{
      lwp_handlers(),           netbsd::signal_handlers(), event_handlers(),
      netbsd::file_handlers(),  netbsd::memory_handlers(), mount_handlers(),
      netbsd::sysctl_handlers()};
  for (const auto area : bsd::shared_handlers()) all.push_back(area);
  return all;
}

}  // namespace sudrun::abi::netbsd

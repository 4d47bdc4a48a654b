#include "abi/freebsd/freebsd.hpp"

#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

#include "abi/bsd/release.hpp"
#include "abi/freebsd/frames.hpp"
#include "abi/freebsd/thread_id.hpp"
#include "abi/freebsd/umtx.hpp"

extern "C" {
[[gnu::visibility("hidden")]] extern const std::byte sudrun_freebsd_sigcode_begin[],
    sudrun_freebsd_sigcode_end[];
}

namespace sudrun::abi::freebsd {
namespace {

// Auxiliary vector types: FreeBSD 14.0, sys/sys/elf_common.h.
enum Aux : unsigned {
  kPhdr = 3,
  kPhent = 4,
  kPhnum = 5,
  kPagesz = 6,
  kBase = 7,
  kFlags = 8,
  kEntry = 9,
  kExecpath = 15,
  kCanary = 16,
  kCanaryLen = 17,
  kOsreldate = 18,
  kNcpus = 19,
  kPagesizes = 20,
  kPagesizesLen = 21,
  kTimekeep = 22,
  kStackprot = 23,
  kEhdrflags = 24,
  kBsdflags = 27,
  kArgc = 28,
  kArgv = 29,
  kEnvc = 30,
  kEnvv = 31,
  kPsStrings = 32,
};

std::vector<std::byte> blob_of(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  return {bytes, bytes + size};
}

}  // namespace

FreeBsd::FreeBsd()
    : Bsd({.thread_id_bias = kThreadIdBias,
           .continued_status = 0x13,  // SIGCONT
           .nofollow_error = EMLINK,
           .min_signal_stack = 2048}) {}

StackImage FreeBsd::stack_image(const ImageInfo& image, std::string_view program_path) const {
  StackImage stack;
  // Programs find argc at the stack pointer, which stands 8 bytes off a multiple of 16 (exec_setregs()).
  stack.alignment_remainder = 8;
  stack.ps_strings = true;
  stack.aux_argc = kArgc;
  stack.aux_argv = kArgv;
  stack.aux_envc = kEnvc;
  stack.aux_envv = kEnvv;
  stack.aux_ps_strings = kPsStrings;

  const auto add = [&](unsigned type, Word value) { stack.aux.push_back({type, value, {}}); };
  const auto add_blob = [&](unsigned type, std::vector<std::byte> blob) {
    stack.aux.push_back({type, 0, std::move(blob)});
  };
  add(kPhdr, image.phdr);
  add(kPhent, image.phent);
  add(kPhnum, image.phnum);
  add(kPagesz, 4096);
  add(kFlags, 0);
  add(kEntry, image.entry);
  add(kBase, image.base);
  add(kEhdrflags, image.ehdr_flags);
  std::string path(program_path);
  add_blob(kExecpath, blob_of(path.c_str(), path.size() + 1));
  const bsd::Release seen(release().name, static_cast<int>(release().number));
  add(kOsreldate, static_cast<Word>(seen.number));
  std::array<std::byte, 64> canary{};
  static_cast<void>(getrandom(canary.data(), canary.size(), 0));
  add_blob(kCanary, blob_of(canary.data(), canary.size()));
  add(kCanaryLen, canary.size());
  add(kNcpus, static_cast<Word>(sysconf(_SC_NPROCESSORS_ONLN)));
  const std::array<std::uint64_t, 2> page_sizes{4096, 2U << 20};
  add_blob(kPagesizes, blob_of(page_sizes.data(), sizeof page_sizes));
  add(kPagesizesLen, sizeof page_sizes);
  if (!is_null(time_page_)) add(kTimekeep, word_of(time_page_));
  add(kStackprot, 3);  // read, write
  return stack;
}

Registers FreeBsd::initial_registers(Word entry, Word stack_pointer, Word) const noexcept {
  Registers regs;
  regs.rip = entry;
  regs.rsp = stack_pointer;
  regs.rdi = stack_pointer;
  return regs;
}

std::span<const std::byte> FreeBsd::trampoline() const noexcept {
  return {sudrun_freebsd_sigcode_begin, sudrun_freebsd_sigcode_end};
}

// Each takes its locks before those it may be asked by: a fork finds them all free.
void FreeBsd::before_fork() noexcept {
  thread_wakeups_.before_fork();
  umtx_pages_.before_fork();
  Bsd::before_fork();
}
void FreeBsd::after_fork_in_parent() noexcept {
  Bsd::after_fork_in_parent();
  umtx_pages_.after_fork();
  thread_wakeups_.after_fork_in_parent();
}
void FreeBsd::after_fork_in_child(Host& host) noexcept {
  host.thread_words() = {};  // robust lists are the parent's
  Bsd::after_fork_in_child(host);
  umtx_pages_.after_fork();
  thread_wakeups_.after_fork_in_child();
}

bool FreeBsd::put_siginfo(Host& host, GuestAddr at, const SignalInfo* info) noexcept {
  return host.put(at, info != nullptr ? guest_siginfo(table(), *info) : guest::Siginfo{});
}
bool FreeBsd::save_context(Host& host, GuestAddr at) noexcept {
  return freebsd::save_context(host, table(), at);
}
Result FreeBsd::restore_context(Host& host, GuestAddr at) noexcept {
  return freebsd::restore_context(host, table(), at);
}
// Two values: 0 and 1 (cpu_fork()).
Result FreeBsd::child_of_fork(Host&) noexcept { return Result::ok2(0, 1); }
void FreeBsd::thread_ends(Host& host) noexcept { umtx_thread_ends(host); }

std::vector<std::span<const HandlerEntry>> handlers() {
  std::vector<std::span<const HandlerEntry>> all{umtx_handlers(),    thread_handlers(), privileged_handlers(),
                                                 kernel_handlers(),  cpuset_handlers(), procctl_handlers(),
                                                 capsicum_handlers()};
  for (const auto area : shared_handlers()) all.push_back(area);
  return all;
}

}  // namespace sudrun::abi::freebsd

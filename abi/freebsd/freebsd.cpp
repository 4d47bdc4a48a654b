#include "abi/freebsd/freebsd.hpp"

#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstring>

#include "abi/freebsd/aio.hpp"
#include "abi/freebsd/kqueue.hpp"
#include "abi/freebsd/release.hpp"
#include "abi/freebsd/socket_calls.hpp"

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

FreeBsd::FreeBsd() : kqueues_(std::make_unique<KqueueRegistry>()), aio_(std::make_unique<AioRegistry>()) {}
FreeBsd::~FreeBsd() = default;

void FreeBsd::bind(const Table& table) {
  table_ = &table;
  set_release(release_of(table, {}).value());
  vocabulary_.open_flags = table.flag_set("open_flags");
  vocabulary_.at_flags = table.flag_set("at_flags");
  vocabulary_.access_mode = table.flag_set("access_mode");
  vocabulary_.mmap_prot = table.flag_set("mmap_prot");
  vocabulary_.mmap_flags = table.flag_set("mmap_flags");
  vocabulary_.madvise_behavior = table.flag_set("madvise_behavior");
  vocabulary_.msync_flags = table.flag_set("msync_flags");
  vocabulary_.clock_id = table.flag_set("clock_id");
  vocabulary_.wait_options = table.flag_set("wait_options");
  vocabulary_.socket_domain = table.flag_set("socket_domain");
  vocabulary_.socket_type = table.flag_set("socket_type");
  vocabulary_.msg_flags = table.flag_set("msg_flags");
  vocabulary_.socket_level = table.flag_set("socket_level");
  vocabulary_.sockopt_socket = table.flag_set("sockopt_socket");
  vocabulary_.sockopt_ip = table.flag_set("sockopt_ip");
  vocabulary_.sockopt_ipv6 = table.flag_set("sockopt_ipv6");
  vocabulary_.sockopt_tcp = table.flag_set("sockopt_tcp");
  vocabulary_.rlimit_resource = table.flag_set("rlimit_resource");
  vocabulary_.poll_events = table.flag_set("poll_events");
  vocabulary_.fd_flags = table.flag_set("fd_flags");
  vocabulary_.itimer_which = table.flag_set("itimer_which");
  vocabulary_.statfs_flags = table.flag_set("statfs_flags");
  vocabulary_.ipc_cmd = table.flag_set("ipc_cmd");
  vocabulary_.ipc_flags = table.flag_set("ipc_flags");
  vocabulary_.msgrcv_flags = table.flag_set("msgrcv_flags");
  vocabulary_.semctl_cmd = table.flag_set("semctl_cmd");
  vocabulary_.shm_flags = table.flag_set("shm_flags");
  vocabulary_.file_flags = table.flag_set("file_flags");
  vocabulary_.eventfd_flags = table.flag_set("eventfd_flags");
  vocabulary_.inotify_init_flags = table.flag_set("inotify_init_flags");
  vocabulary_.inotify_mask = table.flag_set("inotify_mask");
  vocabulary_.kcmp_type = table.flag_set("kcmp_type");
}

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
  const freebsd::Release seen(release().name, static_cast<int>(release().number));
  add(kOsreldate, static_cast<Word>(seen.number));
  std::array<std::byte, 64> canary{};
  static_cast<void>(getrandom(canary.data(), canary.size(), 0));
  add_blob(kCanary, blob_of(canary.data(), canary.size()));
  add(kCanaryLen, canary.size());
  add(kNcpus, static_cast<Word>(sysconf(_SC_NPROCESSORS_ONLN)));
  const std::array<std::uint64_t, 2> page_sizes{4096, 2U << 20};
  add_blob(kPagesizes, blob_of(page_sizes.data(), sizeof page_sizes));
  add(kPagesizesLen, sizeof page_sizes);
  add(kStackprot, 3);  // read, write
  return stack;
}

Registers FreeBsd::initial_registers(Word entry, Word stack_pointer) const noexcept {
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
  protection_limits_.before_fork();
  thread_wakeups_.before_fork();
  umtx_pages_.before_fork();
  process_descriptors_.before_fork();
  aio_->before_fork();
  kqueues_->before_fork();
}
void FreeBsd::after_fork_in_parent() noexcept {
  kqueues_->after_fork_in_parent();
  aio_->after_fork_in_parent();
  process_descriptors_.after_fork_in_parent();
  thread_wakeups_.after_fork_in_parent();
  umtx_pages_.after_fork();
  protection_limits_.after_fork();
}
void FreeBsd::after_fork_in_child(Host& host) noexcept {
  host.thread_words() = {};  // robust lists are the parent's
  if (switches_.reaper.exchange(false)) switches_.reaper_above = static_cast<int>(host.call(SYS_getppid));
  kqueues_->after_fork_in_child(host);
  aio_->after_fork_in_child(host);
  process_descriptors_.after_fork_in_child();
  thread_wakeups_.after_fork_in_child();
  umtx_pages_.after_fork();
  protection_limits_.after_fork();
}

// The new program tells of the execution itself: that it has come to run is certain only there.
std::array<int, 2> FreeBsd::exec_begins(Host& host, bool native) noexcept {
  ProcessEvents& events = kqueues_->process_events();
  if (native) events.executing(host);
  return events.descriptors();
}
void FreeBsd::exec_failed(Host& host) noexcept { kqueues_->process_events().withdraw_exec(host); }
bool FreeBsd::inherit(Host& host, std::array<int, 2> descriptors) noexcept {
  kqueues_->process_events().adopt(host, descriptors[0], descriptors[1]);
  return true;
}

void FreeBsd::descriptor_closing(Host& host, int fd) noexcept {
  kqueues_->on_close(host, fd);
  process_descriptors_.on_close(host, fd);
}

void FreeBsd::descriptor_duplicated(int from, int to) noexcept {
  kqueues_->on_dup(from, to);
  process_descriptors_.on_dup(from, to);
}

void FreeBsd::pipe_broke(Call& call) noexcept {
  const bool to_second = call.table.string(call.entry.name) == "sendfile";
  if (suppresses_sigpipe(call, call.i32(to_second ? 1 : 0))) call.host.discard_signal(SIGPIPE);
}

void FreeBsd::signal_arrived(int native_signal) noexcept { kqueues_->on_signal(native_signal); }

}  // namespace sudrun::abi::freebsd

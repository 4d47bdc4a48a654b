#include "abi/bsd/bsd.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <csignal>

#include "abi/bsd/aio.hpp"
#include "abi/bsd/kqueue.hpp"
#include "abi/bsd/socket_calls.hpp"
#include "abi/bsd/sysctl_changes.hpp"

namespace sudrun::abi::bsd {

Bsd::Bsd(const Manners& manners)
    : manners_(manners),
      kqueues_(std::make_unique<KqueueRegistry>()),
      aio_(std::make_unique<AioRegistry>()) {}
Bsd::~Bsd() = default;

void Bsd::bind(const Table& table) {
  table_ = &table;
  set_release(release_of(table, {}).value());
  change_sysctls(table);
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
  forms_.stat = {table, "st_ino", fs::kStatFields};
  forms_.flock_size = std::min<std::size_t>(table.struct_layout("flock").guest_size(), sizeof(fs::Flock));
  forms_.dirent = {table, "d_fileno", fs::kDirentFields};
  vocabulary_.open = {vocabulary_.open_flags, fs::kOpenNames};
  vocabulary_.at = {vocabulary_.at_flags, fs::kAtNames};
  vocabulary_.fcntl = {table.flag_set("fcntl_cmd"), fs::kFcntlNames};
  vocabulary_.path_variable = {table.flag_set("pathconf_name"), fs::kPathVariableNames};
}

std::vector<std::span<const HandlerEntry>> shared_handlers() {
  return {file_handlers(),       stat_handlers(),       socket_handlers(),    ioctl_handlers(),
          kqueue_handlers(),     poll_handlers(),       sysctl_handlers(),    time_handlers(),
          system_handlers(),     signal_handlers(),     memory_handlers(),    process_handlers(),
          posix_mq_handlers(),   posix_sem_handlers(),  sysv_sem_handlers(),  sysv_msg_handlers(),
          sysv_shm_handlers(),   extattr_handlers(),    file_flag_handlers(), at_handlers(),
          event_file_handlers(), credential_handlers(), aio_handlers()};
}

// Each takes its locks before those it may be asked by: a fork finds them all free.
void Bsd::before_fork() noexcept {
  protection_limits_.before_fork();
  process_descriptors_.before_fork();
  aio_->before_fork();
  kqueues_->before_fork();
}
void Bsd::after_fork_in_parent() noexcept {
  kqueues_->after_fork_in_parent();
  aio_->after_fork_in_parent();
  process_descriptors_.after_fork_in_parent();
  protection_limits_.after_fork();
}
void Bsd::after_fork_in_child(Host& host) noexcept {
  if (switches_.reaper.exchange(false)) switches_.reaper_above = static_cast<int>(host.call(SYS_getppid));
  kqueues_->after_fork_in_child(host);
  aio_->after_fork_in_child(host);
  process_descriptors_.after_fork_in_child();
  protection_limits_.after_fork();
}

// The new program tells of the execution itself: that it has come to run is certain only there.
std::array<int, 2> Bsd::exec_begins(Host& host, bool native) noexcept {
  ProcessEvents& events = kqueues_->process_events();
  if (native) events.executing(host);
  return events.descriptors();
}
void Bsd::exec_failed(Host& host) noexcept { kqueues_->process_events().withdraw_exec(host); }
bool Bsd::inherit(Host& host, std::array<int, 2> descriptors) noexcept {
  kqueues_->process_events().adopt(host, descriptors[0], descriptors[1]);
  return true;
}

void Bsd::descriptor_closing(Host& host, int fd) noexcept {
  kqueues_->on_close(host, fd);
  process_descriptors_.on_close(host, fd);
}

void Bsd::descriptor_duplicated(int from, int to) noexcept {
  kqueues_->on_dup(from, to);
  process_descriptors_.on_dup(from, to);
}

void Bsd::pipe_broke(Call& call) noexcept {
  const bool to_second = call.table.string(call.entry.name) == "sendfile";
  if (suppresses_sigpipe(call, call.i32(to_second ? 1 : 0))) call.host.discard_signal(SIGPIPE);
}

void Bsd::signal_arrived(int native_signal) noexcept { kqueues_->on_signal(native_signal); }

}  // namespace sudrun::abi::bsd

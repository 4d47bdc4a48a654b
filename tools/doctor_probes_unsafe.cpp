#include "tools/doctor_probes_unsafe.hpp"

#include <elf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "abi/types.hpp"
#include "runtime/arm_unsafe.hpp"
#include "runtime/vector_state_unsafe.hpp"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

// getpid, at an address of its own.
asm(R"(
        .pushsection .text
        .globl  sudrun_probe_call, sudrun_probe_call_end
        .hidden sudrun_probe_call, sudrun_probe_call_end
        .type   sudrun_probe_call, @function
sudrun_probe_call:
        movl    $39, %eax
        syscall
        ret
sudrun_probe_call_end:
        .size   sudrun_probe_call, . - sudrun_probe_call
        .popsection
)");
extern "C" long sudrun_probe_call();
extern "C" const char sudrun_probe_call_end[];

namespace sudrun::tools {
namespace {

// linux/prctl.h: 5.11; the inclusive mode 6.16.
constexpr int kSetSyscallUserDispatch = 59;
constexpr unsigned long kExclusive = 1, kInclusive = 2;
constexpr int kCodeSeccomp = 1, kCodeDispatch = 2;  // si_code of SIGSYS, asm-generic/siginfo.h
constexpr char kAllow = 0, kBlock = 1;
constexpr unsigned kSeconds = 20;  // no probe waits for anything; who hangs is killed
constexpr std::size_t kPage = 4096;

volatile char selector = kAllow;
volatile int trap_code = 0;

void on_trap(int, siginfo_t* info, void*) {
  selector = kAllow;
  trap_code = info->si_code;
}

void catch_traps() {
  struct sigaction action {};
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSYS, &action, nullptr);
}

int result_of(long returned) noexcept { return returned < 0 ? errno : 0; }

ChildResult wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return {};
  if (WIFSIGNALED(status)) return {-1, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

void be_harmless() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::alarm(kSeconds);
}

void* at(std::uint64_t address) noexcept { return reinterpret_cast<void*>(address); }

/// Memory exactly at `address`; MAP_FAILED if that is refused or taken.
void* map_at(std::uint64_t address, std::size_t size, int prot) noexcept {
  void* const got = ::mmap(at(address), size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != MAP_FAILED && got != at(address)) {  // a kernel that does not know the flag
    ::munmap(got, size);
    errno = EEXIST;
    return MAP_FAILED;
  }
  return got;
}

}  // namespace

ChildResult in_child(Probe probe) {
  const pid_t child = ::fork();
  if (child < 0) return {};
  if (child == 0) {
    be_harmless();
    ::_exit(probe());
  }
  return wait_for(child);
}

ChildResult in_child(const std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return {};
  if (child == 0) {
    be_harmless();
    const int null = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2})
      if (null >= 0) ::dup2(null, fd);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  return wait_for(child);
}

int probe_user_dispatch() {
  catch_traps();
  if (::prctl(kSetSyscallUserDispatch, kExclusive, 0UL, 0UL, &selector) != 0) return errno;
  selector = kBlock;
  sudrun_probe_call();
  return trap_code == kCodeDispatch ? 0 : ENOSYS;
}

int probe_inclusive_dispatch() {
  catch_traps();
  const auto begin = reinterpret_cast<unsigned long>(&sudrun_probe_call);
  const unsigned long size = reinterpret_cast<unsigned long>(sudrun_probe_call_end) - begin;
  if (::prctl(kSetSyscallUserDispatch, kInclusive, begin, size, &selector) != 0) return errno;
  selector = kBlock;
  ::syscall(SYS_gettid);  // outside: goes through
  if (trap_code != 0) return EINVAL;
  sudrun_probe_call();
  return trap_code == kCodeDispatch ? 0 : ENOSYS;
}

int probe_seccomp() {
  constexpr std::uint64_t kAddress = 0x10'0000'0000;
  catch_traps();
  void* const code = map_at(kAddress, kPage, PROT_READ | PROT_WRITE);
  if (code == MAP_FAILED) return errno;
  std::memcpy(
      code, reinterpret_cast<const void*>(&sudrun_probe_call),
      static_cast<std::size_t>(sudrun_probe_call_end - reinterpret_cast<const char*>(&sudrun_probe_call)));
  if (::mprotect(code, kPage, PROT_READ | PROT_EXEC) != 0) return errno;
  std::string error;
  if (runtime::choose_trap(runtime::TrapMode::seccomp, false, error) != runtime::TrapMode::seccomp)
    return EPERM;
  reinterpret_cast<long (*)()>(code)();
  return trap_code == kCodeSeccomp ? 0 : ENOSYS;
}

int probe_fsgsbase() {
  std::uint64_t base = 0;
  asm volatile("rdfsbase %0" : "=r"(base));  // SIGILL where the kernel has not switched it on
  return base == reinterpret_cast<std::uint64_t>(__builtin_thread_pointer()) ? 0 : EINVAL;
}

int probe_vector_state() {
  const runtime::VectorSupport& support = runtime::vector_support();
  if (support.save == VECTOR_FXSAVE) return support.save;
  alignas(64) static std::byte image[16 * 1024];
  if (support.image_size > sizeof image) return support.save;
  const auto low = static_cast<std::uint32_t>(support.components),
             high = static_cast<std::uint32_t>(support.components >> 32);
  asm volatile("xsave64 %0" : "+m"(image) : "a"(low), "d"(high) : "memory");
  std::uint32_t in_use = 0, rest = 0;
  if (support.save == VECTOR_XINUSE) asm volatile("xgetbv" : "=a"(in_use), "=d"(rest) : "c"(1));
  return support.save;
}

int probe_sync_core() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) != 0) return errno;
  return result_of(::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
}

int probe_code_change() {
  int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (fd < 0) fd = open_sample_program();
  if (fd < 0) return errno;
  void* const code = ::mmap(nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  if (code == MAP_FAILED) return errno;
  if (::mprotect(code, kPage, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return errno;
  *static_cast<volatile char*>(code) = 0;
  return result_of(::mprotect(code, kPage, PROT_READ | PROT_EXEC));
}

int probe_pidfd() {
  const long fd = ::syscall(SYS_pidfd_open, ::getpid(), 0);
  if (fd < 0) return errno;
  return result_of(::syscall(SYS_pidfd_send_signal, fd, 0, nullptr, 0));
}

int probe_exact_waits() {
  const int fd = ::epoll_create1(0);
  if (fd < 0) return errno;
  epoll_event event{};
  const timespec now{0, 0};
  return result_of(::syscall(SYS_epoll_pwait2, fd, &event, 1, &now, nullptr, 0));
}

int probe_newer_calls() {
  open_how how{};
  how.flags = O_PATH;
  const long opened = ::syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);
  if (opened < 0) return errno;
  if (::syscall(SYS_faccessat2, AT_FDCWD, "/", F_OK, AT_EACCESS) != 0) return errno;
  if (::syscall(SYS_memfd_create, "probe", 0) < 0) return errno;
  return result_of(::syscall(SYS_close_range, opened, opened, 0));
}

int probe_process_memory() {
  int from = 1, to = 0;
  const iovec source{&from, sizeof from}, target{&to, sizeof to};
  return result_of(::process_vm_writev(::getpid(), &source, 1, &target, 1, 0));
}

int probe_queued_signals() {
  constexpr int kMany = 128;
  const int signal = SIGRTMIN + 1;
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  for (int i = 0; i < kMany; ++i)
    if (::sigqueue(::getpid(), signal, {i}) != 0) return errno;
  return 0;
}

std::uint64_t lowest_usable_address() {
  std::uint64_t highest_refused = 0;
  // 64 KiB is where most systems begin; linkers put programs at 2 MiB (lld) and 4 MiB (GNU ld, Go).
  for (const std::uint64_t address : {0x1'0000, 0x2'0000, 0x20'0000, 0x40'0000})
    if (map_at(address, kPage, PROT_READ) == MAP_FAILED && errno != EEXIST) highest_refused = address;
  return highest_refused;
}

int probe_low_addresses() { return lowest_usable_address() >= 0x20'0000 ? EPERM : 0; }

bool host_is_above_programs() {
  void* const page = ::mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  ::munmap(page, kPage);
  return reinterpret_cast<std::uint64_t>(page) >= abi::kGuestTop &&
         reinterpret_cast<std::uint64_t>(&sudrun_probe_call) >= abi::kGuestTop;
}

int open_sample_program() {
  // Sixteen times getpid (20), then exit (1) with kSampleStatus: FreeBSD sys/kern/syscalls.master.
  // mov $16,%ebx; 1: mov $20,%eax; syscall; dec %ebx; jne 1b; mov $42,%edi; mov $1,%eax; syscall; hlt
  static_assert(kSampleStatus == 42);
  static constexpr std::array<unsigned char, 29> kCode{0xbb, 16,   0,    0,    0,    0xb8, 20,   0,    0,   0,
                                                       0x0f, 0x05, 0xff, 0xcb, 0x75, 0xf5, 0xbf, 42,   0,   0,
                                                       0,    0xb8, 1,    0,    0,    0,    0x0f, 0x05, 0xf4};
  constexpr std::uint64_t kAddress = 0x40'0000;
  struct {
    Elf64_Ehdr header{};
    Elf64_Phdr segment{};
    std::array<unsigned char, 29> code{};
  } file;
  file.code = kCode;
  std::memcpy(file.header.e_ident, ELFMAG, SELFMAG);
  file.header.e_ident[EI_CLASS] = ELFCLASS64;
  file.header.e_ident[EI_DATA] = ELFDATA2LSB;
  file.header.e_ident[EI_VERSION] = EV_CURRENT;
  file.header.e_ident[EI_OSABI] = ELFOSABI_FREEBSD;
  file.header.e_type = ET_EXEC;
  file.header.e_machine = EM_X86_64;
  file.header.e_version = EV_CURRENT;
  file.header.e_entry = kAddress + offsetof(decltype(file), code);
  file.header.e_phoff = offsetof(decltype(file), segment);
  file.header.e_ehsize = sizeof(Elf64_Ehdr);
  file.header.e_phentsize = sizeof(Elf64_Phdr);
  file.header.e_phnum = 1;
  file.segment = {PT_LOAD, PF_R | PF_X, 0, kAddress, kAddress, sizeof file, sizeof file, kPage};
  const int fd = ::memfd_create("sudrun-sample", 0);
  if (fd < 0) return -1;
  if (::write(fd, &file, sizeof file) == static_cast<ssize_t>(sizeof file)) return fd;
  ::close(fd);
  return -1;
}

}  // namespace sudrun::tools

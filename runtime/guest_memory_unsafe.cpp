// The only place where the runtime touches guest memory by address. Every access checks that the range is the
// guest's and goes through a fault point of gate.S, so that a bad pointer is EFAULT and nothing worse.
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "runtime/gate.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {

using abi::GuestAddr;
using abi::word_of;

namespace {
constexpr std::uint64_t kPathRoom = abi::kMaxPathArguments * abi::kMaxPath;
}

bool GuestThread::read(GuestAddr from, void* to, std::size_t size) noexcept {
  return in_guest(from, size) && sudrun_copy(to, reinterpret_cast<const void*>(word_of(from)), size) == 0;
}

bool GuestThread::write(GuestAddr to, const void* from, std::size_t size) noexcept {
  return in_guest(to, size) && sudrun_copy(reinterpret_cast<void*>(word_of(to)), from, size) == 0;
}

abi::NativeResult GuestThread::read_string(GuestAddr from, std::span<char> buffer) noexcept {
  if (!in_guest(from, 1)) return -EFAULT;
  const std::size_t room = std::min<std::size_t>(buffer.size(), abi::kGuestTop - word_of(from));
  std::size_t length = 0;
  if (sudrun_copy_string(buffer.data(), reinterpret_cast<const char*>(word_of(from)), room, &length) != 0)
    return -EFAULT;
  if (length == room) return room < buffer.size() ? -EFAULT : -ENAMETOOLONG;
  return static_cast<abi::NativeResult>(length);
}

abi::GuestAddr GuestThread::path_room(unsigned index) noexcept {
  constexpr int kAttempts = 16;
  for (int attempt = 0; path_room_ == 0 && attempt < kAttempts; ++attempt) {
    const abi::Word at = choose_address(kPathRoom, abi::kMaxPath);
    if (at == 0) break;
    const auto mapped = native(SYS_mmap, at, kPathRoom, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~std::uint64_t{0}, 0);
    if (mapped > 0) path_room_ = static_cast<abi::Word>(mapped);
    if (mapped != -EEXIST) break;
  }
  return abi::guest_addr(path_room_ == 0 ? 0 : path_room_ + index * abi::kMaxPath);
}

void GuestThread::free_path_room() noexcept {
  if (path_room_ != 0) native(SYS_munmap, path_room_, kPathRoom);
}

bool GuestThread::load32(GuestAddr from, std::uint32_t& value) noexcept {
  return in_guest(from, sizeof value) && word_of(from) % sizeof value == 0 &&
         sudrun_load32(reinterpret_cast<const std::uint32_t*>(word_of(from)), &value) == 0;
}

bool GuestThread::compare_exchange32(GuestAddr at, std::uint32_t& expected, std::uint32_t desired,
                                     bool& swapped) noexcept {
  return in_guest(at, sizeof desired) && word_of(at) % sizeof desired == 0 &&
         sudrun_compare_exchange32(reinterpret_cast<std::uint32_t*>(word_of(at)), &expected, desired,
                                   &swapped) == 0;
}

}  // namespace sudrun::runtime

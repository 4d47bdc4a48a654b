#include <sys/mman.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "abi/host.hpp"
#include "embed/memory.hpp"
#include "runtime/address_space.hpp"
#include "runtime/gate.hpp"

namespace sudrun::embed {

using runtime::native;
using runtime::word;

std::int64_t map_zeros(runtime::AddressSpace& addresses, abi::Word at, std::size_t size,
                       int native_protection) noexcept {
  constexpr int kAttempts = 16;
  if (size == 0 || size > abi::kGuestTop || at % 4096 != 0) return -EINVAL;
  if (at != 0 && !abi::Host::in_guest(abi::guest_addr(at), size)) return -EINVAL;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const abi::Word place = at != 0 ? at : addresses.choose(size, 4096);
    if (place == 0) return -ENOMEM;
    const std::int64_t mapped =
        native(SYS_mmap, place, size, static_cast<abi::Word>(native_protection),
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ~abi::Word{0}, 0);
    if (mapped != -EEXIST || at != 0) return mapped;
  }
  return -ENOMEM;
}

std::int64_t protect(abi::Word at, std::size_t size, int native_protection) noexcept {
  if (!abi::Host::in_guest(abi::guest_addr(at), size)) return -EINVAL;
  return native(SYS_mprotect, at, size, static_cast<abi::Word>(native_protection));
}

void unmap(abi::Word at, std::size_t size) noexcept { native(SYS_munmap, at, size); }

void follow_change(Ranges& ranges, long number, const std::array<abi::Word, 3>& args,
                   std::int64_t result) noexcept {
  constexpr abi::Word kPageMask = 4095;
  const auto end_of = [](abi::Word start, abi::Word size) { return (start + size + kPageMask) & ~kPageMask; };
  if (abi::is_error(result)) return;
  const auto at = static_cast<abi::Word>(result);
  switch (number) {
    case SYS_mmap:
      return ranges.add(at, end_of(at, args[1]));
    case SYS_munmap:
      return ranges.remove(args[0], end_of(args[0], args[1]));
    case SYS_mremap:
      ranges.remove(args[0], end_of(args[0], args[1]));
      return ranges.add(at, end_of(at, args[2]));
    default:
      return;
  }
}

abi::Word map_gate_page(runtime::AddressSpace& addresses) noexcept {
  // mov r10, rcx; syscall; ret; and what nobody gets to.
  constexpr std::array<unsigned char, kGatePlace> kCode{0x49, 0x89, 0xca, 0x0f, 0x05, 0xc3, 0xcc, 0xcc,
                                                        0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};
  const std::int64_t mapped = map_zeros(addresses, 0, kGateSize, PROT_READ | PROT_WRITE);
  if (mapped <= 0) return 0;
  const auto at = static_cast<abi::Word>(mapped);
  for (std::size_t place = 0; place < kGateSize; place += kGatePlace)
    std::memcpy(reinterpret_cast<void*>(at + place), kCode.data(), kCode.size());
  if (protect(at, kGateSize, PROT_READ | PROT_EXEC) == 0) return at;
  unmap(at, kGateSize);
  return 0;
}

namespace {

struct Vector {  // struct iovec; one end is the guest's and stays a number
  std::uint64_t base, size;
};

bool copy(long number, abi::Word guest, abi::Word own, std::size_t size) noexcept {
  if (!abi::Host::in_guest(abi::guest_addr(guest), size)) return false;
  const auto pid = static_cast<abi::Word>(native(SYS_getpid));
  while (size != 0) {
    const Vector here{own, size}, there{guest, size};
    const std::int64_t done = native(number, pid, word(&here), 1, word(&there), 1, 0);
    if (done <= 0) return false;
    const auto bytes = static_cast<std::size_t>(done);
    own += bytes, guest += bytes, size -= bytes;
  }
  return true;
}

}  // namespace

bool copy_from_guest(abi::Word from, void* to, std::size_t size) noexcept {
  return copy(SYS_process_vm_readv, from, word(to), size);
}

bool copy_to_guest(abi::Word to, const void* from, std::size_t size) noexcept {
  return copy(SYS_process_vm_writev, to, word(from), size);
}

}  // namespace sudrun::embed

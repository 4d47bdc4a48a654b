// Small pieces of foreign machine code, and guests to run them in.
#pragma once

#include <cstdint>
#include <string>
#include <sudrun/sudrun.hpp>
#include <vector>

namespace sudrun::test {

using Bytes = std::vector<std::uint8_t>;

/// Joins pieces.
template <typename... Pieces>
Bytes code(const Pieces&... pieces) {
  Bytes all;
  (all.insert(all.end(), pieces.begin(), pieces.end()), ...);
  return all;
}

inline Bytes word32(std::uint32_t value) {
  return {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8),
          static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 24)};
}
inline Bytes word64(std::uint64_t value) {
  return code(word32(static_cast<std::uint32_t>(value)), word32(static_cast<std::uint32_t>(value >> 32)));
}

inline const Bytes kSyscall{0x0f, 0x05}, kRet{0xc3}, kForever{0xeb, 0xfe}, kTrapHere{0xcc};
inline Bytes mov_eax(std::uint32_t value) { return code(Bytes{0xb8}, word32(value)); }
inline Bytes mov_edi(std::uint32_t value) { return code(Bytes{0xbf}, word32(value)); }
inline Bytes mov_rdi(std::uint64_t value) { return code(Bytes{0x48, 0xbf}, word64(value)); }
inline Bytes mov_esi(std::uint32_t value) { return code(Bytes{0xbe}, word32(value)); }
inline Bytes mov_edx(std::uint32_t value) { return code(Bytes{0xba}, word32(value)); }
inline Bytes mov_rsi(std::uint64_t value) { return code(Bytes{0x48, 0xbe}, word64(value)); }
inline Bytes call_absolute(std::uint64_t to) {  // mov rax, to; call rax
  return code(Bytes{0x48, 0xb8}, word64(to), Bytes{0xff, 0xd0});
}
/// A call of the system's with one argument.
inline Bytes call1(std::uint32_t number, std::uint32_t argument) {
  return code(mov_edi(argument), mov_eax(number), kSyscall);
}

/// FreeBSD's numbers (sys/kern/syscalls.master).
enum : std::uint32_t {
  kExit = 1,
  kFork = 2,
  kRead = 3,
  kWrite = 4,
  kGetpid = 20,
  kKill = 37,
  kNanosleep = 240
};

/// A guest of FreeBSD's with code of ours.
class CodeGuest {
 public:
  explicit CodeGuest(const char* abi = "freebsd-amd64") : table(Table::builtin(abi)), guest(table) {}
  /// Puts `bytes` where they can be executed.
  std::uint64_t place(const Bytes& bytes) {
    const std::size_t size = (bytes.size() + 4095) / 4096 * 4096;
    const std::uint64_t at = guest.map(size, SUDRUN_READ | SUDRUN_WRITE);
    guest.write(at, bytes.data(), bytes.size());
    guest.protect(at, size, SUDRUN_READ | SUDRUN_EXECUTE);
    return at;
  }
  Thread thread(const Bytes& bytes) { return guest.make_thread(place(bytes)); }

  Table table;
  Guest guest;
};

/// A file of the build's, as $SUDRUN_GUESTS names its directory.
std::string guest_file(const std::string& name);

}  // namespace sudrun::test

// Control messages (ancillary data), FreeBSD <-> Linux. Pure: bytes in, bytes out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/types.hpp"

namespace sudrun::abi::bsd {

/// Native room that is enough for any control data sendmsg accepts (guest::kMaxSendControl bytes).
inline constexpr std::size_t kNativeControlRoom = 4096;
/// What a native receive needs beyond the guest's room: some messages are longer in native form.
inline constexpr std::size_t kNativeControlSlack = 64;
/// SCM_MAX_FD of Linux: most descriptors one message can carry.
inline constexpr std::size_t kMaxPassedDescriptors = 253;

/// How a receiver asked for its peer's credentials.
enum class CredentialForm : std::uint8_t {
  sockcred,   ///< LOCAL_CREDS: SCM_CREDS with struct sockcred
  sockcred2,  ///< LOCAL_CREDS_PERSISTENT: SCM_CREDS2 with struct sockcred2
  cmsgcred,   ///< not at all: SCM_CREDS with struct cmsgcred, if the sender has sent it
};

/// Who sends, for SCM_CREDS: real ids, as the kernel checks them.
struct SenderIds {
  std::int32_t pid = 0;
  std::uint32_t uid = 0, gid = 0;
};

/// Guest to native, for sending. Returns the bytes used of `native`, or -EINVAL for malformed or unknown
/// messages.
NativeResult control_to_native(std::span<const std::byte> guest, std::span<std::byte> native,
                               const SenderIds& sender = {}) noexcept;

/// True if guest control data asks for the sender's credentials to be sent (SCM_CREDS).
bool sends_credentials(std::span<const std::byte> guest) noexcept;

/// SO_TS_CLOCK, in its numbers.
enum class TimestampClock : std::uint8_t { microseconds, bintime, nanoseconds, monotonic };

/// In which forms a receiver wants the time in nanoseconds that Linux gives.
struct TimestampForm {
  bool stamp = true;     ///< SO_TIMESTAMP: as `clock` says
  bool bintime = false;  ///< SO_BINTIME
  TimestampClock clock = TimestampClock::nanoseconds;
  std::int64_t realtime_ahead = 0;  ///< nanoseconds from the monotonic clock to the realtime clock
};

struct ReceivedControl {
  std::size_t size = 0;     ///< bytes written to the guest's buffer
  bool truncated = false;   ///< something known did not fit: MSG_CTRUNC
  std::size_t dropped = 0;  ///< descriptors that arrived and found no room; the caller closes them
};

/// Native to guest, after receiving. Messages without a guest form are left out. `dropped` must hold
/// kMaxPassedDescriptors.
ReceivedControl control_to_guest(std::span<const std::byte> native, std::span<std::byte> guest,
                                 CredentialForm form, std::span<int> dropped,
                                 const TimestampForm& times = {}) noexcept;

/// True if native control data carries a message of SOL_SOCKET of this type.
bool carries(std::span<const std::byte> native, int type) noexcept;

}  // namespace sudrun::abi::bsd

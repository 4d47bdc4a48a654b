// Writing messages of the runtime's own without disturbing the guest.
#pragma once

#include <cstddef>

namespace sudrun::runtime {

/// Writes all of it, or gives up. A reader that has gone away (EPIPE) makes the result false and raises no
/// SIGPIPE: the guest must not get a signal for what it did not write. Async-signal-safe.
bool write_quietly(int fd, const char* text, std::size_t size) noexcept;

}  // namespace sudrun::runtime

#include "runtime/quiet_write.hpp"

#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>
#include <ctime>

#include "abi/signals.hpp"
#include "runtime/gate.hpp"

namespace sudrun::runtime {

bool write_quietly(int fd, const char* text, std::size_t size) noexcept {
  const abi::NativeSigset pipe = abi::sigbit(SIGPIPE);
  abi::NativeSigset before = 0, pending = 0;
  native(SYS_rt_sigprocmask, SIG_BLOCK, word(&pipe), word(&before), sizeof pipe);
  native(SYS_rt_sigpending, word(&pending), sizeof pending);
  bool ok = true;
  while (size != 0) {
    const std::int64_t n = native(SYS_write, static_cast<std::uint64_t>(fd), word(text), size);
    if (n == -EINTR) continue;
    if (n <= 0) {
      ok = false;
      // Takes back the signal this write raised, unless one was pending already.
      const timespec now{};
      if (n == -EPIPE && (pending & pipe) == 0)
        native(SYS_rt_sigtimedwait, word(&pipe), 0, word(&now), sizeof pipe);
      break;
    }
    text += n;
    size -= static_cast<std::size_t>(n);
  }
  native(SYS_rt_sigprocmask, SIG_SETMASK, word(&before), 0, sizeof before);
  return ok;
}

}  // namespace sudrun::runtime

// The kernel's siginfo of a signal that was sent, decoded. What a fault adds is known only where it is
// caught.
#pragma once

#include <csignal>

#include "abi/signals.hpp"

namespace sudrun::abi {

inline SignalInfo decode_sent(const siginfo_t& raw) noexcept {
  SignalInfo info;
  info.signal = raw.si_signo;
  info.code = raw.si_code;
  info.error = raw.si_errno;
  if (raw.si_code == SI_TIMER) {
    info.timer_id = raw.si_timerid;
    info.overrun = raw.si_overrun;
    info.value = reinterpret_cast<Word>(raw.si_value.sival_ptr);
  } else if (raw.si_signo == SIGIO && raw.si_code > 0) {
    info.band = raw.si_band;
    info.fd = raw.si_fd;
  } else {
    info.pid = raw.si_pid;
    info.uid = raw.si_uid;
    if (raw.si_signo == SIGCHLD && raw.si_code > 0)
      info.status = raw.si_status;
    else
      info.value = reinterpret_cast<Word>(raw.si_value.sival_ptr);
  }
  return info;
}

}  // namespace sudrun::abi
